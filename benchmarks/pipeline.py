"""Speed of the layer pipeline over one process, in turns, and how busy each stage is.

    torchrun --standalone --nproc-per-node 2 benchmarks/pipeline.py [--recipe unsupervised-mnist]
        [--precision fp32] [--updates 100] [--repeat 5] [--units 2000]

Every process has OMP_NUM_THREADS threads: torchrun sets one. While the first process trains alone the other
stages wait. Printed: images a second of both, and their ratio (of the medians, and of the fastest); of each
stage the share of its time that it does not wait, and its processor time an update; and whether both networks
end with the same bits. The ratio of processor times, one process over the busiest stage, is what idle cores
would give: other work on the machine hardly changes it.
"""

import argparse
import statistics
import time

import torch

from ffrec.parallel.team import Team
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.pipeline.link import gather
from ffrec.pipeline.trainer import StageTrainer
from ffrec.recipes import recipe
from ffrec.training.images import ImageTrainer

BATCH = 100
Reading = tuple[float, float, float]
"""Seconds an update, the share of them that a process did not wait, and processor seconds an update."""


class Clock:
    """What an epoch takes."""

    def __init__(self, trainer: ImageTrainer) -> None:
        self.links = trainer.links if isinstance(trainer, StageTrainer) else []
        self.updates, self.before = trainer.steps, self.now()

    def now(self) -> Reading:
        return time.perf_counter(), sum(link.waited for link in self.links), time.process_time()

    def read(self) -> Reading:
        seconds, waited, used = (b - a for a, b in zip(self.before, self.now(), strict=True))
        return seconds / self.updates, 1 - waited / seconds, used / self.updates


class TimedFollower(Follower):
    """A stage that remembers how long its epochs took."""

    def follow(self, epoch: int, step: int) -> None:
        clock = Clock(self)
        super().follow(epoch, step)
        self.read_clock = [*getattr(self, "read_clock", []), clock.read()]


def epoch_of(trainer: ImageTrainer) -> Reading:
    """Train for an epoch."""
    clock = Clock(trainer)
    for _ in trainer.updates_of_epoch():
        pass
    found = clock.read()
    trainer.end_epoch()
    return found


def report(pipe: list[list[Reading]], alone: list[Reading]) -> None:
    """Print the ratios; `pipe` has the readings of every stage."""
    ours, theirs = ([reading[0] for reading in readings] for readings in (pipe[0], alone))
    for name, best in (("medians", statistics.median), ("fastest", min)):
        a, b = best(ours), best(theirs)
        print(f"{name}: {BATCH / a:.0f} images/s over {BATCH / b:.0f}: {b / a:.2f} times as many")
    used = [statistics.median(reading[2] for reading in readings) for readings in (*pipe, alone)]
    for stage, readings in enumerate(pipe):
        share = statistics.median(reading[1] for reading in readings)
        print(
            f"stage {stage}: busy {share:.1%} of its time, {1000 * used[stage]:.1f} ms of processor an update"
        )
    print(
        f"one process: {1000 * used[-1]:.1f} ms of processor an update; ratio {used[-1] / max(used[:-1]):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="unsupervised-mnist")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--units", type=int, default=2000)
    options = parser.parse_args()
    drawn = torch.Generator().manual_seed(0)
    count = BATCH * options.updates
    images = torch.randint(256, (count, 28, 28), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (count,), generator=drawn)
    changed = {"batch": BATCH, "hidden": [options.units] * 4, "epochs": 1000}
    chosen = recipe(options.recipe).override(changed)
    common = (chosen, images, labels, 10, 0, "cpu", options.precision)
    with Team.start(torch.device("cpu")) as team:
        trainer = (Leader if team.first else TimedFollower)(*common)
        trainer.settle()
        if isinstance(trainer, TimedFollower):
            trainer.serve()
            gather(trainer.read_clock)
            return
        plain, ours, theirs = ImageTrainer(*common), [], []
        with trainer:
            for _ in range(options.repeat):
                ours.append(epoch_of(trainer))
                theirs.append(epoch_of(plain))
        held = plain.network.state_dict()
        same = all(torch.equal(held[name], value) for name, value in trainer.network.state_dict().items())
        levels = " | ".join(" ".join(map(str, part)) for part in trainer.plan)
        print(f"{options.recipe}, {options.precision}, {torch.get_num_threads()} threads, levels {levels}")
        report(gather(ours), theirs)
        print(f"the same bits: {same}")


if __name__ == "__main__":
    main()
