"""Schedules: what is done with each batch."""

from itertools import islice

import pytest

from ffrec import registry
from ffrec.training.phases import apart, generating

REGIMES = registry.menu("regime")


@pytest.mark.parametrize("name", REGIMES)
def test_every_schedule_goes_on_and_shows_every_batch_both_kinds_of_data(name):
    for phases in islice(REGIMES[name](3), 50):
        learnt = {"both"} & set(phases) or {"wake", "sleep"} & set(phases)
        assert learnt in ({"both"}, {"wake", "sleep"})


def test_together_generates_before_it_learns():
    assert next(REGIMES["together"](1)) == ("generate", "both")


def test_sleep_generates_between_wake_and_sleep():
    assert list(islice(REGIMES["sleep"](1), 2)) == [("wake", "generate", "sleep")] * 2


@pytest.mark.parametrize("between", [1, 2, 5])
def test_regime_night_generates_once_in_so_many_batches(between):
    batches = list(islice(REGIMES["night"](between), 20))
    assert [i for i, phases in enumerate(batches) if "generate-all" in phases] == list(range(0, 20, between))
    assert all(phases[-1] == "both" for phases in batches)


@pytest.mark.parametrize(("wake", "sleep"), [(1, 1), (3, 3), (4, 1), (5, 2)])
def test_wake_and_sleep_phases_have_the_batches_they_were_given(wake, sleep):
    cycle = [("wake",)] * wake + [("sleep",)] * sleep
    assert list(islice(apart(wake, sleep), 3 * len(cycle) + 1)) == cycle * 3 + [("wake",)]


def test_strings_are_generated_before_every_batch_of_a_sleep_phase():
    found = list(islice(generating(apart(2, 2)), 5))
    assert found == [("wake",), ("wake",), ("generate", "sleep"), ("generate", "sleep"), ("wake",)]
