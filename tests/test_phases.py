"""Schedules: what is done with each batch."""

from itertools import islice

import pytest

from ffrec.training.phases import PHASES, apart, dreaming


@pytest.mark.parametrize("name", PHASES)
def test_every_schedule_goes_on_and_shows_every_batch_both_kinds_of_data(name):
    for phases in islice(PHASES[name](3), 50):
        learnt = {"both"} & set(phases) or {"wake", "sleep"} & set(phases)
        assert learnt in ({"both"}, {"wake", "sleep"})


def test_together_dreams_before_it_learns():
    assert next(PHASES["together"](1)) == ("dream", "both")


def test_sleep_dreams_between_waking_and_sleeping():
    assert list(islice(PHASES["sleep"](1), 2)) == [("wake", "dream", "sleep")] * 2


@pytest.mark.parametrize("between", [1, 2, 5])
def test_nights_come_once_in_so_many_batches(between):
    batches = list(islice(PHASES["night"](between), 20))
    assert [i for i, phases in enumerate(batches) if "night" in phases] == list(range(0, 20, between))
    assert all(phases[-1] == "both" for phases in batches)


@pytest.mark.parametrize(("awake", "asleep"), [(1, 1), (3, 3), (4, 1), (5, 2)])
def test_days_and_nights_have_the_batches_they_were_given(awake, asleep):
    cycle = [("wake",)] * awake + [("sleep",)] * asleep
    assert list(islice(apart(awake, asleep), 3 * len(cycle) + 1)) == cycle * 3 + [("wake",)]


def test_dreams_come_before_every_batch_of_sleep():
    found = list(islice(dreaming(apart(2, 2)), 5))
    assert found == [("wake",), ("wake",), ("dream", "sleep"), ("dream", "sleep"), ("wake",)]
