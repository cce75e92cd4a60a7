"""Speed of the recurrent network as ratios, each against something run in the same process.

    python benchmarks/recurrent.py [--units 1000] [--batch 200] [--device cpu] [--repeat 15]

1. a training step over its own matrix products alone;
2. a step of the same loss by autograd with detached inputs, over the local step;
3. ten separate full passes over one evaluation of ten labels together, stopping at the same iteration;
4. peak memory of training, as iterations grow (always on the CPU).

Variants take turns and medians are compared, so that a busy moment of the machine falls on all of them.
"""

import argparse
import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch
from timing import medians

from ffrec.baselines.reference import autograd_recurrent
from ffrec.config import RecurrentConfig
from ffrec.data.images import Images
from ffrec.evaluation.images import label_goodness
from ffrec.negatives.labels import hard_labels
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import recipe
from ffrec.training.images import ImageTrainer


def own_products(network: Recurrent, batch: int) -> Callable[[], None]:
    """Exactly the matrix products of one training step: same shapes, same number, nothing else."""
    config, weight = network.config, {}
    for level in network.levels:
        layer = network.layer(level)
        weight |= {(int(s), level): layer.connection(s).weight for s in layer.sources}
    first, last = config.loss
    device = next(network.parameters()).device

    def rows(count: int, units: int) -> torch.Tensor:
        return torch.randn(count, units, device=device)

    forward: list[tuple[torch.Tensor, torch.Tensor]] = []
    backward: list[tuple[torch.Tensor, torch.Tensor]] = []
    for (source, level), w in weight.items():
        if source == 0:
            forward.append((rows(batch, w.shape[0]), w))
            backward.append((rows(batch, w.shape[0]).T, rows(batch, w.shape[1])))
        elif source == network.top:
            backward.append((rows(2 * batch, w.shape[0]).T, rows(2 * batch, w.shape[1])))
        else:
            if source < level:
                forward.append((rows(batch, w.shape[0]), w))  # the bottom-up pass
            for number in range(1, last + 1):
                reached = number > network.top - source  # has the label reached the source before?
                forward.append((rows(2 * batch if reached else batch, w.shape[0]), w))
            count = (last - first + 1) * 2 * batch
            backward.append((rows(count, w.shape[0]).T, rows(count, w.shape[1])))
    readout = network.readout.weight
    forward.append((rows(batch, readout.shape[0]), readout))
    backward.append((rows(batch, readout.shape[0]).T, rows(batch, readout.shape[1])))

    def run() -> None:
        for a, b in forward + backward:
            torch.mm(a, b)

    return run


def training(units: int, batch: int, device: str, repeat: int) -> None:
    chosen = recipe("recurrent-mnist-small").override(
        {"hidden": [units, units], "iterations": 8, "loss": [3, 8], "batch": batch}
    )
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch * 4, 28, 28), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (batch * 4,), generator=drawn)
    trainer = ImageTrainer(chosen, images, labels, 10, device=device)
    twin = ImageTrainer(chosen, images, labels, 10, device=device)
    twin.network.layers.requires_grad_()
    index = torch.arange(batch, device=device)

    def local() -> None:
        trainer.step = 0
        trainer.update(index)

    def by_autograd() -> None:
        rows, truth = twin.images.batch(index), twin.labels[index]
        with torch.no_grad():
            encoding = twin.network.encode(rows)
            features = twin.network.features(encoding)
            logits = twin.network.readout(features)
            wrong = hard_labels(logits, truth, twin.draws)
            twin.network.readout.learn(features, logits, truth)
        for parameter in twin.network.layers.parameters():
            parameter.grad = None
        autograd_recurrent(twin.network, encoding, torch.stack([truth, wrong], dim=1))
        twin.optimiser.step()

    products = own_products(trainer.network, batch)
    found = medians({"step": local, "products": products, "autograd": by_autograd}, repeat)
    print(
        f"training step {1000 * found['step']:.1f} ms, its products alone {1000 * found['products']:.1f} ms"
    )
    print(f"  step / own products: {found['step'] / found['products']:.2f}")
    print(f"  autograd / step:     {found['autograd'] / found['step']:.2f}")


def evaluation(units: int, batch: int, device: str, repeat: int) -> None:
    drawn = torch.Generator().manual_seed(0)
    network = Recurrent(RecurrentConfig(hidden=(units, units)), 784, 10, drawn).to(device)
    rows = Images(torch.randint(256, (batch, 28, 28), dtype=torch.uint8), torch.device(device)).batch(
        slice(None)
    )
    every = torch.arange(10, device=device).expand(batch, 10)
    last = network.config.window[1]

    def together() -> None:
        label_goodness(network, network.encode(rows), every, last)

    def separately(iterations: int) -> None:
        for label in range(10):
            label_goodness(network, network.encode(rows), every[:, label : label + 1], iterations)

    variants = {
        "together": together,
        "same": lambda: separately(last),
        "full": lambda: separately(network.config.iterations),
    }
    found = medians(variants, max(repeat // 3, 3))
    print(f"evaluation of 10 labels {1000 * found['together']:.1f} ms")
    print(f"  ten passes of {last} iterations / together: {found['same'] / found['together']:.2f}")
    print(
        f"  ten passes of all {network.config.iterations} iterations / together: "
        f"{found['full'] / found['together']:.2f}"
    )


def peak(units: int, batch: int, iterations: int) -> tuple[float, float]:
    """Peak memory of a fresh process that trains one step, and what the step stacks, in MiB."""
    config = RecurrentConfig(hidden=(units, units), iterations=iterations, loss=(3, iterations))
    network = Recurrent(config, 784, 10, torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1]]).expand(batch, 2)
    network.learn(network.encode(torch.rand(batch, 784)), labels, torch.tensor([1.0, -1.0]))
    held = sum(slot.nbytes for slot in network.workspace.slots.values())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, held / 2**20


def memory(units: int, batch: int) -> None:
    print("peak memory of one training step on a CPU, MiB; stacked, by the formula:")
    print("  2 tensors · layers · iterations with loss · 2 labels · batch · units · 4 bytes")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        for iterations in (8, 16, 32):
            found, held = processes.submit(peak, units, batch, iterations).result()
            counted = 2 * 2 * (iterations - 2) * 2 * batch * units * 4 / 2**20
            print(
                f"  {iterations:2d} iterations: peak {found:.0f}, stacked {held:.1f}, "
                f"by the formula {counted:.1f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    with torch.no_grad():
        evaluation(options.units, options.batch, options.device, options.repeat)
        memory(options.units, options.batch)
    training(options.units, options.batch, options.device, options.repeat)


if __name__ == "__main__":
    main()
