"""The midpoint between positive and negative data, seen one kind at a time."""

import pytest
import torch

from ffrec.learning.midpoint import Midpoint

WAKE, SLEEP, BOTH = torch.tensor(1.0), torch.tensor(-1.0), torch.tensor(0.0)


def run(midpoint, *phases, gap=torch.tensor([2.0, 0.0]), base=torch.zeros(2)):
    """Batches of constant means, (sign, batches) at a time: what the midpoint is after each."""
    return [midpoint(base + sign / 2 * gap, sign).clone() for sign, batches in phases for _ in range(batches)]


def test_with_both_kinds_at_once_it_is_their_mean():
    midpoint = Midpoint(2)
    for mean in torch.rand(5, 2):
        assert torch.equal(midpoint(mean, BOTH), mean)
    assert midpoint.gap.tolist() == [0, 0]


def test_before_the_first_sleep_phase_nothing_is_known():
    found = run(Midpoint(2), (WAKE, 20))
    assert torch.stack(found).tolist() == [[1, 0]] * 20


@pytest.mark.parametrize("batches", [3, 4, 30])
def test_every_change_of_phase_adds_a_fifth_of_what_is_missing_four_times(batches):
    midpoint = Midpoint(2)
    for turns, sign in enumerate([WAKE, SLEEP, WAKE, SLEEP]):
        *_, now = run(midpoint, (sign, batches))
        known = 1 - 0.8 ** (turns * min(batches, 4))
        torch.testing.assert_close(midpoint.gap, torch.tensor([2 * known, 0.0]))
        torch.testing.assert_close(now, torch.tensor([sign * (1 - known), 0.0]))


def test_it_follows_what_phases_move():
    """In wake phases all goodness rises, in sleep phases it falls: ten times as far as the gap is wide."""
    midpoint, base, worst = Midpoint(), 0.0, []
    for number in range(20):
        sign = SLEEP if number % 2 else WAKE
        for _ in range(100):
            base += 0.1 * sign
            worst.append(abs(midpoint(base + sign / 2, sign) - base))
    assert max(worst[-400:]) < 0.5


def test_a_running_mean_weighs_late_batches_most():
    midpoint = Midpoint()
    for mean in (5.0, 0.0, 10.0):
        midpoint(torch.tensor(mean), WAKE)  # 5, then 4, then 5.2
    midpoint(torch.tensor(1.2), SLEEP)
    assert midpoint.gap.item() == pytest.approx(0.2 * (5.2 - 1.2))


def test_it_goes_on_from_its_state():
    first, second = Midpoint(2), Midpoint(2)
    run(first, (WAKE, 4), (SLEEP, 3))
    second.load_state_dict(first.state_dict())
    for one, other in zip(*(run(m, (SLEEP, 4), (WAKE, 2)) for m in (first, second)), strict=True):
        assert torch.equal(one, other)
