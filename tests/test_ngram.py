"""Counting models: probabilities that sum to one, and a small case by hand."""

import pytest
import torch

from ffrec.evaluation.ngram import KneserNey, best_kneser_ney, unigram_log_likelihood
from ffrec.evaluation.text import perplexity

SYMBOLS = 4


@pytest.fixture
def strings(generator):
    return torch.randint(3, (6, 20), generator=generator)  # symbol 3 is never seen


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one_for_seen_and_unseen_contexts(strings, order):
    model = KneserNey(strings, order, SYMBOLS)
    unseen = torch.full((2, 6), 3)
    p = model.probabilities(torch.cat([strings[:, :6], unseen]))
    torch.testing.assert_close(p.sum(1), torch.ones(8, dtype=torch.float64))
    assert (p > 0).all()


def test_a_bigram_model_by_hand():
    model = KneserNey(torch.tensor([[0, 1, 0, 1, 0, 2]]), 2, 3)
    # bigrams 01 ×2, 10 ×2, 02; symbols 0, 1 and 2 were each seen after one other symbol
    first = (1 - 0.75) / 3 + 0.75 * 3 / 3 * (1 / 3)
    after_0 = [0.75 * 2 / 3 * first, (2 - 0.75) / 3 + 0.5 * first, (1 - 0.75) / 3 + 0.5 * first]
    torch.testing.assert_close(
        model.probabilities(torch.tensor([[0]]))[0], torch.tensor(after_0, dtype=torch.float64)
    )
    unseen = torch.full((3,), first, dtype=torch.float64)  # nothing followed symbol 2
    torch.testing.assert_close(model.probabilities(torch.tensor([[2]]))[0], unseen)


def test_no_gram_straddles_two_strings():
    model = KneserNey(torch.tensor([[0, 0, 0], [1, 1, 1]]), 2, 2)
    seen = model.tables[1][0].tolist()
    assert seen == [0b00, 0b11]


def test_likelihood_is_that_of_every_character_after_the_start(strings):
    model = KneserNey(strings, 3, SYMBOLS)
    log_p = model.log_likelihood(strings, 4)
    assert log_p.shape == (6, 16)
    expected = model.probabilities(strings[2:3, :9])[0, strings[2, 9]].log()
    torch.testing.assert_close(log_p[2, 5], expected)


def test_the_order_is_chosen_on_validation():
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randint(3, (40, 30), generator=drawn)
    pattern = (torch.arange(30) + torch.randint(3, (40, 1), generator=drawn)) % 3
    assert best_kneser_ney(noise[:30], noise[30:], 9, 3).order == 2
    model = best_kneser_ney(pattern[:30], pattern[30:], 9, 3)
    assert perplexity(model.log_likelihood(pattern[30:], 9)) < 1.05


def test_calibrated_counts_predict_new_strings_better(generator):
    strings = torch.multinomial(torch.tensor([0.7, 0.2, 0.1]).expand(60, -1), 20, True, generator=generator)
    model = KneserNey(strings[:10], 4, SYMBOLS)  # noise: what it has seen says nothing
    found = model.calibrated(strings[10:], 4)
    assert found.exponent < 0.9
    assert model.exponent == 1
    assert found.log_likelihood(strings[10:], 4).mean() > model.log_likelihood(strings[10:], 4).mean() + 0.01
    powers = model.probabilities(strings[:5, :4]) ** found.exponent
    torch.testing.assert_close(found.predictions(strings[:5, :4]).exp(), powers / powers.sum(1, keepdim=True))


def test_unigrams():
    log_p = unigram_log_likelihood(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 2]]), 1, 3)
    torch.testing.assert_close(log_p.exp(), torch.tensor([[2 / 6, 1 / 6]], dtype=torch.float64))
