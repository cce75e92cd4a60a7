"""Any JSON value in any of our files is one line and exit code 2, or a run that is skipped."""

import json
import shutil
from pathlib import Path

import hypothesis.strategies as st
import pytest
from commands import ffrec
from hypothesis import HealthCheck, given, settings
from injected import budget
from small_runs import TEXT, TRAIN

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NEAR = st.sampled_from([0, 1, -1, 2**63, 1e308, "", "mnist", "character", "recurrent", [], {}, [0], [[1]]])
VALUES = st.recursive(
    ATOMS | NEAR,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
)
SHARED = ("config.json", "environment.json", "metrics.jsonl", "result.json", "manifest.json")
MEASURED = ("confidence.json", "robustness.json", "layers.json", "views.json")
FILES = {
    "run": (*SHARED, "data.json", "calibration.json", *MEASURED),
    "text": (*SHARED, "baselines.json"),
}
INTO = ("--into", "page.md")
READERS = {
    "run": {
        "evaluate": ("evaluate", "run"),
        "predict": ("predict", "run", "image.png"),
        "resume": (*TRAIN, "--out", "run", "--resume"),
        "confidence": ("confidence", "run", *INTO),
        "robustness": ("robustness", "run", *INTO),
        "layers": ("layers", "run", *INTO),
        "views": ("views", "run", *INTO),
    },
    "text": {
        "perplexity": ("perplexity", "text"),
        "sample": ("sample", "text", "--length", "3"),
        "dream": ("dream", "text", "--count", "2"),
        "resume": (*TEXT, "--out", "text", "--resume"),
    },
}
TABLES = {"ls": ("ls", "--runs", "."), "results": ("report", ".", "--results")}
PICTURES = {"pages": ("report", "."), "plot": ("plot", "run"), "plot text": ("plot", "text")}
READ = [(run, file, name) for run in FILES for file in FILES[run] for name in READERS[run] | TABLES]
DRAWN = [(run, file, name) for run in FILES for file in FILES[run] for name in PICTURES]
COMMANDS = {run: READERS[run] | TABLES | PICTURES for run in FILES}
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def places(value, path=()):
    """Every place in a JSON value, by the keys and numbers that lead to it."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(value, path, new):
    """A JSON value with another one in a place; an Ellipsis removes what is there."""
    if not path:
        return {} if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def check(folder: Path, name: str, command: tuple[str, ...]) -> None:
    """Run a command on damaged files: it does what it says, or refuses in one line, or skips the run."""
    done = ffrec(*command, cwd=folder)
    assert done.returncode in (0, 2), (name, done)
    said = [line for line in done.stderr.splitlines() if line.startswith("ffrec:")]
    assert len(said) == 1 if done.returncode == 2 else len(said) <= 1, (name, done)
    if name in ("ls", "results", "pages"):
        assert done.returncode == 0
        assert "other" in done.stdout or name == "results"


def damage(folder: Path, run: str, file: str, place: int, new: object, whole: bool) -> None:
    """Put a value into a place of a run's file, or in place of all that it holds."""
    (target,) = (folder / run).glob(f"checkpoints/*3/{file}" if file == "manifest.json" else file)
    *before, last = target.read_text().splitlines() if file == "metrics.jsonl" else [target.read_text()]
    value = json.loads(last)
    there = [()] if whole else list(places(value))
    made = changed(value, there[place % len(there)], new)
    target.write_text("\n".join([*before, json.dumps(made)]) + "\n")


def strike(finished: Path, folder: Path, case: tuple[str, str, str], *drawn: object) -> None:
    """Copy the runs, damage one of them, and run a command on it."""
    run, file, name = case
    try:
        shutil.copytree(finished, folder)
        damage(folder, run, file, *drawn)
        check(folder, name, COMMANDS[run][name])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drawn_from(cases):
    """What a test takes: a case, a place in a file, what is put there, and whether it replaces all."""
    new, whole = VALUES | st.just(...), st.sampled_from([False, False, False, True])
    return st.tuples(st.sampled_from(cases), st.integers(0, 10**6), new, whole)


@given(drawn_from(READ))
@settings(max_examples=40, derandomize=True, **QUIET)
def test_any_json_value_in_any_file_is_one_line(finished, tmp_path_factory, drawn):
    strike(finished, tmp_path_factory.mktemp("a") / "f", *drawn)


@pytest.mark.faults
@given(drawn_from(READ))
@settings(max_examples=budget("FFREC_EXAMPLES", 10_000), **QUIET)
def test_ten_thousand_json_values_are_one_line_each(finished, tmp_path_factory, drawn):
    strike(finished, tmp_path_factory.mktemp("a") / "f", *drawn)


@pytest.mark.faults
@given(drawn_from(DRAWN))
@settings(max_examples=1 + budget("FFREC_EXAMPLES", 10_000) // 40, **QUIET)
def test_a_picture_of_any_json_value_is_drawn_or_one_line(finished, tmp_path_factory, drawn):
    strike(finished, tmp_path_factory.mktemp("a") / "f", *drawn)


def test_a_part_of_a_measurement_that_is_gone_is_one_line(finished, tmp_path):
    """Any of them, where the table reads it: drawn values hit some of these once in thousands."""
    measured = json.loads((finished / "run/confidence.json").read_text())
    for place, path in enumerate(places(measured)):
        if path and isinstance(path[-1], str):
            strike(finished, tmp_path / "f", ("run", "confidence.json", "confidence"), place, ..., False)
