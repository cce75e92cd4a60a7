"""A process is killed at any change to the disk, or at any moment: the run goes on as if nothing had been."""

import os
import random
import signal
import time

import pytest
from injected import begun, budget, changes, ended, forked, leftovers, outcome, tree
from small_runs import CONFIG, OTHER, fill, train

from ffrec.storage.run_folder import RunFolder

KILLS, SEED, EVERY = budget("FFREC_KILLS", 300), budget("FFREC_SEED", 0), budget("FFREC_EVERY", 1)

SOME, ALL = 9, pytest.param(EVERY, marks=pytest.mark.faults)


@pytest.mark.parametrize("every", [SOME, ALL])
def test_a_run_killed_at_any_change_to_the_disk_goes_on_to_the_same_bits(tmp_path, every):
    log = tmp_path / "log"
    total = changes(lambda: fill(tmp_path / "whole"), log)
    assert total > 60
    expected = tree(tmp_path / "whole")
    for k in range(1, total + 1, every):
        run = tmp_path / f"{k}"
        assert forked(lambda run=run: fill(run), log, dies_at=k) == -signal.SIGKILL
        assert forked(lambda run=run: fill(run), log) == 0, log.read_text()
        assert tree(run) == expected, k


@pytest.mark.parametrize("every", [SOME, ALL])
def test_force_killed_at_any_change_leaves_the_old_run_or_the_new_one_whole(tmp_path, every):
    log, old = tmp_path / "log", tmp_path / "old"
    fill(old, CONFIG)
    fill(tmp_path / "new", OTHER)
    fill(tmp_path / "again", CONFIG)
    total = changes(lambda: fill(tmp_path / "again", OTHER, force=True), log)
    assert tree(tmp_path / "again") == tree(tmp_path / "new")
    seen = set()
    for k in range(1, total + 1, every):
        run = tmp_path / f"{k}"
        fill(run, CONFIG)
        assert forked(lambda run=run: fill(run, OTHER, force=True), log, dies_at=k) == -signal.SIGKILL
        found = RunFolder.open(run)
        seen.add(found.config["seed"])
        if found.config["seed"] == 0:
            assert tree(run).items() >= tree(old).items(), k  # beside it at most what the next one cleans up
        else:
            assert found.load()[0] >= 1
        fill(run, OTHER, force=True)
        assert tree(run) == tree(tmp_path / "new"), k
    assert seen == {0, 1}


@pytest.mark.faults
def test_training_killed_at_any_change_to_the_disk_goes_on_to_the_same_bits(tmp_path):
    log = tmp_path / "log"
    assert train(tmp_path / "first") == 0  # imports everything, so that no child has to
    total = changes(lambda: train(tmp_path / "whole"), log)
    expected = outcome(tmp_path / "whole")
    assert total > 60
    for k in range(1, total + 1, EVERY):
        run = tmp_path / f"{k}"
        assert forked(lambda run=run: train(run), log, dies_at=k) == -signal.SIGKILL
        assert forked(lambda run=run: train(run, "--resume"), log) == 0, log.read_text()
        assert outcome(run) == expected, k
        assert leftovers(run) == []
        assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]
    print(f"{len(range(0, total, EVERY))} of {total} places in the training of one run, none unequal")


@pytest.mark.faults
def test_random_kills_in_a_row_change_no_bit(tmp_path):
    drawn, log, killed, runs = random.Random(SEED), tmp_path / "log", 0, 0
    assert train(tmp_path / "first") == 0  # imports everything, so that kills hit the training
    start = time.perf_counter()
    assert forked(lambda: train(tmp_path / "whole"), log) == 0, log.read_text()
    lasts, expected = time.perf_counter() - start, outcome(tmp_path / "whole")
    while killed < KILLS:
        runs += 1
        run, hits, code = tmp_path / f"{runs}", drawn.randrange(2, 12), None
        while code != 0:
            child = begun(lambda run=run: train(run, "--resume"), log)
            if hits:
                time.sleep(drawn.uniform(0, lasts))
                os.kill(child, signal.SIGKILL)
                hits -= 1
            code = ended(child)
            assert code in (0, -signal.SIGKILL), log.read_text()
            killed += code != 0
        assert outcome(run) == expected, f"run {runs}"
        assert leftovers(run) == []
        print(f"{killed} kills in {runs} runs, none unequal", flush=True)
