"""Trains small recipes in a pipeline and in one process, under torchrun, and prints whether they are equal.

    torchrun --standalone --nproc-per-node 3 tests/stages.py FOLDER

One JSON object on stdout: what of each case is not the same bits.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from ffrec.parallel.team import Team
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.recipes import recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration, resume
from ffrec.training.events import Diverged, Epoch
from ffrec.training.images import ImageTrainer
from ffrec.training.trainer import Trainer

SMALL = {"hidden": [24, 20, 16, 12], "epochs": 2, "batch": 20, "rate": 5e-3}
PLAN = [range(1, 2), range(2, 4), range(4, 5)]
SIGNLESS = {"objective": "classes", "goodness": "scores", "activity": "max", "threshold": 1.0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "unsupervised": ("unsupervised-mnist", {}),
    "bfloat16": ("unsupervised-mnist", {}),
    "shifted": ("unsupervised-mnist", {"dropout": 0.1, "jitter": 1, "repeats": 2, "reads": [3, 1]}),
    "local": (
        "local-mnist",
        {"hidden": [36, 18, 12], "local": [[3, 1, 1], [2, 2, 2], [3, 3, 12]], "reads": [1, 2, 3]},
    ),
    "uniform": ("supervised-mnist", {"negatives": "uniform"}),
    "hybrid": ("supervised-mnist", {"negatives": "hybrid", "label": "append", "jitter": 1}),
    "all": ("supervised-mnist", {"negatives": "all"}),
    "classes": ("supervised-mnist", {"label": "none", "negatives": "none", **SIGNLESS}),
    "hard": ("supervised-mnist", {"batch": 25}),
    "hard, repeated": ("supervised-mnist", {"repeats": 2}),
    "phases": ("unsupervised-mnist", {"wake": 3, "sleep": 2, "states": "separate", "baseline": 0.5}),
    "momentum": ("supervised-mnist", {"wake": 3, "sleep": 2, "optimiser": "SGD", "centring": True}),
}


def blobs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images 8×8 of ten classes, told apart by which pixels are bright."""
    drawn = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (count,), generator=drawn)
    images = torch.randint(90, (count, 8, 8), generator=drawn, dtype=torch.uint8)
    images.flatten(1)[torch.arange(count), 6 * labels] += 120
    return images, labels


def make(kind: type[ImageTrainer], case: str, **more: Any) -> Any:
    """A trainer of a case: 11 updates an epoch, the last of them smaller."""
    name, changed = CASES[case]
    plain = recipe(name).override(SMALL | {"dropout": 0.0, "jitter": 0} | changed | more)
    return kind(plain, *blobs(210), 10, 3, "cpu", "bf16" if case == "bfloat16" else "fp32")


def equal(a: Any, b: Any) -> bool:
    """Whether nested containers hold the same bits."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def learnt(trainer: Trainer, **options: Any) -> list[dict[str, Any]]:
    """The records of a run to its end, but for the seconds that it took."""
    records = [event.record for event in trainer.run(**options) if isinstance(event, Epoch)]
    return [{k: v for k, v in record.items() if "second" not in k} for record in records]


def differences(led: Trainer, records: Any, plain: Trainer, expected: Any) -> list[str]:
    """Which of weights, records and state are not the same bits."""
    ours, theirs = led.state(), plain.state()
    pairs = {
        "weights": (dict(led.network.state_dict()), dict(plain.network.state_dict())),
        "records": (records, expected),
        **{name: (ours[name], theirs[name]) for name in theirs if "seconds" not in name},
    }
    return [name for name, pair in pairs.items() if not equal(*pair)]


def whole(case: str, team: Team, plan: list[range] | None) -> list[str] | None:
    """A run in a pipeline against one in a single process."""
    trainer = make(Leader if team.first else Follower, case)
    trainer.settle(plan)
    if not team.first:
        return trainer.serve() and None
    with trainer:
        records, plain = learnt(trainer), make(ImageTrainer, case)
        return differences(trainer, records, plain, learnt(plain))


def halves(case: str, team: Team, path: Path, led_first: bool) -> list[str] | None:
    """A run whose first 14 updates are made in a pipeline and the others in one process, or the other way
    round, against a single one."""
    for led in (led_first, not led_first):
        if not led and not team.first:
            continue
        trainer = make((Leader if team.first else Follower) if led else ImageTrainer, case)
        if led:
            trainer.settle(PLAN)
        if not team.first:
            trainer.serve()
            continue
        wanted = configuration(trainer.recipe, 3, "fp32")
        if led == led_first:
            folder = RunFolder.create(path, wanted)
        else:
            resume(trainer, folder, wanted)
        records = learnt(
            trainer, folder=folder, stop=lambda t=trainer, s=led == led_first: s and t.updates == 14
        )
        if led:
            trainer.__exit__(None, None, None)
    if not team.first:
        return None
    plain = make(ImageTrainer, case)
    expected = learnt(plain)
    found = {"weights": (dict(trainer.network.state_dict()), dict(plain.network.state_dict()))}
    found["records"] = (records, expected[1:])
    return [name for name, pair in found.items() if not equal(*pair)]


def diverged(team: Team) -> list[str] | None:
    """What a pipeline says of a last layer whose loss is not finite, and what one process says."""
    said = []
    for kind in (Leader if team.first else Follower, ImageTrainer):
        trainer = make(kind, "unsupervised", rate=1e30)
        if kind is not ImageTrainer:
            trainer.settle()
        if not team.first:
            return trainer.serve() and None
        try:
            with trainer if kind is Leader else contextlib.nullcontext():
                learnt(trainer)
        except Diverged as error:
            said.append(str(error))
    return said


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with Team.start(torch.device("cpu")) as team:
        for number, case in enumerate(CASES):
            found[case] = whole(case, team, PLAN if number % 2 and case != "local" else None)
        for case in ("phases", "hard"):
            for led_first in (True, False):
                name = f"{case}, led {'first' if led_first else 'later'}"
                found[name] = halves(case, team, Path(sys.argv[1]) / name, led_first)
        found["diverged"] = diverged(team)
    if team.first:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
