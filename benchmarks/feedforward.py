"""Speed of the feed-forward networks as ratios, each against something run in the same process.

    python benchmarks/feedforward.py [--units 2000] [--batch 100] [--device cpu] [--repeat 15]

1. a training step of four layers with hard negatives over one of backpropagation, same shape, same batch;
2. a training step of local receptive fields, masked dense weights over batched products.

`ffrec bench` has the step over its own matrix products.
"""

import argparse
from collections.abc import Callable

import torch

from ffrec.bench.timing import turns
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer
from ffrec.training.images import ImageTrainer


def trainer(name: str, batch: int, device: str, **changed: object) -> ImageTrainer:
    """A recipe's trainer on random images."""
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch, 28, 28), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (batch,), generator=drawn)
    plain = {"batch": batch, "dropout": 0.0, "jitter": 0} | changed
    return new_trainer(recipe(name).override(plain), images, labels, 10, device=device)


def stepping(of: ImageTrainer, batch: int, device: str) -> Callable[[], None]:
    index = torch.arange(batch, device=device)

    def step() -> None:
        of.update(index)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    batch, device = options.batch, options.device
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, batches of {batch}")
    hidden = [options.units] * 4
    forward = trainer("supervised-mnist", batch, device, hidden=hidden)
    backward = trainer("backprop-mnist", batch, device, hidden=hidden)
    local = trainer("local-mnist", batch, device)
    masked = trainer("local-mnist", batch, device, masked=True)
    with torch.no_grad():
        variants = {
            "step": stepping(forward, batch, device),
            "backprop": stepping(backward, batch, device),
            "local": stepping(local, batch, device),
            "masked": stepping(masked, batch, device),
        }
        timed = turns(variants, 0, options.repeat, device)
    found = {name: part.seconds for name, part in timed.items()}
    print(
        f"supervised step, 4 x {options.units}: {1000 * found['step']:.1f} ms, "
        f"{found['step'] / found['backprop']:.2f} x a step of backpropagation"
    )
    print(
        f"local receptive fields: {1000 * found['local']:.1f} ms a step; "
        f"masked dense weights take {found['masked'] / found['local']:.1f} x as long"
    )


if __name__ == "__main__":
    main()
