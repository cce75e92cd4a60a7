"""Speed of the next-character network as ratios, each against something run in the same process.

    python benchmarks/character.py [--units 1000] [--strings 248] [--device cpu] [--repeat 7]

1. a training step of three hidden layers on both kinds of data, rollouts apart, over its own matrix products;
2. rollouts of all strings as one batch over one window at a time, in characters a second;
3. characters a second of one string sampled from 3 × 2000 units.
"""

import argparse
import time
from collections.abc import Callable

import torch
from timing import medians, synchronise

from ffrec.config import CharacterConfig
from ffrec.networks.character import Character
from ffrec.recipes.text import figure_5
from ffrec.training.text import TextTrainer

SYMBOLS = 30


def own_products(network: Character, cases: int) -> Callable[[], None]:
    """Exactly the matrix products of one training step: same shapes, same number, nothing else."""
    device = network.device

    def rows(units: int) -> torch.Tensor:
        return torch.randn(cases, units, device=device)

    pairs = []
    for _ in ("positive", "negative"):
        for level in network.levels:
            weight = network.layer(level).connection(str(level - 1)).weight
            if level > 1:
                pairs.append((rows(weight.shape[0]), weight))
            pairs.append((rows(weight.shape[0]).T, rows(weight.shape[1])))
    readout = network.readout.weight
    pairs += [(rows(readout.shape[0]), readout), (rows(readout.shape[0]).T, rows(SYMBOLS))]

    def run() -> None:
        for left, right in pairs:
            left @ right

    return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--strings", type=int, default=248)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=7)
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, {chosen.device}, {torch.get_num_threads()} threads")
    drawn = torch.Generator().manual_seed(0)
    strings = torch.randint(SYMBOLS, (chosen.strings, 100), generator=drawn)
    recipe = figure_5("together", small=False).override({"hidden": [chosen.units] * 3})
    trainer = TextTrainer(recipe, strings, SYMBOLS, device=chosen.device)
    index = torch.arange(chosen.strings, device=chosen.device)
    with torch.no_grad():
        trainer.negatives = trainer.generate(trainer.strings, trainer.draws)
        step = {
            "step": lambda: trainer.learn(index, "both"),
            "products": own_products(trainer.network, chosen.strings * 90),
        }
        seconds = medians(step, chosen.repeat)
        print(
            f"training step, 3 x {chosen.units}, {chosen.strings} strings: {seconds['step']:.3f} s, "
            f"{seconds['step'] / seconds['products']:.2f} x its own products"
        )
        context = trainer.strings[:, :10]
        rollouts = {
            "batch": lambda: trainer.network.generate(context, 10, trainer.draws),
            "single": lambda: trainer.network.generate(context[:1], 10, trainer.draws),
        }
        seconds = medians(rollouts, chosen.repeat)
        batch, single = chosen.strings * 10 / seconds["batch"], 10 / seconds["single"]
        print(
            f"rollouts, 3 x {chosen.units}: {batch:.0f} characters/s for {chosen.strings} strings at once, "
            f"{single:.0f} one window at a time: {batch / single:.1f} x"
        )
        network = Character(CharacterConfig(), SYMBOLS, drawn).to(chosen.device)
        network.generate(context[:1], 20, trainer.draws)
        synchronise()
        start = time.perf_counter()
        network.generate(context[:1], 300, trainer.draws)
        synchronise()
        print(f"one string, 3 x 2000: {300 / (time.perf_counter() - start):.0f} characters/s")


if __name__ == "__main__":
    main()
