"""What is measured: training steps, label evaluation, and rollouts, in float32 and in bfloat16."""

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

import torch

from ffrec.bench.formulas import Product
from ffrec.bench.timing import Timed, turns
from ffrec.bench.works import (
    CLASSES,
    SYMBOLS,
    Work,
    alone,
    image_trainer,
    image_work,
    text_work,
    tried_work,
    under,
)
from ffrec.config import ConfigError, ImageRecipe
from ffrec.evaluation.images import label_goodness
from ffrec.recipes import feedforward, recurrent
from ffrec.recipes.text import aesop_goodness, by_goodness, figure_5
from ffrec.training.text import TextTrainer

TOGETHER, CONTEXT, ROLLED = 248, 10, 10  # strings written at once, their first characters, and the new ones


class Row(TypedDict, total=False):
    """What one line of the table says; what was not measured of it is missing."""

    work: str
    arithmetic: str
    seconds: float
    """Of one step, evaluation or rollout of all strings, in the fastest round."""
    busy: float
    """Median seconds / these: far above 1 if the machine was doing something else."""
    products: float
    """Seconds of the step's own products alone."""
    optimiser: float
    """Seconds of the optimiser alone."""
    ratio: float
    """Step / (own products + optimiser)."""
    over_products: float
    """Step / own products."""
    twin: float
    """The step by autograd / the step."""
    counted: str
    per_second: float
    over_float32: float
    """Seconds over those of the same work in float32."""
    over_single: float
    """Characters a second of all strings at once over those of one string."""


Make = Callable[[str, str], Work]
"""From an arithmetic and a device to what is timed."""


@dataclass(frozen=True)
class Bench:
    """One thing to measure, and its name."""

    name: str
    make: Make


def evaluation(make: Callable[[], ImageRecipe]) -> Make:
    """Two batches of images, evaluated by ten labels."""

    def made(arithmetic: str, device: str) -> Work:
        trainer = image_trainer(make(), arithmetic, device)
        network, rows = trainer.network, trainer.images.batch(slice(None))
        every = torch.arange(CLASSES, device=trainer.device).expand(len(rows), -1)
        last = network.window[1]
        run = under(trainer, lambda: label_goodness(network, network.encode(rows), every, last))
        return Work("images", len(rows), {"step": run})

    return made


def rollouts(units: int, together: int = TOGETHER) -> Make:
    """Strings written as one batch, and one string by itself."""

    def made(arithmetic: str, device: str) -> Work:
        chosen = figure_5("together", small=False).override({"hidden": [units] * 3})
        drawn = torch.Generator().manual_seed(0)
        strings = torch.randint(SYMBOLS, (together, CONTEXT + ROLLED), generator=drawn)
        trainer = TextTrainer(chosen, strings, SYMBOLS, device=device, arithmetic=arithmetic)

        def write(count: int) -> Callable[[], None]:
            context = trainer.strings[:count, :CONTEXT]

            def run() -> None:
                trainer.draws.begin(0)
                trainer.network.generate(context, ROLLED, trainer.draws)

            return under(trainer, run)

        return Work("characters", together * ROLLED, {"step": write(together), "single": write(1)})

    return made


def sampling(units: int) -> Make:
    """One string, written by two layers that score every character: beside the products of the second, which
    takes a row for each; the first picks rows. All predictors take part, as after training."""

    def made(arithmetic: str, device: str) -> Work:
        strings = torch.randint(SYMBOLS, (1, CONTEXT + 1), generator=torch.Generator().manual_seed(0))
        chosen = by_goodness("sampling", "–", units, units)
        trainer = TextTrainer(chosen, strings, SYMBOLS, device=device, arithmetic=arithmetic)
        trainer.network.exponents = dict.fromkeys(trainer.network.predictors, 0.5)
        products = [Product(2, "forward", SYMBOLS, units, units)] * ROLLED

        def run() -> None:
            trainer.draws.begin(0)
            trainer.network.generate(trainer.strings[:, :CONTEXT], ROLLED, trainer.draws)

        return Work("characters", ROLLED, {"step": under(trainer, run), "products": alone(trainer, products)})

    return made


def recipe_step(make: Callable[[], ImageRecipe]) -> Make:
    """A training step of an image recipe as it is."""
    return lambda arithmetic, device: image_work(make(), arithmetic, device)


def character_step(units: int, strings: int) -> Make:
    """A training step of three hidden layers from so many strings of a hundred characters."""
    chosen = figure_5("together", small=False).override({"hidden": [units] * 3, "batch": strings})
    return lambda arithmetic, device: text_work(chosen, arithmetic, device)


def tried_step(state: bool) -> Make:
    """A training step of `aesop-goodness` or `aesop-state`, whose layers score every character."""
    return lambda arithmetic, device: tried_work(aesop_goodness(state), arithmetic, device)


BENCHES = (
    Bench("recurrent 3 × 2000", recipe_step(recurrent.recurrent_mnist)),
    Bench("recurrent 2 × 500", recipe_step(recurrent.recurrent_mnist_small)),
    Bench("supervised 4 × 2000", recipe_step(feedforward.supervised_mnist)),
    Bench("characters 3 × 500, 3 strings", character_step(500, 3)),
    Bench("characters 3 × 500, 248 strings", character_step(500, 248)),
    Bench("characters by goodness", tried_step(state=False)),
    Bench("characters by goodness, a state", tried_step(state=True)),
    Bench("rollouts 3 × 1000, 248 strings", rollouts(1000)),
    Bench("sampling by goodness 2 × 1000", sampling(1000)),
    Bench("ten labels, recurrent 2 × 500", evaluation(recurrent.recurrent_mnist_small)),
    Bench("ten labels, supervised 4 × 2000", evaluation(feedforward.supervised_mnist)),
)


def chosen_benches(only: str | None) -> list[Bench]:
    """Those whose name has the pattern in it, in which * stands for anything; raises ConfigError if there is
    none."""
    pattern = f"*{(only or '').replace(' x ', ' × ')}*"  # few keyboards have a ×
    found = [bench for bench in BENCHES if fnmatch.fnmatch(bench.name, pattern)]
    if not found:
        names = "; ".join(bench.name for bench in BENCHES)
        raise ConfigError(f"--only: expected part of a name ({names}), found {only!r}: leave it out for all")
    return found


def bfloat16_speed(device: str, size: int = 1000) -> float:
    """Seconds of a float32 product over those of the same one in bfloat16."""
    square = torch.randn(size, size, device=device)
    half = square.bfloat16()
    found = turns({"float32": lambda: square @ square, "bfloat16": lambda: half @ half}, 0.1, device=device)
    return found["float32"].seconds / found["bfloat16"].seconds


def measured(
    benches: list[Bench], arithmetics: tuple[str, ...], device: str, seconds: float
) -> Iterator[Row]:
    """A row for every bench in every arithmetic, in about so many seconds each. All variants in all
    arithmetics of one bench take turns."""
    for bench in benches:
        works = {arithmetic: bench.make(arithmetic, device) for arithmetic in arithmetics}
        runs = {
            f"{arithmetic} {name}": run
            for arithmetic, work in works.items()
            for name, run in work.variants.items()
        }
        timed = turns(runs, seconds * len(works), device=device)
        first: Row = {}
        for arithmetic, work in works.items():
            found = {name: timed[f"{arithmetic} {name}"] for name in work.variants}
            row: Row = {"work": bench.name, "arithmetic": arithmetic, **row_of(work, found)}
            if first:
                row["over_float32"] = row["seconds"] / first["seconds"]
            elif arithmetic == "fp32":
                first = row
            yield row


def row_of(work: Work, found: Mapping[str, Timed]) -> Row:
    """What the times of a work's variants say of it."""
    step = found["step"].seconds
    row: Row = {
        "seconds": step,
        "busy": found["step"].median / step,
        "counted": work.counted,
        "per_second": work.cases / step,
    }
    if "products" in found:
        row["products"] = found["products"].seconds
        row["over_products"] = step / row["products"]
    if "optimiser" in found:
        row["optimiser"] = found["optimiser"].seconds
        row["ratio"] = step / (row["products"] + row["optimiser"])
    if "twin" in found:
        row["twin"] = found["twin"].seconds / step
    if "single" in found:
        row["over_single"] = work.cases / ROLLED * found["single"].seconds / step
    return row
