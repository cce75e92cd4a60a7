"""Draws: bits of a known generator, the right distributions, the same numbers in any part of a batch."""

from itertools import permutations

import pytest
import torch
from scipy.stats import chisquare, kstest

from ffrec.data.draws import DELTA, GAMMA, MASK, Draws, hashed, scrambled

KINDS = {
    "uniform": lambda draws, rows: draws.uniform((rows, 3, 5)),
    "exponential": lambda draws, rows: draws.exponential((rows, 2)),
    "integers": lambda draws, rows: draws.integers(-3, 40, (rows,)),
    "normal": lambda draws, rows: draws.normal((rows, 2, 3)),
    "chance": lambda draws, rows: draws.chance(0.3, (rows, 7)),
}


def test_a_counter_gives_the_published_sequence_of_splitmix64():
    """The first numbers from seed 1234567, as the generator's own reference prints them."""
    first = [scrambled((1234567 + GAMMA * (n + 1)) & MASK) for n in range(3)]
    assert first == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_bits_are_the_hash_that_is_promised():
    draws = Draws(5)
    draws.begin(11, cases=3, first=2, stream=1)
    draws.chance(0.5, (3,))
    found = draws.bits(3, 2, 4)  # the second draw
    key = hashed(5, 11, 1) + hashed(2)
    expected = [[scrambled(key + c * DELTA + j * GAMMA & MASK) for j in range(4)] for c in (2, 3, 4)]
    assert [[number & MASK for number in row] for row in found.tolist()] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_batch_draws_its_part_of_the_numbers(kind):
    whole, part = Draws(1), Draws(1)
    whole.begin(4, 10)
    part.begin(4, 3, first=5)
    for _ in range(2):  # also the second draw
        assert torch.equal(KINDS[kind](whole, 10)[5:8], KINDS[kind](part, 3))


def test_several_rows_of_a_case_belong_to_it():
    whole, part = Draws(1), Draws(1)
    whole.begin(0, 4)
    part.begin(0, 1, first=2)
    assert torch.equal(whole.uniform((12, 5))[6:9], part.uniform((3, 5)))


@pytest.mark.parametrize("change", ["seed", "update", "stream", "draw", "case", "number"])
def test_whatever_changes_numbers_look_independent(change):
    draws, other = Draws(2), Draws(3 if change == "seed" else 2)
    draws.begin(7)
    other.begin(7 + (change == "update"), stream=int(change == "stream"))
    one, two = draws.uniform((300, 200)), other.uniform((300, 200))
    if change == "draw":
        two = draws.uniform((300, 200))
    one, two = {"case": (one[1:], one[:-1]), "number": (one[:, 1:], one[:, :-1])}.get(change, (one, two))
    correlation = torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]
    assert abs(correlation) < 4 / one.numel() ** 0.5  # four standard errors
    assert (one == two).float().mean() < 1e-4


def test_what_an_update_draws_does_not_depend_on_what_came_before():
    fresh, used = Draws(6), Draws(6)
    used.begin(1)
    used.uniform((5, 5))
    for draws in (fresh, used):
        draws.begin(2)
    assert torch.equal(fresh.uniform((5, 5)), used.uniform((5, 5)))


def test_numbers_have_the_distributions_that_they_should(draws):
    uniform = draws.uniform((200, 1000))
    assert 0 < uniform.min() < uniform.max() < 1
    assert kstest(uniform.flatten().numpy()[:50_000], "uniform").pvalue > 1e-3
    waiting = draws.exponential((50, 1000)).flatten().double()
    assert waiting.min() > 0
    assert kstest(waiting.numpy(), "expon").pvalue > 1e-3
    normal = draws.normal((50, 1000)).flatten()
    assert kstest(normal.numpy(), "norm").pvalue > 1e-3
    assert normal.double().square().mean().item() == pytest.approx(1, abs=0.03)
    assert draws.normal((50, 1000), torch.bfloat16).dtype == torch.bfloat16
    happened = draws.chance(0.1, (100, 2000)).float().mean(1)
    assert happened.mean().item() == pytest.approx(0.1, abs=0.003)
    assert not draws.chance(0.0, (10, 100)).any()
    assert draws.chance(1.0, (10, 100)).all()


def test_integers_are_uniform_and_in_range(draws):
    found = draws.integers(-2, 5, (20_000, 3))
    assert found.dtype == torch.int64
    counts = torch.bincount(found.flatten() + 2, minlength=7)
    assert len(counts) == 7
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_every_order_is_as_likely_as_any_other():
    draws, seen = Draws(0), dict.fromkeys(permutations(range(4)), 0)
    for update in range(4800):
        draws.begin(update, 4)
        seen[tuple(draws.shuffle(torch.arange(4)).tolist())] += 1
    assert chisquare(list(seen.values())).pvalue > 1e-3


def test_parts_of_a_batch_are_shuffled_together():
    values = torch.tensor([3, 1, 4, 1, 5, 9, 2])
    whole = Draws(0)
    whole.begin(1, 7)
    found = []
    for first, cases in ((0, 3), (3, 4)):
        part = Draws(0)
        part.begin(1, cases, first)
        part.gather = lambda _: values
        found.append(part.shuffle(values[first : first + cases]))
    assert torch.equal(torch.cat(found), whole.shuffle(values))
    assert sorted(torch.cat(found).tolist()) == sorted(values.tolist())


def test_wrong_numbers_of_rows_and_empty_ranges_are_refused(draws):
    draws.begin(0, 4)
    with pytest.raises(ValueError, match="expected 4 cases first, or rows for each of them, found 6"):
        draws.uniform((6, 2))
    with pytest.raises(ValueError, match="found 0"):
        draws.integers(3, 3, (4,))
