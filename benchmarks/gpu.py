"""What a GPU has to show, in one command and under eight minutes; the answer is one JSON in results/.

    python benchmarks/gpu.py [--device cuda] [--seconds 5] [--out results/gpu.json] [--tiny]

1. gradients on the device against those of a CPU in float64, of the same weights;
2. seconds an epoch of the paper's recurrent network and of the supervised one: float32, tf32, bfloat16, as
   CUDA graphs or not, which have to end with the same weights; and peak memory;
3. rollouts of 248 and of 10,000 strings, and labels evaluated, in characters and images a second.

A part that fails is written down, and the others go on; the exit code is then 1. `--tiny` is for tests.
"""

import argparse
import copy
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ffrec.bench.suite import Bench, Make, evaluation, measured, rollouts
from ffrec.bench.timing import synchronise
from ffrec.bench.works import image_trainer, under
from ffrec.config import CharacterConfig, ConfigError, ImageRecipe
from ffrec.evaluation.images import BATCH
from ffrec.networks.network import Network
from ffrec.networks.text.character import Character
from ffrec.recipes import recipe
from ffrec.storage.environment import environment
from ffrec.training.arithmetic import computing
from ffrec.training.device import pick_device

IMAGES = 50_000  # of an epoch, as MNIST is split
FURTHEST = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 1e-1}
"""Relative error of a gradient that is still rounding."""
SAME = 1e-5  # relative difference of weights between an ordinary update and a graph that is still rounding
NETS = {"recurrent 3 × 2000": "recurrent-mnist", "supervised 4 × 2000": "supervised-mnist"}


def chosen_recipe(name: str, tiny: bool) -> ImageRecipe:
    """A recipe as it is, or too small to take time."""
    hidden = [16] * len(recipe(name).network.hidden)
    return recipe(name).override({"hidden": hidden, "batch": 10} if tiny else {})


def evaluated(name: str, tiny: bool) -> ImageRecipe:
    """A recipe whose two batches are as many images as are evaluated together."""
    return chosen_recipe(name, tiny).override({} if tiny else {"batch": BATCH // 2})


def gradients(network: Network, encode: Callable[[Network], Any], *data: Tensor) -> list[Tensor]:
    """What a local update adds to the gradients of the hidden layers."""
    place, dtype = network.readout.weight.device, network.readout.weight.dtype
    network.zero_grad()
    labels, signs = (None if x.numel() == 0 else x.to(place) for x in data)
    network.learn(encode(network), labels, signs.to(dtype))
    return [parameter.grad.double().cpu() for parameter in network.layers.parameters()]


def furthest(
    network: Network, encode: Callable[[Network], Any], device: str, *data: Tensor
) -> dict[str, float]:
    """The largest relative error of a parameter's gradient, in each arithmetic."""
    exact = gradients(copy.deepcopy(network).double(), encode, *data)
    network, found = network.to(device), {}
    for arithmetic in arithmetics(device):
        with computing(network, arithmetic, torch.device(device)):
            rough = gradients(network, encode, *data)
        errors = [(a - b).norm() / b.norm() for a, b in zip(rough, exact, strict=True) if b.norm() > 0]
        found[arithmetic] = max(errors).item()
    return found


def check_gradients(device: str, tiny: bool) -> dict[str, dict[str, float]]:
    """Of a recurrent, a supervised and a character network."""
    drawn, found = torch.Generator().manual_seed(1), {}
    signs = torch.tensor([1.0, -1.0])
    for title, name in NETS.items():
        network = image_trainer(chosen_recipe(name, tiny), "fp32", "cpu").network
        rows = torch.rand(20, 784, generator=drawn, dtype=torch.float64)
        true = torch.randint(10, (20,), generator=drawn)
        labels = torch.stack([true, (true + 1) % 10], dim=1)

        def images(net: Network, rows: Tensor = rows) -> Any:
            return net.encode(rows.to(net.readout.weight))

        found[title] = furthest(network, images, device, labels, signs)
    units = (16, 16) if tiny else (1000, 1000, 1000)
    network = Character(CharacterConfig(hidden=units), 30, drawn)
    windows = torch.randint(30, (200, 10), generator=drawn)

    def characters(net: Network) -> Any:
        return net.encode(windows.to(net.readout.weight.device))

    none = torch.empty(0, dtype=torch.long)
    found[f"characters {len(units)} × {units[0]}"] = furthest(network, characters, device, none, signs[:1])
    return found


def arithmetics(device: str) -> tuple[str, ...]:
    """Those that a device has."""
    return ("fp32", "tf32", "bf16") if device == "cuda" else ("fp32", "bf16")


def epoch(
    name: str, arithmetic: str, captured: bool, device: str, seconds: float, tiny: bool
) -> dict[str, Any]:
    """Seconds that an epoch takes, memory at its peak, and the weights after a few updates."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    trainer = image_trainer(chosen_recipe(name, tiny), arithmetic, device)
    if captured:
        trainer.capture()
    batch = trainer.recipe.training.batch
    index = torch.arange(batch, device=trainer.device)
    step = under(trainer, lambda: trainer.update(trainer.part(index)))
    for _ in range(10):
        step()
    weights = torch.cat([p.flatten() for p in trainer.network.layers.parameters()]).clone()
    synchronise(device)
    start, updates = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or not updates:
        for _ in range(1 if device == "cpu" else 10):
            step()
            updates += 1
        synchronise(device)
    taken = (time.perf_counter() - start) / updates
    return {
        "seconds_an_update": taken,
        "seconds_an_epoch": taken * IMAGES / batch,
        "images_per_second": batch / taken,
        "peak_memory_mib": peak_memory(device),
        "weights": weights,
    }


def peak_memory(device: str) -> float:
    """Of the device, in MiB; on a CPU of the whole process so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def training(name: str, device: str, seconds: float, tiny: bool) -> dict[str, Any]:
    """Epochs in each arithmetic, as they are and as graphs, and how far these are from each other."""
    found: dict[str, Any] = {}
    for arithmetic in arithmetics(device):
        plain = epoch(name, arithmetic, False, device, seconds, tiny)
        before = plain.pop("weights")
        found[arithmetic] = {"plain": plain}
        if device == "cuda":
            captured = epoch(name, arithmetic, True, device, seconds, tiny)
            apart = captured.pop("weights") - before
            captured["differs_by"] = (apart.norm() / before.norm()).item()
            found[arithmetic]["captured"] = captured
    return found


def rows(make: Make, device: str, seconds: float) -> dict[str, Any]:
    """What `ffrec bench` measures, by arithmetic."""
    return {
        row["arithmetic"]: row for row in measured([Bench("", make)], arithmetics(device), device, seconds)
    }


def failures(found: dict[str, Any]) -> list[str]:
    """What is not as it should be, in words."""
    wrong = [f"{part}: {said['error']}" for part, said in found.items() if "error" in said]
    for title, errors in found["gradients"].items() if "error" not in found["gradients"] else ():
        wrong += [
            f"gradients of {title} in {name}: expected errors up to {FURTHEST[name]:.0e}, found {error:.1e}"
            for name, error in errors.items()
            if not error <= FURTHEST[name]
        ]
    for part, said in found.items():
        for name, runs in said.items() if part in NETS and "error" not in said else ():
            if "captured" in runs and not runs["captured"]["differs_by"] <= SAME:
                wrong.append(f"{part} in {name}: a graph differs by {runs['captured']['differs_by']:.1e}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=5.0, help="for each thing that is timed")
    parser.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    parser.add_argument("--tiny", action="store_true", help="networks that take no time, for tests")
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)  # a wrong path is found out now
    try:
        device = pick_device(asked.device).type
    except ConfigError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 2
    seconds, tiny = asked.seconds, asked.tiny
    units, many = (16, 20) if tiny else (2000, 10_000)
    parts: dict[str, Callable[[], dict[str, Any]]] = {"gradients": lambda: check_gradients(device, tiny)}
    for title, name in NETS.items():
        parts[title] = lambda name=name: training(name, device, seconds, tiny)
    for count in (min(248, many), many):
        parts[f"rollouts of {count} strings"] = lambda n=count: rows(rollouts(units, n), device, seconds)
    for title, name in NETS.items():
        parts[f"ten labels, {title}"] = lambda name=name: rows(
            evaluation(lambda: evaluated(name, tiny)), device, seconds
        )
    found: dict[str, Any] = {}
    start = time.perf_counter()
    for part, measure in parts.items():
        try:
            with torch.no_grad():
                found[part] = measure()
        except Exception as error:  # a GPU is seldom to be had: the other parts are still wanted
            found[part] = {"error": f"{type(error).__name__}: {error}"}
        print(f"{time.perf_counter() - start:5.0f} s  {part}", file=sys.stderr)
    card = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    about = {"device": card, "tiny": tiny, "seconds": time.perf_counter() - start, **environment()}
    wrong = failures(found)
    asked.out.write_text(
        json.dumps({**about, "failures": wrong, **found}, indent=2, ensure_ascii=False) + "\n"
    )
    print(*(wrong or ["all as expected"]), f"written to {asked.out}", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
