"""What is measured: training steps, label evaluation, and rollouts, in float32 and in bfloat16."""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypedDict

import torch

from ffrec.bench.timing import turns
from ffrec.bench.works import CLASSES, SYMBOLS, Work, image_trainer, image_work, text_work, under
from ffrec.config import ConfigError, ImageRecipe
from ffrec.evaluation.images import label_goodness
from ffrec.recipes import feedforward, recurrent
from ffrec.recipes.text import figure_5
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


Measure = Callable[[str, str, float], Row]
"""From an arithmetic, a device and the seconds it may take to what was measured."""


@dataclass(frozen=True)
class Bench:
    """One thing to measure, and its name."""

    name: str
    measure: Measure


def training(make: Callable[[str, str], Work]) -> Measure:
    """A training step beside its own products, the optimiser and the twin."""

    def measure(arithmetic: str, device: str, seconds: float) -> Row:
        work = make(arithmetic, device)
        found = turns(work.variants, seconds, device=device)
        step, products, optimiser, twin = (
            found[name].seconds for name in ("step", "products", "optimiser", "twin")
        )
        return {
            "seconds": step,
            "busy": found["step"].median / step,
            "products": products,
            "optimiser": optimiser,
            "ratio": step / (products + optimiser),
            "over_products": step / products,
            "twin": twin / step,
            "counted": work.counted,
            "per_second": work.cases / step,
        }

    return measure


def evaluation(make: Callable[[], ImageRecipe]) -> Measure:
    """A batch of 200 images evaluated by ten labels."""

    def measure(arithmetic: str, device: str, seconds: float) -> Row:
        trainer = image_trainer(make(), arithmetic, device)
        network, rows = trainer.network, trainer.images.batch(slice(None))
        every = torch.arange(CLASSES, device=trainer.device).expand(len(rows), -1)
        run = under(trainer, lambda: label_goodness(network, network.encode(rows), every, network.window[1]))
        found = turns({"all": run}, seconds / 2, device=device)["all"]
        return {
            "seconds": found.seconds,
            "busy": found.median / found.seconds,
            "counted": "images",
            "per_second": len(rows) / found.seconds,
        }

    return measure


def rollouts(units: int, together: int = TOGETHER) -> Measure:
    """Strings written as one batch, over one string at a time."""

    def measure(arithmetic: str, device: str, seconds: float) -> Row:
        chosen = figure_5("together", small=False).override({"hidden": [units] * 3})
        drawn = torch.Generator().manual_seed(0)
        strings = torch.randint(SYMBOLS, (together, CONTEXT + ROLLED), generator=drawn)
        trainer = TextTrainer(chosen, strings, SYMBOLS, device=device, arithmetic=arithmetic)
        context = trainer.strings[:, :CONTEXT]

        def write(count: int) -> Callable[[], None]:
            generate = trainer.network.generate
            return under(trainer, lambda: generate(context[:count], ROLLED, trainer.draws))

        found = turns({"all": write(together), "single": write(1)}, seconds / 2, device=device)
        seconds, single = found["all"].seconds, found["single"].seconds
        return {
            "seconds": seconds,
            "busy": found["all"].median / seconds,
            "counted": "characters",
            "per_second": together * ROLLED / seconds,
            "over_single": together * single / seconds,
        }

    return measure


def recipe_step(make: Callable[[], ImageRecipe]) -> Measure:
    """A training step of an image recipe as it is."""
    return training(lambda arithmetic, device: image_work(make(), arithmetic, device))


def character_step(units: int, strings: int) -> Measure:
    """A training step of three hidden layers from so many strings of a hundred characters."""
    chosen = figure_5("together", small=False).override({"hidden": [units] * 3, "batch": strings})
    return training(lambda arithmetic, device: text_work(chosen, arithmetic, device))


BENCHES = (
    Bench("recurrent 3 × 2000", recipe_step(recurrent.recurrent_mnist)),
    Bench("recurrent 2 × 500", recipe_step(recurrent.recurrent_mnist_small)),
    Bench("supervised 4 × 2000", recipe_step(feedforward.supervised_mnist)),
    Bench("characters 3 × 500, 3 strings", character_step(500, 3)),
    Bench("characters 3 × 500, 248 strings", character_step(500, 248)),
    Bench("rollouts 3 × 1000, 248 strings", rollouts(1000)),
    Bench("ten labels, recurrent 2 × 500", evaluation(recurrent.recurrent_mnist_small)),
    Bench("ten labels, supervised 4 × 2000", evaluation(feedforward.supervised_mnist)),
)


def chosen_benches(only: str | None) -> list[Bench]:
    """Those whose name has the pattern in it, in which * stands for anything; raises ConfigError if there is
    none."""
    found = [bench for bench in BENCHES if not only or fnmatch.fnmatch(bench.name, f"*{only}*")]
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
    """A row for every bench in every arithmetic, as soon as it is measured."""
    for bench in benches:
        first: dict[str, float] = {}
        for arithmetic in arithmetics:
            row: Row = {"work": bench.name, "arithmetic": arithmetic}
            row |= bench.measure(arithmetic, device, seconds)
            first[arithmetic] = row["seconds"]
            if arithmetic != "fp32" and "fp32" in first:
                row["over_float32"] = row["seconds"] / first["fp32"]
            yield row
