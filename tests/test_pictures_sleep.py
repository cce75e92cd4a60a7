"""Figures of wake and sleep phases show what the run folders hold."""

import pytest

import corpora
from ffrec.recipes import recipe
from ffrec.reports.figures.canvas import NothingToDraw
from ffrec.reports.figures.wake_sleep import wake_sleep
from ffrec.reports.summary import read
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.sleep import Cell
from ffrec.studies.sleep_figure import phase_lengths
from ffrec.tasks.images import new_trainer
from ffrec.tasks.recorded import configuration

SHORT = {"hidden": [20, 20, 20], "epochs": 3, "batch": 50, "wake": 24, "sleep": 24, "wake_rate": 1e-3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A factory of runs with wake and sleep phases of 24 batches, which is an epoch."""
    digits = corpora.load("digits")

    def train(**fields):
        chosen = recipe("sleep-digits").override(SHORT | fields)
        trainer = new_trainer(chosen, digits.train.images, digits.train.labels, 10)
        folder = RunFolder.create(tmp_path_factory.mktemp("run") / "run", configuration(chosen, 0, "fp32"))
        list(trainer.run(folder))
        return trainer, folder

    return train


@pytest.mark.parametrize("negatives", ["uniform", "hybrid"])
def test_goodness_is_traced_through_wake_and_sleep(trained, negatives):
    trainer, folder = trained(negatives=negatives)
    trace = [point for record in folder.metrics() for point in record["goodness"]]
    assert [point["update"] for point in trace] == list(range(3, 73, 3))
    now = trainer.trace()
    assert {key: trace[-1][key] for key in ("positive", "negative")} == now
    wake, sleep = trace[:8], trace[8:16]
    for layer in range(3):
        for kind in ("positive", "negative"):  # by the paper's rule both run away together
            assert wake[-1][kind][layer] > wake[0][kind][layer]
            assert sleep[-1][kind][layer] < sleep[0][kind][layer]
    drawn = wake_sleep(read(folder))
    assert len(drawn.axes) == 3
    for layer, axes in enumerate(drawn.axes):
        for line, kind in zip(axes.lines, ("positive", "negative"), strict=True):
            assert line.get_xdata().tolist() == [point["update"] for point in trace]
            assert line.get_ydata().tolist() == [point[kind][layer] for point in trace]
        (shaded,) = axes.patches  # the second sleep phase is after the last measurement
        assert (shaded.get_x(), shaded.get_width()) == (24, 24)


@pytest.mark.parametrize("negatives", ["uniform", "hybrid"])
def test_a_measurement_draws_nothing_and_keeps_positive_and_negative_apart(trained, negatives):
    trainer, _ = trained(negatives=negatives)
    before = trainer.draws.count
    first, second = trainer.trace(), trainer.trace()
    assert trainer.draws.count == before
    assert first == second
    assert all(one != other for one, other in zip(first["positive"], first["negative"], strict=True))


def test_short_phases_show_the_start_of_a_run_alone(trained):
    _, folder = trained(wake=1, sleep=1, wake_rate=None)
    (first, *_) = wake_sleep(read(folder)).axes
    assert list(first.lines[0].get_xdata()) == list(range(3, 25, 3))
    assert not first.patches  # sleep phases too short to be seen between two measurements


def test_a_run_that_learns_from_both_at_once_has_no_phases(trained):
    _, folder = trained(wake=None, sleep=1, wake_rate=None)
    assert "goodness" not in folder.metrics()[0]
    with pytest.raises(NothingToDraw, match="no wake and sleep phases"):
        wake_sleep(read(folder))


def test_accuracy_against_phase_length_is_ours_beside_the_papers():
    found = {
        Cell("mnist", "uniform", "1:1"): 91.0,
        Cell("mnist", "uniform", "32:32"): 20.0,
        Cell("mnist", "hybrid", "8:8"): 70.0,
        Cell("digits", "uniform", "4:4"): 60.0,
        Cell("fashion-mnist", "uniform", "16:1"): 50.0,
    }
    figure = phase_lengths(found)
    assert [axes.get_title() for axes in figure.axes] == ["mnist", "digits"]
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == ["1", "2", "4", "8", "16", "32", "64", "128"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["wrong label, ours"].get_xdata()) == [1, 32]
    assert list(lines["wrong label, ours"].get_ydata()) == [91.0, 20.0]
    assert list(lines["masks, ours"].get_xdata()) == [8]
    assert list(lines["masks, paper"].get_xdata()) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert list(lines["masks, paper"].get_ydata()) == [88, 84, 85, 78, 74, 49, 23, 11]
    assert lines["masks, paper"].get_linestyle() == "--"
    with pytest.raises(NothingToDraw, match="equal phases"):
        phase_lengths({Cell("mnist", "uniform", "16:1"): 50.0})
