"""A sweep or a search whose record is damaged, or whose process is killed, goes on and says what is lost."""

import json
import shutil
import signal

import hypothesis.strategies as st
import pytest
from commands import ffrec
from hypothesis import given, settings
from injected import budget, changes, forked, leftovers, outcome
from test_json import QUIET, VALUES, changed, places

pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
from optuna.trial import TrialState

from cli.__main__ import run as command
from ffrec.recipes import recipe
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.journal import mend, whole
from ffrec.studies.sweep import Sweep
from ffrec.studies.tune.job import Ended
from ffrec.studies.tune.search import Plan, Search
from ffrec.studies.tune.space import Space
from ffrec.tasks.recorded import configuration

FEW = [f"digits-uniform-{n}-{n}" for n in (1, 2)]
SWEEP = ("sweep", "sleep", "--only", FEW[0], "--set", "hidden=[6,6,6]", "--set", "epochs=1")


@pytest.fixture
def sweep(tmp_path):
    """A sweep with one finished cell."""
    made = Sweep(tmp_path / "s", "paper")
    with made.claim(FEW) as claim:
        claim.path.mkdir()
        claim.value = 50.0
    return tmp_path / "s"


def test_a_journal_that_is_cut_anywhere_is_gone_on_with(sweep, tmp_path):
    data = (sweep / "journal.log").read_bytes()
    for end in range(1, len(data), 7):
        shutil.rmtree(tmp_path / "cut", ignore_errors=True)
        shutil.copytree(sweep, tmp_path / "cut")
        (tmp_path / "cut/journal.log").write_bytes(data[:end])
        again = Sweep(tmp_path / "cut", "paper")
        partial = not data[:end].endswith(b"\n")
        assert bool(again.dropped) == partial
        assert (tmp_path / "cut/journal.log.damaged").exists() == partial
        with again.claim(FEW) as claim:
            claim.path.mkdir(exist_ok=True)
            claim.value = 60.0
        done = Sweep(tmp_path / "cut", "paper").done()
        assert done.keys() >= {claim.cell}


@pytest.mark.parametrize("bad", [b"[]\n", b"{\n", b"\xff\n", b"\n", b"null\n"])
def test_a_damaged_line_in_the_middle_is_cut_off_with_what_follows_and_kept(sweep, bad):
    journal = sweep / "journal.log"
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + bad + b"".join(rest))
    said = mend(journal)
    assert f"from line 2 on, are dropped, and kept in {journal.name}.damaged" in said
    assert journal.read_bytes() == first
    assert (sweep / "journal.log.damaged").read_bytes() == bad + b"".join(rest)
    assert mend(journal) == ""


def test_whole_lines_are_kept_to_the_byte(sweep):
    lines = (sweep / "journal.log").read_bytes()
    assert whole(lines) == len(lines)
    assert whole(lines + lines[:9]) == len(lines)
    assert whole(b"") == 0


def put(journal, line, place, new):
    """Put a value into a place of one line of a journal."""
    lines = journal.read_text().splitlines()
    value = json.loads(lines[line % len(lines)])
    there = list(places(value))
    lines[line % len(lines)] = json.dumps(changed(value, there[place % len(there)], new))
    journal.write_text("".join(f"{text}\n" for text in lines))


def begin(folder, kind):
    """A sweep with one finished cell, or a search with one finished trial."""
    if kind == "sweep":
        return Sweep(folder, "paper")
    chosen = recipe("supervised-digits").override({"epochs": 1})
    space = Space.of({"rate": {"low": 1e-4, "high": 1e-2}}, chosen)
    return Search(folder, chosen, space, Plan(2, 1, 1, "random", "none"))


def take(study):
    return study.claim(FEW) if isinstance(study, Sweep) else study.claim()


@pytest.fixture(params=["sweep", "search"])
def study(request, tmp_path):
    """The kind of a study, and its folder, in which one run has ended."""
    with take(begin(tmp_path / "s", request.param)) as claim:
        claim.path.mkdir()
        claim.value, claim.ended = 50.0, Ended(50.0, 1, 1.0, "error_softmax")
    return request.param, tmp_path / "s"


@given(st.integers(0, 100), st.integers(0, 100), VALUES | st.just(...))
@settings(max_examples=budget("FFREC_EXAMPLES", 30), **QUIET)
def test_any_value_in_a_journal_is_gone_on_with_or_one_line(study, tmp_path, line, place, new):
    kind, folder = study
    shutil.rmtree(tmp_path / "f", ignore_errors=True)
    shutil.copytree(folder, tmp_path / "f")
    put(tmp_path / "f/journal.log", line, place, new)
    try:
        with take(begin(tmp_path / "f", kind)) as claim:
            assert claim
    except RunError as error:
        assert f"is a {kind} with" in str(error)


def test_the_command_says_what_was_dropped(sweep, tmp_path):
    with (sweep / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "wor')
    asked = ("sweep", "sleep", "--only", FEW[0], "--out", "s")
    done = ffrec(*asked, cwd=tmp_path)
    assert done.returncode == 0
    assert "1 of 1 cells done, 0 now" in done.stdout
    assert "journal.log was damaged: the last 1 of its lines" in done.stderr
    assert ffrec(*asked, cwd=tmp_path).stderr == ""


def test_a_search_gets_its_trials_back_from_their_folders(tmp_path):
    chosen = recipe("supervised-digits").override({"epochs": 1})
    values = {"rate": {"low": 1e-4, "high": 1e-2, "log": True}, "goodness": ["squares", "activities"]}
    space = Space.of(values | {"softmax_rate": [1, 1e-3], "hidden": [[8, 8], [9]]}, chosen)

    def search():
        return Search(tmp_path / "t", chosen, space, Plan(3, 1, 1, "random", "none"))

    first, began = search(), []
    for _ in range(3):
        with first.claim() as job:
            RunFolder.create(job.path, configuration(job.recipe, 0, "fp32")).release()
            began.append((job.number, job.settings))
            job.ended = None
            held = first.trials()[job.number]
        first.study.tell(job.number, state=TrialState.FAIL)  # so that the next claim takes a new one
        assert held.number == job.number
    journal = tmp_path / "t/journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    attributes = [n for n, line in enumerate(lines) if json.loads(line)["op_code"] == 4]
    journal.write_bytes(b"".join(lines[: attributes[0]]) + b'{"cut')
    again = search()
    assert again.dropped
    assert [(t.number, space.settings(t.params)) for t in again.trials()] == began
    with again.claim() as job:
        assert (job.number, job.settings) == began[0]


def test_a_search_gets_trials_back_beyond_one_that_had_no_folder(tmp_path):
    chosen = recipe("supervised-digits").override({"epochs": 1})
    space = Space.of({"rate": {"low": 1e-4, "high": 1e-2, "log": True}}, chosen)
    for number in (0, 2):
        settings = {"rate": 1e-3 * (number + 1)}
        folder = RunFolder.create(
            tmp_path / f"t/trial-{number:04d}", configuration(chosen.override(settings), 0, "fp32")
        )
        folder.release()
    search = Search(tmp_path / "t", chosen, space, Plan(3, 1, 1, "random", "none"))
    assert [trial.number for trial in search.trials()] == [0, 1, 2]
    found = []
    for _ in range(3):
        with search.claim() as job:
            found.append(job.settings["rate"])
            job.ended = Ended(reason="it lost")
    assert (found[0], found[2]) == (1e-3, 3e-3)
    assert 1e-4 <= found[1] <= 1e-2  # drawn anew


def test_checkpoints_of_a_trial_that_somebody_goes_on_with_are_spared(tmp_path):
    chosen = recipe("supervised-digits").override({"epochs": 1})
    space = Space.of({"rate": {"low": 1e-4, "high": 1e-2}}, chosen)
    search = Search(tmp_path / "t", chosen, space, Plan(2, 1, 1, "random", "none"))
    with search.claim() as job:
        kept = RunFolder.create(job.path, configuration(job.recipe, 0, "fp32"))
        kept.save(1, {}, {})
        job.ended = Ended(reason="it lost")
    assert kept.load()
    kept.release()
    search.write()
    assert kept.load() is None


@pytest.mark.faults
def test_a_sweep_killed_at_any_change_to_the_disk_finishes_its_cell(tmp_path):
    log = tmp_path / "log"

    def sweep(out):
        return command([*SWEEP, "--out", str(out)])

    assert sweep(tmp_path / "first") == 0  # imports everything, so that no child has to
    total = changes(lambda: sweep(tmp_path / "whole"), log)
    cell = f"{FEW[0]}-0"
    expected = outcome(tmp_path / "whole" / cell)
    assert total > 60
    for k in range(1, total + 1, every := budget("FFREC_EVERY", 1)):
        out = tmp_path / f"{k}"
        assert forked(lambda out=out: sweep(out), log, dies_at=k) == -signal.SIGKILL
        assert forked(lambda out=out: sweep(out), log) == 0, log.read_text()
        assert outcome(out / cell) == expected, k
        assert leftovers(out) == []
        assert list(Sweep(out, "paper", settings={"hidden": [6, 6, 6], "epochs": 1}).done()) == [FEW[0]]
        shutil.rmtree(out)
    print(f"{len(range(0, total, every))} of {total} places in a sweep's trial, none unequal")
