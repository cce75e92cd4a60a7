"""Speed of the recurrent network as ratios, each against something run in the same process.

    python benchmarks/recurrent.py [--units 1000] [--batch 200] [--device cpu] [--repeat 15]

1. ten separate full passes over one evaluation of ten labels together, stopping at the same iteration;
2. peak memory of training, as iterations grow (always on the CPU).

`ffrec bench` has its training steps.
"""

import argparse
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor

import torch

from ffrec.bench.timing import turns
from ffrec.config import RecurrentConfig
from ffrec.data.images import Images
from ffrec.evaluation.images import label_goodness
from ffrec.networks.recurrent import Recurrent


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
    found = {name: timed.seconds for name, timed in turns(variants, 0, repeat, device).items()}
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
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    with torch.no_grad():
        evaluation(options.units, options.batch, options.device, options.repeat)
        memory(options.units, options.batch)


if __name__ == "__main__":
    main()
