"""Sweeps: who works on which cell, what happens to a cell whose process died, and the tables."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from functools import partial

import pytest
import torch
from commands import assert_refused, command, environment, ffrec

import corpora.files
from cli.progress import TrainingBar
from cli.studies.sweeping import SweepOrder, work
from cli.studies.workers import worker
from ffrec.config import ConfigError
from ffrec.storage.files import RunError
from ffrec.studies.sleep import GRID, PAPER, Cell, cells, reached, recipe_of, tables
from ffrec.training.events import Update

pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
from ffrec.studies.sweep import Sweep

FEW = [f"digits-uniform-{n}-{n}" for n in (1, 2, 4, 8, 16, 32)]


def take_all(folder, taken):
    """Claim cells until there is none left, and say which."""
    sweep = Sweep(folder, "paper")
    while True:
        with sweep.claim(FEW) as claim:
            if claim is None:
                return
            taken.put((claim.cell, os.getpid()))
            time.sleep(0.2)
            claim.path.mkdir()
            claim.value = 50.0


def take_one_and_wait(folder, taken):
    """Claim a cell and never finish it."""
    with Sweep(folder, "paper").claim(FEW) as claim:
        taken.put(claim.cell)
        time.sleep(600)


def states(sweep):
    return [(trial.user_attrs["cell"], trial.state.name) for trial in sweep.study.get_trials()]


@pytest.mark.slow
def test_processes_on_one_sweep_do_every_cell_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Queue()
    processes = [spawn.Process(target=take_all, args=(tmp_path, taken)) for _ in range(2)]
    for process in processes:
        process.start()
    done = [taken.get(timeout=60) for _ in FEW]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert taken.empty()
    assert Counter(cell for cell, _ in done) == Counter(FEW)
    assert len({pid for _, pid in done}) > 1
    sweep = Sweep(tmp_path, "paper")
    assert sorted(states(sweep)) == sorted((cell, "COMPLETE") for cell in FEW)
    with sweep.claim(FEW) as claim:
        assert claim is None


@pytest.mark.slow
def test_a_cell_is_kept_while_its_process_lives_and_taken_up_when_it_was_killed(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Queue()
    process = spawn.Process(target=take_one_and_wait, args=(tmp_path, taken))
    process.start()
    first = taken.get(timeout=60)
    assert first == FEW[0]
    sweep = Sweep(tmp_path, "paper")
    with sweep.claim(FEW) as claim:
        assert claim.cell == FEW[1]  # the first is being worked on
        assert states(sweep) == [(FEW[0], "RUNNING"), (FEW[1], "RUNNING")]
        claim.path.mkdir()
        claim.value = 20.0
    process.kill()
    process.join()
    with sweep.claim(FEW) as claim:
        assert claim.cell == first
        assert states(sweep)[0] == (first, "FAIL")
        claim.path.mkdir()
        claim.value = 30.0
    assert sweep.done() == {FEW[0]: 30.0, FEW[1]: 20.0}


def test_a_cell_that_fails_is_tried_again(tmp_path):
    sweep = Sweep(tmp_path, "paper")
    with pytest.raises(ZeroDivisionError), sweep.claim(FEW[:1]) as claim:
        claim.value = 1 / 0
    assert states(sweep) == [(FEW[0], "FAIL")]
    with sweep.claim(FEW[:1]) as claim:
        assert claim.cell == FEW[0]
        claim.value = 1.0
    assert [state for _, state in states(sweep)] == ["FAIL", "COMPLETE"]


def test_a_cell_that_diverged_is_left_alone_until_its_folder_is_gone(tmp_path):
    sweep = Sweep(tmp_path, "paper")
    with sweep.claim(FEW[:2]) as claim:
        claim.path.mkdir()
        claim.diverged = True
    assert states(sweep) == [(FEW[0], "PRUNED")]
    with sweep.claim(FEW[:2]) as claim:
        assert claim.cell == FEW[1]
    sweep.path(FEW[0]).rmdir()
    with sweep.claim(FEW[:2]) as claim:
        assert claim.cell == FEW[0]
        claim.path.mkdir()
        claim.value = 1.0
    assert (sweep.done(), sweep.diverged()) == ({FEW[0]: 1.0}, set())


def test_a_cell_that_is_done_is_left_alone_until_its_folder_is_gone(tmp_path):
    sweep = Sweep(tmp_path, "paper")
    with sweep.claim(FEW[:1]) as claim:
        claim.path.mkdir()
        claim.value = 1.0
    with sweep.claim(FEW[:1]) as claim:
        assert claim is None
    sweep.path(FEW[0]).rmdir()
    assert sweep.done() == {}
    with sweep.claim(FEW[:1]) as claim:
        assert claim.cell == FEW[0]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("rule", {"rule": "cure"}),
        ("seed", {"seed": 1}),
        ("settings", {"settings": {"epochs": 2}}),
        ("precision", {"precision": "bf16"}),
    ],
)
def test_a_sweep_keeps_its_settings(tmp_path, name, other):
    Sweep(tmp_path, "paper")
    with pytest.raises(RunError, match=f"is a sweep with {name} = "):
        Sweep(tmp_path, **{"rule": "paper"} | other)


def test_the_grid_has_the_papers_cells_and_every_name_once():
    paper = cells([], "paper")
    assert len(paper) == 52 == sum(len(row) for row in PAPER.values())
    assert {(*key, phases) for key, row in PAPER.items() for phases in row} == set(map(tuple, paper))
    assert len({cell.name for cell in GRID}) == len(GRID)
    assert {cell.phases for cell in cells([], "cure")} - {cell.phases for cell in paper} == {"epoch:epoch"}
    assert cells(["mnist-uniform-16-*"], "paper") == [
        Cell("mnist", "uniform", "16:16"),
        Cell("mnist", "uniform", "16:1"),
    ]
    with pytest.raises(ConfigError, match=r"no cell matches 'cifar-\*': choose from mnist-uniform-\*, "):
        cells(["mnist-*", "cifar-*"], "paper")
    assert cells(["digits-uniform-2:1"], "paper") == [Cell("digits", "uniform", "2:1")]
    with pytest.raises(ConfigError, match="whole epochs need --cure"):
        cells(["mnist-uniform-epoch:epoch"], "paper")
    with pytest.raises(ConfigError, match="did you mean 'fashion-mnist-hybrid-8-8'"):
        cells(["fashion-mnist-hybird-8-8"], "paper")


@pytest.mark.parametrize("cell", GRID, ids=lambda cell: cell.name)
def test_the_recipe_of_a_cell_is_what_its_name_says(cell):
    for rule in ("paper", "cure"):
        if cell.phases == "epoch:epoch" and rule == "paper":
            continue
        made = recipe_of(cell, rule, {"epochs": 7})
        training = made.training
        assert (made.data, training.negatives, training.epochs) == (cell.data, cell.negatives, 7)
        assert training.validate_every == 7
        assert recipe_of(cell, rule, {"validate_every": 2}).training.validate_every == 2
        wrong = rule == "cure" and cell.negatives == "hybrid" and cell.phases != "together"
        assert training.hybrid_labels == ("uniform" if wrong else "shuffled")
        if cell.phases == "together":
            assert training.wake is None
            assert made.network.centring + made.network.scaling + training.baseline == 0
        else:
            assert f"{training.wake}:{training.sleep}" == cell.phases
            assert rule == "paper" or made.network.centring
            rates = {"mnist": 3.5e-4, "fashion-mnist": 3.5e-4, "digits": 1e-3}
            slower = cell.negatives == "hybrid" and cell.data != "digits"
            cured = 2e-4 if slower else rates[cell.data]
            assert rule == "paper" or (training.rate, training.wake_share) == (cured, 1)
        if rule == "paper":
            assert training.wake_share == 1 / (training.wake or 1)  # equation 4
            assert made.network.thresholds == (1.5, 1.5, 1.5)


def test_tables_hold_our_numbers_and_the_papers(tmp_path):
    for phases, error in {"1-1": 12.0, "128-128": 90.0, "16-1": 55.5, "together": 2.0}.items():
        folder = tmp_path / f"mnist-uniform-{phases}-3"
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"test": {"error_goodness": error}}))
    found = reached(tmp_path)
    assert found[Cell("mnist", "uniform", "1:1")] == 88.0
    lines = tables(found).splitlines()
    one, two, three = (line for line in lines if line.startswith("| mnist"))
    assert one.split(" | ")[2] == "88.0 (89)"
    assert "| 10.0 (9) |" in one
    assert "| – (88) |" in one
    assert two.endswith("| – (–) | 44.5 (–) |")
    assert three == "| mnist | wrong label | 98.0 (97.7) |"
    assert not any("epoch:epoch" in line for line in lines)
    cured = tables({Cell("mnist", "hybrid", "epoch:epoch"): 91.0})
    assert "| masks | – (88) |" in cured
    assert "| 91.0 |" in cured
    assert "Table 1" in cured
    assert "Table 2" not in cured  # of which nothing has been run


SHORT = ("--set", "epochs=2", "--set", "hidden=[12,12,12]")


def test_a_sweep_does_not_go_on_with_another_recipe_than_it_began_with(tmp_path):
    sweep = ("sweep", "sleep", *SHORT, "--only", "digits-uniform-1-1")
    assert ffrec(*sweep, cwd=tmp_path).returncode == 0
    file = tmp_path / "runs/sweep-sleep/digits-uniform-1-1-0/config.json"
    config = json.loads(file.read_text())
    config["recipe"]["network"]["sharpness"] = 7.0  # as if the recipe had been changed since
    file.write_text(json.dumps(config))
    again = ffrec(*sweep, cwd=tmp_path)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert "sharpness = 7.0, found 1.0: remove that folder to run the cell again" in again.stderr
    (tmp_path / "runs/sweep-sleep/journal.log").unlink()  # the same of a cell that was not finished
    assert ffrec(*sweep, cwd=tmp_path).stderr == again.stderr
    shutil.rmtree(file.parent)
    assert "1 of 1 cells done, 1 now" in ffrec(*sweep, cwd=tmp_path).stdout
    assert json.loads(file.read_text())["recipe"]["network"]["sharpness"] == 1.0


def test_a_sweep_may_learn_from_the_validation_images_too(tmp_path):
    sweep = ("sweep", "sleep", *SHORT, "--only", "digits-uniform-1-1", "--set", "train_on_validation=true")
    assert ffrec(*sweep, cwd=tmp_path).returncode == 0
    (result,) = tmp_path.glob("runs/sweep-sleep/*/result.json")
    assert json.loads(result.read_text()).keys() & {"validation", "test"} == {"test"}
    record, _ = (result.parent / "metrics.jsonl").read_text().splitlines()
    assert json.loads(record)["updates"] == 29  # of 50 of 1,437 images


def test_a_sweep_on_the_command_line(tmp_path):
    sweep = ("sweep", "sleep", *SHORT, "--only", "digits-*-1-1", "--only", "digits-uniform-64-*")
    first = ffrec(*sweep, "--limit", "1", cwd=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert "1 of 3 cells done, 1 now" in first.stdout
    both = ffrec(*sweep, cwd=tmp_path)
    assert (both.returncode, both.stderr) == (0, "")
    assert "3 of 3 cells done, 2 now" in both.stdout
    again = ffrec(*sweep, cwd=tmp_path)
    assert again.stdout.startswith("3 of 3 cells done, 0 now")
    shown = ffrec("sweep", "show", cwd=tmp_path)
    right = (
        100
        - json.loads((tmp_path / "runs/sweep-sleep/digits-hybrid-1-1-0/result.json").read_text())["test"][
            "error_goodness"
        ]
    )
    assert f"| digits | masks | {right:.1f} | –" in shown.stdout
    drawn = ffrec("plot", "runs/sweep-sleep", cwd=tmp_path)
    assert drawn.stdout.strip() == "runs/sweep-sleep/phase_lengths.png"
    assert (tmp_path / "runs/sweep-sleep/phase_lengths.png").read_bytes().startswith(b"\x89PNG")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- sweep-sleep -->\nold\n<!-- /sweep-sleep -->\nafter\n")
    assert ffrec("sweep", "show", "--into", "page.md", cwd=tmp_path).stdout == ""
    assert page.read_text() == (
        f"before\n<!-- sweep-sleep -->\n{shown.stdout.rstrip()}\n<!-- /sweep-sleep -->\nafter\n"
    )
    other = ffrec(*sweep, "--seed", "5", cwd=tmp_path)
    assert (other.returncode, len(other.stderr.splitlines())) == (2, 1)
    assert "choose another --out" in other.stderr


ONE = ("sweep", "sleep", "--only", "digits-uniform-2-2", "--set", "hidden=[12,12,12]", "--set", "epochs=12")


def start(folder, number, jobs):
    """Begin a sweep of one cell, and stop it by a signal to all its processes after two epochs."""
    cell = folder / "runs/sweep-sleep/digits-uniform-2-2-0"
    with subprocess.Popen(
        command(*ONE, "--jobs", jobs),
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        metrics = cell / "metrics.jsonl"
        while not metrics.exists() or metrics.read_text().count("\n") < 2:  # so the first has its checkpoint
            assert run.poll() is None
            time.sleep(0.005)
        os.killpg(run.pid, number)
        words = run.stderr.read()
    return words, run.returncode


def assert_goes_on(folder):
    """The stopped cell is finished from its checkpoint: what is recorded of the first epoch stays."""
    file = folder / "runs/sweep-sleep/digits-uniform-2-2-0/metrics.jsonl"
    before = json.loads(file.read_text().splitlines()[0])
    rest = ffrec(*ONE, cwd=folder)
    assert "1 of 1 cells done, 1 now" in rest.stdout
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0] == before
    assert [record["epoch"] for record in records] == list(range(1, 13))


def test_a_stopped_sweep_goes_on_from_its_checkpoints(tmp_path, monkeypatch):
    def stop_in_the_third_epoch(bar, event):
        if isinstance(event, Update) and (event.epoch, event.step) == (3, 2):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingBar, "show", stop_in_the_third_epoch)
        done = ffrec(*ONE, cwd=tmp_path)
    assert done.returncode == 130
    assert "the same command again goes on" in done.stderr
    assert "digits-uniform-2-2: stopped after update" in done.stderr
    assert_goes_on(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "jobs", "code"), [(signal.SIGTERM, "2", 143), (signal.SIGKILL, "1", -9)])
def test_the_processes_of_a_sweep_are_stopped_and_it_goes_on(tmp_path, number, jobs, code):
    words, returned = start(tmp_path, number, jobs)
    assert returned == code
    assert ("the same command again goes on" in words) == (number != signal.SIGKILL)
    assert ("digits-uniform-2-2: stopped after update" in words) == (number != signal.SIGKILL)
    assert_goes_on(tmp_path)


def test_a_cell_whose_process_died_before_it_began_is_begun(tmp_path):
    left = tmp_path / "runs/sweep-sleep/digits-uniform-1-1-0"
    left.mkdir(parents=True)
    (left / "environment.json").write_text("{}")
    done = ffrec("sweep", "sleep", *SHORT, "--only", "digits-uniform-1-1", cwd=tmp_path)
    assert "1 of 1 cells done, 1 now" in done.stdout


def test_cells_that_diverge_cost_the_others_nothing(tmp_path):
    wild = ("sweep", "sleep", *SHORT, "--only", "digits-*-1-1", "--only", "digits-uniform-128-*")
    wild += ("--set", "rate=1e30", "--set", "optimiser=SGD", "--limit", "2")  # of cells that are finished
    first = ffrec(*wild, cwd=tmp_path)
    assert first.returncode == 1
    assert first.stderr.count("is not finite at update") == 2
    assert "diverged: digits-uniform-1-1, digits-hybrid-1-1; remove" in first.stderr
    assert "1 of 3 cells done, 1 now" in first.stdout  # a wake phase of two epochs is slow enough
    again = ffrec(*wild, cwd=tmp_path)
    assert "is not finite" not in again.stderr


def test_missing_data_is_one_line(tmp_path, monkeypatch):
    kept = {"HTTPS_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    monkeypatch.setattr(corpora.files, "RETRIES", 0)
    asked = ["sweep", "sleep", "--only", "mnist-uniform-1-1"]
    done = ffrec(*asked, cwd=tmp_path, FFREC_DATA="", **kept)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("ffrec: mnist: expected train-images")


def test_every_process_of_a_sweep_says_what_is_missing_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    monkeypatch.setattr(signal, "signal", lambda *ignored: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    (cell,) = cells(["mnist-uniform-1-1"], "paper")
    order = SweepOrder(
        out=tmp_path / "sweep",
        seed=0,
        data=tmp_path / "no",
        device="cpu",
        precision="fp32",
        jobs=2,
        rule="paper",
        settings={},
        wanted={cell.name: recipe_of(cell, "paper", {})},
    )
    spawn = multiprocessing.get_context("spawn")
    with pytest.raises(SystemExit) as ended:
        worker(order, partial(work, order, spawn.Value("i", 1)), spawn.Event())
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_wrong_sweep_is_one_line(tmp_path):
    for arguments, words in [
        (["sleep", "--only", "nothing"], "no cell matches"),
        (["sleep", "--set", "epoch=2"], "did you mean epochs"),
        (["sleep", "--set", "wake=4"], "use --only to choose cells"),
        (["sleep", "--only", "digits-*", "--data", "."], "--data is not read for the embedded digits"),
        (["show"], "run `ffrec sweep sleep` or `ffrec sweep variants` first"),
    ]:
        assert_refused(ffrec("sweep", *arguments, cwd=tmp_path), words)
    assert not (tmp_path / "runs").exists()
