"""Trains small recipes with a team of processes, and writes down what they end with.

torchrun --nproc-per-node N tests/team_worker.py OUT CASE …
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import corpora
from ffrec.parallel import shards
from ffrec.parallel.team import Team
from ffrec.recipes import recipe
from ffrec.storage.checkpoint import write_checkpoint
from ffrec.tasks.kinds import new_task
from ffrec.training.trainer import Epoch

SMALL = {"hidden": [40, 30], "epochs": 1, "validate_every": 1}
TEXT = SMALL | {"passes": 2, "memory": 0.0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "recurrent": ("recurrent-digits", SMALL | {"batch": 48, "jitter": 1, "dropout": 0.1}),
    "supervised": ("supervised-digits", SMALL),
    "unsupervised": (
        "supervised-digits",
        SMALL | {"label": "none", "negatives": "hybrid", "activity": "max", "threshold": 1.0},
    ),
    "shuffled": (
        "supervised-digits",
        SMALL | {"negatives": "hybrid", "hybrid_labels": "shuffled", "repeats": 2},
    ),
    "peers": ("recurrent-digits", SMALL | {"peer": 0.1, "update": "alternating"}),
    "cure": ("sleep-digits-cure", SMALL | {"reads": [1, 2], "states": "separate", "wake": 3, "sleep": 3}),
    "uncentred": ("sleep-digits-cure", SMALL | {"reads": [1, 2], "baseline": 0.0, "negatives": "hybrid"}),
    "scores": ("supervised-digits", SMALL | {"label": "none", "goodness": "scores", "objective": "classes"}),
    "few": ("recurrent-digits", SMALL | {"batch": 3}),
    "sgd": ("supervised-digits", SMALL | {"optimiser": "SGD", "optimiser_options": {"momentum": 0.9}}),
    "factored": ("supervised-digits", SMALL | {"optimiser": "Adafactor"}),
    "backprop": ("backprop-mnist", SMALL | {"hidden_dropout": 0.2}),
    "text": ("fables", TEXT | {"regime": "together", "batch": 7}),
    "text-sleep": ("fables", TEXT | {"regime": "sleep", "dropout": 0.2}),
    "text-night": ("fables", TEXT | {"regime": "night", "night": 3, "batch": 5}),
    "text-teacher": ("fables", TEXT | {"regime": "teacher-forced", "memory": 20.0}),
}


def task_of(case: str) -> Any:
    """A small run on the embedded data."""
    name, settings = CASES[case]
    chosen = recipe(name)
    if case in ("scores", "unsupervised"):
        settings = {"activity": "max", "threshold": 1.0, **settings}
    if case == "scores":
        settings = {k: v for k, v in settings.items() if k not in ("threshold", "activity")}
        settings |= {"activity": "max", "threshold": 1.0, "negatives": "none"}
    data = corpora.load("fables" if name == "fables" else "digits")
    return new_task(chosen.override(settings), data, seed=3)


def trained(case: str, team: Team, **options: Any) -> Any:
    """The task of a case, trained to its end by a team, and the records of its epochs."""
    task = task_of(case)
    task.trainer.join(team, **options)
    records = [event.record for event in task.trainer.run(None, task.validation) if isinstance(event, Epoch)]
    task.trainer.agree()
    return task, records


def outcome(case: str, team: Team) -> Iterator[tuple[str, Any]]:
    """Weights, state and records of a case."""
    task, records = trained(case, team)
    yield "weights", {name: w.clone() for name, w in task.trainer.network.state_dict().items()}
    yield "state", task.trainer.state()
    yield "records", records
    yield "test", task.finish(None) if team.world > 1 else {}


def main() -> None:
    out, *cases = sys.argv[1:]
    shards.LARGE = 300  # so that small networks have shards too
    with Team.start(torch.device("cpu")) as team:
        for case in cases:
            found = dict(outcome(case, team))
            if team.first:
                folder = Path(out) / f"{case}-{team.world}"
                folder.mkdir(parents=True)
                write_checkpoint(folder, 0, found["weights"], found["state"])
                (folder / "records.json").write_text(json.dumps([found["records"], found["test"]]))


if __name__ == "__main__":
    main()
