"""Learning through a black box (Hinton 2022 §6), on the embedded digits, in about a minute.

    python benchmarks/black_box.py [--epochs 40] [--seeds 3]

Between hidden layers 1 and 2 of three sits something that backpropagation cannot pass: units that fire or do
not, at random, with a probability that grows with their input, and in an order that nobody knows. Printed is
the test error of single hidden layers, each predicting labels by its own goodness, before and after training.
"""

import argparse
import statistics

import torch
from torch import Tensor

import corpora
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.transform import Transform
from ffrec.recipes import recipe
from ffrec.training.images import ImageTrainer


def noisy_spikes(units: int, seed: int) -> Transform:
    """Stochastic, not differentiable, and shuffled."""
    drawn = torch.Generator().manual_seed(seed)
    order = torch.randperm(units, generator=drawn)

    def box(x: Tensor) -> Tensor:
        fires = torch.rand(x.shape, generator=drawn) < 1 - torch.exp(-2 * x)
        return fires[..., order].to(x.dtype)

    return box


def errors(trainer: ImageTrainer, test: corpora.Split) -> list[float]:
    """Test error of every hidden layer by its own goodness, in percent."""
    network, found = trainer.network, []
    for level in network.levels:
        network.scored = (level,)
        found.append(evaluate_images(network, Images(test.images), test.labels)["error_goodness"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    digits = corpora.load("digits")
    chosen = recipe("supervised-digits").override({"epochs": options.epochs})
    print(f"test error of hidden layers 1, 2, 3 in %, mean over {options.seeds} seeds")
    for name in ("nothing", "noisy spikes"):
        before, after = [], []
        for seed in range(options.seeds):
            trainer = ImageTrainer(chosen, digits.train.images, digits.train.labels, 10, seed)
            if name != "nothing":
                trainer.network.put_box(1, noisy_spikes(chosen.network.hidden[0], seed))
            before.append(errors(trainer, digits.test))
            for _ in trainer.run():
                pass
            after.append(errors(trainer, digits.test))
        rows = [
            ", ".join(f"{statistics.mean(column):.1f}" for column in zip(*runs, strict=True))
            for runs in (before, after)
        ]
        print(f"  {name} behind hidden layer 1: {rows[0]} before training, {rows[1]} after")


if __name__ == "__main__":
    main()
