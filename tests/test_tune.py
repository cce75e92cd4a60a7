"""A search of settings: what is drawn, what is run, what is stopped early, and what is said in the end."""

import dataclasses
import json
import math
import os
import pickle
import re
import shlex
import signal
import statistics
import subprocess
import time
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from commands import ROOT, assert_refused, command, environment, ffrec

import cli.studies.searching
from cli.progress import TrainingBar
from cli.studies.searching import SearchOrder, work
from corpora import load_images, load_text
from ffrec.config import ConfigError
from ffrec.recipes import recipe
from ffrec.storage.files import RunError
from ffrec.training.events import Update

pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
from ffrec.studies.tune.choosing import make_sampler
from ffrec.studies.tune.job import Ended
from ffrec.studies.tune.search import Plan, Search
from ffrec.studies.tune.space import Space
from ffrec.studies.tune.untested import untested

DIGITS = recipe("supervised-digits").override({"epochs": 4, "validate_every": 1})
RATE = {"rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def search(folder, values=RATE, seed=0, **plan):
    plan = {"trials": 8, "top": 2, "seeds": 2, "sampler": "random"} | plan
    return Search(folder, DIGITS, Space.of(values, DIGITS), Plan(**plan), seed)


def epoch(number, error):
    return {"epoch": number, "validation": {"error_goodness": error, "error_softmax": 0.0}}


def finish(found, value, reason=""):
    """Take the next run, and end it with what it is said to have reached."""
    with found.claim() as job:
        job.path.mkdir(exist_ok=True)
        job.ended = Ended(None if reason else value, 4, 60.0, "error_goodness", reason)
        return job


def states(found):
    return Counter(trial.state.name for trial in found.trials())


def test_settings_are_drawn_from_what_the_space_says(tmp_path):
    values = {
        "rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "dropout": {"low": 0, "high": 0.9, "step": 0.1},
        "threshold": {"low": -1, "high": 1},  # whole numbers, but the setting is a float
        "epochs": {"low": 1, "high": 3},
        "hidden": [[5, 5], [7]],
        "wake": ["none", 2, "epoch"],
        "activity": ["max", "min"],
        "batch": [50],
    }
    found = search(tmp_path, values | {"label": ["none", "append"]}, trials=40)
    drawn = []
    for number in range(40):
        found.study.sampler = make_sampler("random", 0, number)
        trial = found.study.ask()
        drawn.append(found.space.suggest(trial))
        assert found.space.suggest(trial) == drawn[-1]  # a trial that is taken up keeps what it has
    seen = {name: {json.dumps(settings[name]) for settings in drawn} for name in drawn[0]}
    assert seen["hidden"] == {"[5, 5]", "[7]"}
    assert seen["wake"] == {"null", "2", '"epoch"'}  # optional: none is no value
    assert seen["label"] == {'"none"', '"append"'}  # not optional: none is a word
    assert seen["epochs"] == {"1", "2", "3"}
    assert "0.3" in seen["dropout"] <= {f"{n / 10}" for n in range(10)}
    assert seen["batch"] == {"50"}
    assert {type(settings["threshold"]) for settings in drawn} == {float}
    assert any(0 < abs(settings["threshold"]) < 1 for settings in drawn)
    rates = [settings["rate"] for settings in drawn]
    assert all(1e-4 <= rate <= 1e-2 and float(f"{rate:.4g}") == rate for rate in rates)
    assert 8 < sum(rate < 1e-3 for rate in rates) < 32  # half of a logarithmic range


def test_the_space_of_the_documentation_suits_its_recipe():
    page = (ROOT / "docs/tune.md").read_text()
    name, text = re.search(r"<!-- space: (.*?) -->\n```toml\n(.*?)```", page, re.DOTALL).groups()
    space = Space.of(tomllib.loads(text), recipe(name))
    assert {"noise", "hidden_noise", "rate", "weight_decay", "sharpness", "damping"} == set(space.values)
    for end in ("low", "high"):  # of ranges, both of which the recipe accepts
        recipe(name).override({key: value[end] for key, value in space.values.items()})


def order_of(out, plan, **more):
    """What two processes of a search of rates are told."""
    return SearchOrder(
        out=out,
        seed=0,
        data=None,
        device="cpu",
        precision="fp32",
        jobs=2,
        recipe=DIGITS,
        space=Space.of(RATE, DIGITS),
        plan=plan,
        **more,
    )


def test_work_can_be_sent_to_another_process(tmp_path):
    order = order_of(tmp_path, Plan(8), plugins=(Path("a.py"),))
    sent = pickle.loads(pickle.dumps(partial(work, order)))
    assert sent.args == (order,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dropuot = [0.1, 0.2]", "unknown setting 'dropuot': did you mean dropout?"),
        ("rate = {low = 1e-4, hihg = 1e-2}", "rate: unknown 'hihg': did you mean high?"),
        ("rate = {low = 1e-4, high = 1e-2, ln = true}", "rate: unknown 'ln': choose from low, high"),
        ("rate = {low = 1e-4}", "rate: expected low and high, found no high"),
        ("rate = {low = 1, high = 1}", "rate: expected low < high"),
        ("rate = {low = 0, high = 1, log = true}", "rate.low: expected more than 0 where log"),
        ("rate = {low = 0.1, high = 1, step = 2}", "rate.step: expected more than 0, at most high - low"),
        ("rate = {low = 0.1, high = 1, step = 0.1, log = true}", "rate.step: expected"),
        (
            "rate = {low = 0.0, high = 1.0, step = 0.3}",
            "rate.high: expected low plus a whole number of steps",
        ),
        ("epochs = {low = 1, high = 4, step = 2}", "epochs.high: expected low plus a whole number of steps"),
        ('rate = {low = "a", high = 1}', "rate.low: expected a number, found 'a'"),
        ("rate = {low = 0.1, high = inf}", "rate.high: expected a number, found inf"),
        ("rate = {low = 0.1, high = 1, log = 1}", "rate.log: expected true or false, found 1"),
        ("rate = 0.1", "rate: expected {low"),
        ("optimiser_options = {momentum = 0.9}", "optimiser_options: expected {low"),
        ("epochs = {low = 1.5, high = 4}", "epochs: expected whole numbers"),
        ("hidden = {low = 5, high = 7}", "hidden: expected a list of choices"),
        ("hidden = [500, 500]", "hidden: expected choices that differ"),
        ("hidden = []", "hidden: expected choices that differ"),
        ("batch = [2020-01-01]", "batch: expected numbers, words or lists"),
        ("train_on_validation = [true, false]", "train_on_validation cannot be searched"),
        ("validate_every = [1, 2]", "validate_every cannot be searched"),
        ("", "expected settings, found none"),
        ("rate = ", "expected TOML such as"),
    ],
)
def test_a_space_that_cannot_be_is_one_line(tmp_path, text, words):
    (tmp_path / "space.toml").write_text(text)
    done = ffrec("tune", "supervised-digits", "--space", "space.toml", cwd=tmp_path)
    assert_refused(done, "space.toml: ", words)
    assert not (tmp_path / "runs").exists()


def test_a_search_draws_the_same_whether_or_not_it_was_stopped(tmp_path):
    once, twice = (search(tmp_path / name, sampler="tpe", trials=12, seeds=1) for name in "ab")
    for number in range(12):
        finish(once, number % 5)
        finish(twice, number % 5)
        twice = search(tmp_path / "b", sampler="tpe", trials=12, seeds=1)  # another process
    drawn = [[trial.params["rate"] for trial in found.trials()] for found in (once, twice)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 12
    with twice.claim() as job:
        assert job is None
    assert not twice.busy
    other = search(tmp_path / "c", sampler="tpe", seed=1, trials=12)
    finish(other, 1.0)
    assert other.trials()[0].params["rate"] not in drawn[0]


def test_a_bad_trial_is_pruned_and_a_good_one_is_not(tmp_path):
    found = search(tmp_path)
    for value in (10.0, 11.0, 12.0, 13.0, 14.0):
        with found.claim() as job:
            assert not any(job.hopeless(epoch(n, value)) for n in (1, 4))
            job.ended = Ended(value, 4, 60.0, "error_goodness")
    with found.claim() as job:
        assert job.hopeless(epoch(1, 50.0))
        assert job.hopeless(epoch(1, 50.0))  # once more, by a process that took it up
        assert not job.hopeless(epoch(4, 50.0))  # it has cost all that it will
        (job.path / "checkpoints").mkdir(parents=True)
        (job.path / "metrics.jsonl").touch()
        job.ended = Ended(None, 1, 60.0, "error_goodness", "pruned after epoch 1")
    assert sorted(path.name for path in job.path.iterdir()) == ["metrics.jsonl"]
    with found.claim() as job:
        assert not job.hopeless(epoch(1, 11.9))
        with found.claim() as other:
            assert other.hopeless(epoch(1, float("nan")))
    assert states(found) == {"COMPLETE": 5, "PRUNED": 1, "RUNNING": 2}


@pytest.mark.parametrize(("pruner", "stops"), [("hyperband", True), ("none", False)])
def test_pruners_by_name(tmp_path, pruner, stops):
    found, pruned = search(tmp_path, pruner=pruner, trials=12), 0
    for number in range(12):
        with found.claim() as job:
            gone = any(job.hopeless(epoch(n, 10.0 + number)) for n in (1, 2, 3, 4))
            pruned += gone
            value = None if gone else 10.0 + number
            job.ended = Ended(value, 4, 1.0, "error_goodness", "pruned after epoch 1" if gone else "")
    assert bool(pruned) == stops


def test_the_best_are_repeated_with_other_seeds_and_only_the_best(tmp_path):
    found = search(tmp_path, trials=4, top=2, seeds=3, seed=5)
    settings = [finish(found, value).settings for value in (30.0, 10.0, 20.0, 40.0)]
    (tmp_path / "trial-0000/checkpoints").mkdir()
    repeats = [finish(found, value) for value in (11.0, 12.0, 21.0, 22.0)]
    assert [(job.number, job.seed) for job in repeats] == [(1, 6), (1, 7), (2, 6), (2, 7)]
    assert [job.settings for job in repeats] == [settings[1]] * 2 + [settings[2]] * 2
    assert repeats[0].path == tmp_path / "trial-0001-seed-6"
    assert not (tmp_path / "trial-0000/checkpoints").exists()  # of a trial that is not among the best
    with found.claim() as job:
        assert job is None
    entries = json.loads((tmp_path / "tune.json").read_text())["trials"]
    assert [[run["value"] for run in entry["repeats"]] for entry in entries] == [[], [11, 12], [21, 22], []]
    more = search(tmp_path, trials=5, top=2, seeds=3, seed=5)
    finish(more, 5.0)
    assert [(job.number, job.seed) for job in (finish(more, 6.0), finish(more, 7.0))] == [(4, 6), (4, 7)]
    with more.claim() as job:
        assert job is None  # trial 1 has its seeds already


def test_settings_that_were_tried_are_not_tried_again(tmp_path):
    found = search(tmp_path, {"batch": [50, 60]}, trials=12, top=5, seeds=1)
    values = {}
    while True:
        with found.claim() as job:
            if job is None:
                break
            job.hopeless(epoch(1, 9.0))
            values[job.settings["batch"]] = job.number
            job.ended = Ended(float(job.number), 4, 60.0, "error_goodness")
    assert len(values) == 2
    assert states(found) == {"COMPLETE": 12}
    for trial in found.trials():
        first = values[found.space.settings(trial.params)["batch"]]
        assert (trial.values, trial.user_attrs.get("same_as", trial.number)) == ([first], first)
        assert trial.intermediate_values == {1: 9.0}
    assert {trial.number for trial in found.best()} == set(values.values())


def test_a_trial_whose_process_died_is_taken_up_and_fails_after_three_deaths(tmp_path):
    found = search(tmp_path, trials=1, seeds=1)
    for _ in range(3):
        job, lock = found.take()
        assert job.number == 0
        assert search(tmp_path, trials=1).take() is None  # the lock is held
        lock.release()  # what the system does when a process dies
    with found.claim() as job:
        assert job is None
    (trial,) = found.trials()
    assert (trial.state.name, trial.user_attrs["reason"]) == ("FAIL", "its process died 3 times")


def test_a_trial_that_was_stopped_is_taken_up_as_often_as_it_takes(tmp_path):
    found = search(tmp_path, trials=1, seeds=1)
    settings = []
    for _ in range(5):
        with found.claim() as job:
            settings.append(job.settings)
    with pytest.raises(ZeroDivisionError), found.claim() as job:
        job.ended = 1 / 0
    assert states(found) == {"RUNNING": 1}
    assert all(each == settings[0] for each in settings)
    finish(found, 1.0)
    assert states(found) == {"COMPLETE": 1}


def test_others_wait_for_the_last_trial_and_do_not_repeat_before_it_ends(tmp_path):
    found, other = search(tmp_path, trials=2), search(tmp_path, trials=2)
    finish(found, 1.0)
    with found.claim() as job:
        with other.claim() as none:
            assert none is None
        assert other.busy
        job.ended = Ended(0.5, 4, 60.0, "error_goodness")
    with other.claim() as job:
        assert (job.number, job.seed) == (1, 1)
        with found.claim() as second:
            assert (second.number, second.seed) == (0, 1)
            third = search(tmp_path, trials=2)
            with third.claim() as none:
                assert none is None
            assert third.busy  # what the other two leave is for all


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed = 0, found 1"),
        ({"sampler": "tpe"}, "sampler = random, found tpe"),
        ({"pruner": "none"}, "pruner = median, found none"),
        ({"values": {"rate": {"low": 1e-4, "high": 1e-1, "log": True}}}, "space = .*found"),
    ],
)
def test_a_search_keeps_its_settings(tmp_path, change, words):
    search(tmp_path)
    with pytest.raises(RunError, match=f"is a search with {words}.*choose another --out"):
        search(tmp_path, **change)
    search(tmp_path, trials=9, top=1, seeds=4)  # how far it goes may change


def test_a_search_keeps_its_recipe_and_knows_settings_that_are_younger(tmp_path):
    found = search(tmp_path)
    held = found.study.user_attrs["recipe"]
    del held["training"]["jitter"]  # as if the setting had come later
    found.study.set_user_attr("recipe", held)
    search(tmp_path)
    other = DIGITS.override({"batch": 10})
    with pytest.raises(RunError, match=r"with recipe\.training\.batch = 50, found 10: give the same again"):
        Search(tmp_path, other, Space.of(RATE, other), Plan(8, sampler="random"))


SMALL = ("--set", "hidden=[12,12,12]", "--set", "epochs=2", "--set", "validate_every=1", "--out", "t")


def tune(folder, space, *more):
    (folder / "space.toml").write_text(space)
    return ffrec("tune", "supervised-digits", "--space", "space.toml", *SMALL, *more, cwd=folder)


def last(folder):
    """The validation error by goodness after a run's last epoch."""
    record = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    return record["epoch"], record["validation"]["error_goodness"]


def forbidden(*ignored):
    """The digits, of which nobody may look at the test part."""

    class Corpus:
        train, validation, description = (getattr(DATA, n) for n in ("train", "validation", "description"))

        @property
        def test(self):
            raise AssertionError("the test part was read")

        sha256 = test

    return Corpus()


DATA = load_images("digits", None)


def test_a_search_on_the_command_line_never_reads_test_images(tmp_path, monkeypatch):
    monkeypatch.setattr(cli.studies.searching, "load", forbidden)
    asked = ("rate = {low = 1e-3, high = 1e-2, log = true}", "--trials", "3", "--top", "2", "--seeds", "2")
    done = tune(tmp_path, *asked)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "t/tune.json").read_text())["trials"]
    assert [trial["state"] for trial in found] == ["complete"] * 3
    folders = [tmp_path / f"t/trial-{trial['number']:04d}" for trial in found]
    assert [last(folder) for folder in folders] == [(2, trial["value"]) for trial in found]
    assert not list(tmp_path.glob("t/*/result.json"))
    best = sorted(found, key=lambda trial: trial["value"])[:2]
    rows = []
    for trial in best:
        (repeat,) = trial["repeats"]
        folder = tmp_path / f"t/trial-{trial['number']:04d}-seed-1"
        assert (repeat["seed"], repeat["value"]) == (1, last(folder)[1])
        assert json.loads((folder / "config.json").read_text())["seed"] == 1
        values = [trial["value"], repeat["value"]]
        mean, std = statistics.mean(values), statistics.stdev(values)
        rows.append((mean, f"{trial['number']} | {mean:.2f} ± {std:.2f} (2) | {trial['settings']['rate']}"))
    for rank, (_, row) in enumerate(sorted(rows), 1):
        assert f"| {rank} | {row} | 2 | 0.0 |" in done.stdout
    assert "trials: 3, of which 3 complete" in done.stdout
    assert "importance (fANOVA, 3 complete trials): rate 1.00" in done.stdout
    assert (tmp_path / "t/tune.png").read_bytes().startswith(b"\x89PNG")
    shown = ffrec("tune", "show", "t", cwd=tmp_path)
    assert shown.returncode == 0
    assert done.stdout.endswith(shown.stdout)
    again = tune(tmp_path, *asked)
    assert again.stdout == shown.stdout  # nothing was left to do
    (tmp_path / "t/tune.png").unlink()
    (tmp_path / "page.md").write_text("<!-- tune -->\n<!-- /tune -->\n")
    put = ffrec("tune", "show", "t", "--into", "page.md", "--figure", "searched.png", cwd=tmp_path)
    assert put.stdout == "picture: searched.png\n"
    assert (tmp_path / "searched.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "t/tune.png").exists()
    begin, *table, empty, first, _, _, end = (tmp_path / "page.md").read_text().splitlines()
    assert (begin, empty, first, end) == (
        "<!-- tune -->",
        "",
        "- trials: 3, of which 3 complete",
        "<!-- /tune -->",
    )
    assert shown.stdout.startswith("\n".join(table))


def test_the_command_of_the_best_reaches_what_the_search_says(tmp_path):
    done = tune(tmp_path, 'rate = [2e-3, 1e-5]\noptimiser = ["AdamW"]', "--trials", "2", "--seeds", "1")
    words = shlex.split(re.search(r"^best: ffrec (.*)$", done.stdout, re.MULTILINE)[1])
    assert ffrec(*words, "--out", "again", cwd=tmp_path).returncode == 0
    found = json.loads((tmp_path / "t/tune.json").read_text())["trials"]
    assert last(tmp_path / "again")[1] == min(trial["value"] for trial in found)


def test_what_cannot_be_is_a_pruned_trial_with_its_reason(tmp_path):
    space = "reads = [[2, 3], [9]]\nrate = [1e-3, 2e-3, 3e-3]"
    done = tune(tmp_path, space, "--trials", "8", "--seeds", "1", "--sampler", "random")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "t/tune.json").read_text())["trials"]
    for trial in found:
        refused = trial["settings"]["reads"] == [9]
        assert trial["state"] == ("pruned" if refused else "complete")
        assert ("reads" in trial["reason"]) == refused
    refused = [trial for trial in found if trial["state"] == "pruned"]
    assert 0 < len(refused) < 8
    assert f"{len(refused)} × {refused[0]['reason']}" in done.stdout
    assert f"{len(refused)} pruned" in done.stdout
    assert f"{8 - len(refused)} complete" in done.stdout


@pytest.mark.parametrize(
    ("space", "more", "words"),
    [
        ("reads = [[9], [8]]", (), "reads"),
        ("rate = [1e30]", ("--set", "optimiser=SGD", "--set", "batch=1437"), "is not finite at update"),
    ],
)
def test_a_search_that_completes_no_trial_says_why(tmp_path, space, more, words):
    done = tune(tmp_path, space, "--trials", "3", *more)
    assert done.returncode == 1
    assert words in done.stdout
    assert "trials: 3, of which 3 pruned" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("ffrec: no trial was completed")


def test_a_number_that_is_not_finite_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr("ffrec.studies.tune.job.measured", lambda record: ("perplexity", math.inf))
    done = tune(tmp_path, "rate = [1e-3, 2e-3]", "--trials", "1")
    assert done.returncode == 1
    assert "1 × its validation perplexity is not a finite number" in done.stdout


def test_a_search_is_not_gone_on_with_on_other_data(tmp_path, monkeypatch):
    asked = ("rate = [1e-3, 2e-3]", "--trials", "1", "--seeds", "1")
    assert tune(tmp_path, *asked).returncode == 0
    other = dataclasses.replace(DATA, train=DATA.train[:500])
    monkeypatch.setattr(cli.studies.searching, "load", lambda *ignored: other)
    assert_refused(tune(tmp_path, *asked), "t is a search with data = ", "choose another --out")


def test_a_process_without_work_waits_for_what_the_others_leave(tmp_path, monkeypatch):
    plan = Plan(1, 1, 2, "random")
    order = order_of(tmp_path, plan)
    other, reached, paused = order.search(), Ended(2.0, 4, 60.0, "error_goodness"), []
    job, lock = other.take()

    def pause(seconds):
        paused.append(seconds)
        job.ended = reached
        with other.locked():
            job.close()
        lock.release()

    monkeypatch.setattr(cli.studies.searching.time, "sleep", pause)
    monkeypatch.setattr(cli.studies.searching, "ended", lambda *ignored: reached)
    work(order, lambda: len(paused) > 1)
    assert len(paused) == 1
    (trial,) = json.loads((tmp_path / "tune.json").read_text())["trials"]
    assert [(repeat["seed"], repeat["value"]) for repeat in trial["repeats"]] == [(1, 2.0)]


def test_wrong_searches_are_one_line(tmp_path):
    rate = "rate = [1e-3, 1e-4]"
    assert_refused(tune(tmp_path, rate, "--set", "train_on_validation=true"), "expected false, found true")
    assert_refused(tune(tmp_path, rate, "--set", "rate=0.1"), "--set rate: space.toml searches it")
    assert_refused(tune(tmp_path, rate, "--set", "epoch=1"), "did you mean epochs")
    assert_refused(tune(tmp_path, rate, "--data", "."), "--data is not read for the embedded digits")
    assert_refused(ffrec("tune", "no", "--space", "space.toml", cwd=tmp_path), "recipe")
    assert_refused(ffrec("tune", "supervised-digits", "--space", "no.toml", cwd=tmp_path), "no.toml")
    assert_refused(ffrec("tune", "show", "nothing", cwd=tmp_path), "nothing: expected a search")
    assert not (tmp_path / "t").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tune.json").write_text("[")
    assert_refused(ffrec("tune", "show", "other", cwd=tmp_path), "tune.json is damaged")


def test_data_without_a_validation_part_is_refused():
    with pytest.raises(ConfigError, match="digits: expected data with a validation part, found none"):
        untested(DIGITS, DATA.joined())
    with pytest.raises(ConfigError, match="digits: expected data with a validation part, found none"):
        untested(DIGITS, dataclasses.replace(DATA, validation=DATA.validation[:0]))


def test_a_text_is_searched_by_perplexity(tmp_path):
    (tmp_path / "space.toml").write_text("softmax_rate = [1e-3, 1e-2]")
    small = ("--set", "hidden=[16]", "--set", "epochs=1", "--set", "passes=1", "--set", "strings=20")
    asked = ("--trials", "1", "--seeds", "1", "--out", "t", *small)
    done = ffrec("tune", "fables", "--space", "space.toml", *asked, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    metrics = json.loads((tmp_path / "t/trial-0000/metrics.jsonl").read_text())
    (trial,) = json.loads((tmp_path / "t/tune.json").read_text())["trials"]
    assert trial["value"] == metrics["validation"]["perplexity"]
    assert "validation perplexity ± std (n)" in done.stdout
    text = load_text("fables", None, None)
    assert len(untested(recipe("fables"), text).test) == 0
    assert ffrec("perplexity", "t/trial-0000", cwd=tmp_path).returncode == 0  # which reads the whole text


def test_a_stopped_search_goes_on_from_its_checkpoints(tmp_path, monkeypatch):
    def stop_in_the_second_epoch(bar, event):
        if isinstance(event, Update) and (event.epoch, event.step) == (2, 2):
            signal.raise_signal(signal.SIGINT)

    asked = ("rate = {low = 1e-3, high = 1e-2, log = true}", "--trials", "2", "--seeds", "1")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingBar, "show", stop_in_the_second_epoch)
        done = tune(tmp_path, *asked)
    assert done.returncode == 130
    assert "trial 0: stopped after update" in done.stderr
    assert "the same command again goes on" in done.stderr
    file = tmp_path / "t/trial-0000/metrics.jsonl"
    first = file.read_text()
    assert tune(tmp_path, *asked).returncode == 0
    assert file.read_text().startswith(first)
    whole = tmp_path / "whole"
    whole.mkdir()
    tune(whole, *asked)
    assert reached(tmp_path) == reached(whole)


def reached(folder: Path):
    trials = json.loads((folder / "t/tune.json").read_text())["trials"]
    return [(trial["settings"], trial["validation"], trial["value"]) for trial in trials]


@pytest.mark.slow
def test_processes_do_exactly_the_trials_that_were_asked_for(tmp_path):
    space = "rate = {low = 1e-3, high = 1e-2, log = true}"
    (tmp_path / "space.toml").write_text(space)
    asked = ("--trials", "6", "--top", "2", "--seeds", "2", "--pruner", "none")
    with begin(("tune", "supervised-digits", "--space", "space.toml", *SMALL, *asked), tmp_path) as run:
        while not list(tmp_path.glob("t/trial-*")):
            assert run.poll() is None
            time.sleep(0.005)
        here = tune(tmp_path, space, *asked)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, here.returncode) == (0, 0), err + here.stderr
    lines = (out + here.stdout).splitlines()
    began = [line.split(":")[0] for line in lines if re.match(r"trial \d+(, seed 1)?: rate = ", line)]
    found = json.loads((tmp_path / "t/tune.json").read_text())["trials"]
    assert [trial["state"] for trial in found] == ["complete"] * 6
    assert len({trial["settings"]["rate"] for trial in found}) == 6
    repeated = [trial["number"] for trial in found if trial["repeats"]]
    best = sorted(found, key=lambda trial: trial["value"])[:2]
    assert sorted(repeated) == sorted(trial["number"] for trial in best)
    wanted = [f"trial {n}" for n in range(6)] + [f"trial {n}, seed 1" for n in repeated]
    assert sorted(began) == sorted(wanted)  # every run once


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_goes_on_from_its_checkpoint(tmp_path):
    asked = ("--set", "epochs=30", "--trials", "1", "--seeds", "1")
    (tmp_path / "space.toml").write_text("rate = {low = 1e-3, high = 1e-2, log = true}")
    metrics = tmp_path / "t/trial-0000/metrics.jsonl"
    with begin(("tune", "supervised-digits", "--space", "space.toml", *SMALL, *asked), tmp_path) as run:
        while not metrics.exists() or metrics.read_text().count("\n") < 2:  # so the first has its checkpoint
            assert run.poll() is None
            time.sleep(0.005)
        os.killpg(run.pid, signal.SIGKILL)
    first, *more = metrics.read_text().splitlines()
    assert len(more) < 29, "the run was too short for this test"
    rest = tune(tmp_path, "rate = {low = 1e-3, high = 1e-2, log = true}", *asked)
    assert rest.returncode == 0
    lines = metrics.read_text().splitlines()
    assert json.loads(lines[0])["seconds"] == json.loads(first)["seconds"]  # of training, not done again
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 31))
    assert "trials: 1, of which 1 complete" in rest.stdout


def begin(arguments, cwd):
    """A command in a process of its own, that is not waited for."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*arguments), cwd=cwd, env=environment(), start_new_session=True, **pipes)


def test_a_record_in_a_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'record.db'}"
    asked = ("rate = [1e-3, 1e-4]", "--trials", "2", "--seeds", "1")
    assert tune(tmp_path, *asked, "--storage", url).returncode == 0
    assert not (tmp_path / "t/journal.log").exists()
    assert_refused(tune(tmp_path, *asked), "is a search with its record in a database: give its --storage")
    assert ffrec("tune", "show", "t", cwd=tmp_path).returncode == 0
