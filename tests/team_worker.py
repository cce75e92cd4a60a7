"""Trains small recipes with a team of processes, and writes down what they end with.

torchrun --nproc-per-node N tests/team_worker.py OUT CASE …
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import corpora
from ffrec.parallel import shards
from ffrec.parallel.agreement import Disagreement, check_agreement
from ffrec.parallel.team import Team, leave
from ffrec.recipes import recipe
from ffrec.storage.checkpoint import write_checkpoint
from ffrec.tasks.kinds import new_task
from ffrec.training.events import Epoch

SMALL = {"hidden": [40, 30], "epochs": 1, "validate_every": 1, "batch": 48}
TEXT = SMALL | {"passes": 1, "memory": 0.0, "strings": 40, "batch": 11}
PLAIN = {"label": "none", "activity": "max", "threshold": 1.0}
FEW = 288
LARGE = shards.LARGE
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "recurrent": ("recurrent-digits", SMALL | {"jitter": 1, "noise": 0.5, "hidden_noise": 0.5}),
    "supervised": ("supervised-digits", SMALL),
    "unsupervised": ("supervised-digits", SMALL | PLAIN | {"negatives": "hybrid"}),
    "bf16": ("recurrent-digits", SMALL),
    "shuffled": (
        "supervised-digits",
        SMALL | {"negatives": "hybrid", "hybrid_labels": "shuffled", "repeats": 2},
    ),
    "peers": ("recurrent-digits", SMALL | {"peer": 0.1, "update": "alternating"}),
    "cure": ("sleep-digits-cure", SMALL | {"reads": [1, 2], "states": "separate", "wake": 3, "sleep": 3}),
    "scores": (
        "supervised-digits",
        SMALL | PLAIN | {"goodness": "scores", "objective": "classes", "negatives": "none"},
    ),
    "few-centred": ("sleep-digits-cure", SMALL | {"reads": [1, 2], "batch": 3, "baseline": 0.0}),
    "few": ("recurrent-digits", SMALL | {"batch": 3}),
    "sgd": ("supervised-digits", SMALL | {"optimiser": "SGD", "optimiser_options": {"momentum": 0.9}}),
    "factored": ("supervised-digits", SMALL | {"optimiser": "Adafactor"}),
    "backprop": ("backprop-mnist", SMALL | {"hidden_dropout": 0.2}),
    "text-sleep": ("fables", TEXT | {"regime": "sleep", "dropout": 0.2}),
    "text-night": ("fables", TEXT | {"regime": "night", "night": 3}),
    "undisturbed": ("supervised-digits", {"hidden": [60, 60], "epochs": 8, "validate_every": 2}),
    "text-teacher": ("fables", TEXT | {"regime": "teacher-forced", "memory": 20.0}),
}


def data_of(case: str) -> Any:
    """Embedded data. Six batches of digits are enough to agree on; `undisturbed` is what a command trains."""
    if CASES[case][0] == "fables":
        return corpora.load("fables")
    digits = corpora.load("digits")
    return digits if case == "undisturbed" else replace(digits, train=digits.train[:FEW])


def task_of(case: str) -> Any:
    """A small run on the embedded data."""
    name, settings = CASES[case]
    chosen, data = recipe(name), data_of(case)
    precision = "bf16" if case == "bf16" else "fp32"
    seed = 0 if case == "undisturbed" else 3
    return new_task(chosen.override(settings), data, seed, precision=precision)


def trained(case: str, team: Team, **options: Any) -> Any:
    """The task of a case, trained to its end by a team, and the records of its epochs."""
    task = task_of(case)
    task.trainer.join(team, **options)
    records = [event.record for event in task.trainer.run(None, task.validation) if isinstance(event, Epoch)]
    task.trainer.agree()
    return task, records


def other_options(team: Team) -> Iterator[tuple[str, Any]]:
    """What the tests of averaging, agreement and restoring look at."""
    task, _ = trained("sgd", team, sync_every=4, outer_momentum=0.5)
    for every in (4, 1000):
        averaged, _ = trained("sgd", team, sync_every=every)
        yield f"every {every}", [w.double().sum().item() for w in averaged.trainer.network.parameters()]
    task.trainer.network.layers[1].bias[3] += 1e-6 * team.rank
    try:
        check_agreement(team, {"one": task.trainer.network.layers[0], "two": task.trainer.network.layers[1]})
        yield "disagreement", ""
    except Disagreement as error:
        yield "disagreement", str(error)
    yield "restored", restored(team)


def restored(team: Team) -> bool:
    """Whether a whole state comes back as it was, once every process has its part of it."""
    task, _ = trained("supervised", team)
    state, weights = task.trainer.state(), dict(task.trainer.network.state_dict())
    again = task_of("supervised")
    again.trainer.join(team)
    again.trainer.restore(weights, state)
    found = again.trainer.state()["optimiser"]["state"]
    return all(
        torch.equal(value, found[number][name])
        for number, held in state["optimiser"]["state"].items()
        for name, value in held.items()
    )


def main() -> None:
    out, *cases = sys.argv[1:]
    shards.LARGE = 300  # so that small networks have shards too
    with Team.start(torch.device("cpu")) as team:
        notes: dict[str, Any] = dict(other_options(team)) if team.world == 2 else {}
        for case in cases:
            shards.LARGE = LARGE if case == "undisturbed" else 300
            task, records = trained(case, team)
            weights, state = dict(task.trainer.network.state_dict()), task.trainer.state()
            notes[case] = {"records": records, "result": task.finish(None)}
            if team.first:
                folder = Path(out) / f"{case}-{team.world}"
                folder.mkdir(parents=True)
                write_checkpoint(folder, 0, weights, state)
        if team.first:
            (Path(out) / f"notes-{team.world}.json").write_text(json.dumps(notes))


if __name__ == "__main__":
    main()
    leave()
