"""Counting models of text: what a next-character network has to beat."""

import copy

import torch
from torch import Tensor

from ffrec.networks.text.pool import fit_exponents, most_characters, tempered

DISCOUNT = 0.75
BLOCK = 10_000  # contexts looked up together; bounds memory


def tally(values: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The distinct values, sorted, and how often each occurs, or the sum of its weights."""
    distinct, place = values.unique(return_inverse=True)
    weights = torch.ones_like(values) if weights is None else weights
    return distinct, torch.zeros_like(distinct).index_add_(0, place, weights)


def look_up(keys: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """The value of each wanted key, 0 where it is missing; keys are sorted."""
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return values[place] * (keys[place] == wanted)


class KneserNey:
    """Interpolated Kneser–Ney n-grams over codes, with one discount d (Kneser and Ney 1995).

    With c the counts of n-grams at the highest order and, below it, of distinct symbols seen before:

        p(s | v) = [max(c(vs) − d, 0) + d · |{s : c(vs) > 0}| · p(s | v without its first symbol)] / c(v·)

    from 1 / symbols for no context at all; an unseen context leaves it to the shorter one. What is predicted
    is that to the power of `exponent`, normalised.
    """

    exponent = 1.0

    def __init__(self, strings: Tensor, order: int, symbols: int) -> None:
        self.order, self.symbols = order, symbols
        self.tables = []
        grams, counts = tally(self.codes(strings.unfold(1, order, 1).flatten(0, 1)))
        for length in range(order, 0, -1):
            context = grams.div(symbols, rounding_mode="floor")
            self.tables.append((grams, counts, *tally(context, counts), tally(context)[1]))
            if length > 1:
                grams, counts = tally(grams % symbols ** (length - 1))
        self.tables.reverse()

    def codes(self, grams: Tensor) -> Tensor:
        """One number for each row of symbols `(cases, length)`."""
        powers = self.symbols ** torch.arange(grams.shape[1] - 1, -1, -1)
        return (grams * powers).sum(1)

    def probabilities(self, contexts: Tensor) -> Tensor:
        """p of every next symbol `(cases, symbols)` after contexts `(cases, at least order − 1)`."""
        p = torch.full((len(contexts), self.symbols), 1 / self.symbols, dtype=torch.float64)
        for length, (grams, counts, keys, totals, types) in enumerate(self.tables):
            context = self.codes(contexts[:, contexts.shape[1] - length :])
            total = look_up(keys, totals, context)[:, None].double()
            left = DISCOUNT * look_up(keys, types, context)[:, None]
            seen = look_up(grams, counts, context[:, None] * self.symbols + torch.arange(self.symbols))
            better = ((seen - DISCOUNT).clamp_min(0) + left * p) / total.clamp_min(1)
            p = torch.where(total > 0, better, p)
        return p

    def predictions(self, contexts: Tensor) -> Tensor:
        """log p of every next symbol `(cases, symbols)` after contexts `(cases, at least order − 1)`."""
        return tempered(self.probabilities(contexts).log(), self.exponent)

    def cases(self, strings: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """The contexts of all characters from `start` on, and these; start ≥ order − 1."""
        contexts = strings[:, start + 1 - self.order :].unfold(1, max(1, self.order - 1), 1)
        following = strings[:, start:]
        return contexts[:, : following.shape[1]].flatten(0, 1), following.flatten()

    def log_likelihood(self, strings: Tensor, start: int) -> Tensor:
        """log p of every character from `start` on, `(strings, length − start)`; start ≥ order − 1."""
        blocks = zip(*(part.split(BLOCK) for part in self.cases(strings, start)), strict=True)
        found = [self.predictions(context).gather(1, came[:, None]) for context, came in blocks]
        return torch.cat(found).view(strings[:, start:].shape)

    def calibrated(self, strings: Tensor, start: int) -> "KneserNey":
        """The same counts, with the exponent that makes the characters of held-out strings likeliest, the
        first of them: see `fit_exponents`."""
        most = most_characters(1, self.symbols)
        contexts, following = (part[:most] for part in self.cases(strings, start))
        log_p = torch.cat([self.probabilities(block).log() for block in contexts.split(BLOCK)])
        found = copy.copy(self)
        (found.exponent,) = fit_exponents(log_p[:, None], following, torch.ones(1)).tolist()
        return found


def unigram_log_likelihood(train: Tensor, strings: Tensor, start: int, symbols: int) -> Tensor:
    """log p of every character from `start` on, by how often each symbol occurs, one added to every count."""
    count = torch.bincount(train.flatten(), minlength=symbols).double() + 1
    return (count / count.sum()).log()[strings[:, start:]]


def best_kneser_ney(train: Tensor, validation: Tensor, start: int, symbols: int) -> KneserNey:
    """The Kneser–Ney model of the order, 2 to 9, that predicts the validation strings best."""
    models = (KneserNey(train, order, symbols) for order in range(2, min(9, start) + 1))  # one by one
    return max(models, key=lambda model: model.log_likelihood(validation, start).mean().item())
