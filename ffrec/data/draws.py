"""Random numbers that belong to the cases of a batch: functions of seed, update, draw and place."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio: the step of SplitMix64's counter
DELTA = 0xD1342543DE82EF95  # another odd number without a pattern: the step from case to case
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def scrambled(number: int) -> int:
    """A number of 64 bits with every bit spread over all others: the output function of SplitMix64.

    Source: Steele, Lea and Flood 2014 (with variant 13 of Stafford).
    """
    for shift, factor in ROUNDS:
        number = (number ^ (number >> shift)) * factor & MASK
    return number


def hashed(*numbers: int) -> int:
    """One number of 64 bits from several."""
    found = 0
    for number in numbers:
        found = scrambled((found + number + GAMMA) & MASK)
    return found


def signed(number: int) -> int:
    """The int64 that has the same 64 bits."""
    return number - 2**64 if number >> 63 else number


class Draws:
    """Random numbers for the cases of one batch after another.

    Bits are hashed from a counter, without a state (Salmon et al. 2011): word j of draw n of a case is

        scrambled(κ + n′ + place · δ + j · γ),    κ = hashed(seed, update, stream), n′ = hashed(n),

    with odd numbers γ and δ. So they depend neither on which other cases this process has, nor on the device.
    The first axis of every shape is the cases that `begin` announced, or several rows for each of them, one
    case after another. Before `begin` it is update 0, of as many cases as are asked for. All arithmetic is on
    the device: a captured update draws anew once `begin` has changed κ.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed, self.device = seed, torch.device(device)
        self.key = torch.zeros((), dtype=torch.int64, device=self.device)
        self.numbers: dict[int | float, Tensor] = {}
        self.quantiles: dict[torch.dtype, Tensor] = {}
        """Of the normal distribution, `(65536,)`, its upper half first."""
        self.multiples: dict[tuple[int, int, int], Tensor] = {}
        self.gather: Callable[[Tensor], Tensor] = lambda values: values
        """From values `(cases,)` of this process's cases to those of the whole batch."""
        self.begin(0)

    def begin(self, update: int, cases: int | None = None, first: int = 0, stream: int = 0) -> None:
        """Draw from now on for an update's cases, the first of which is at place `first` in the batch.

        `stream` tells apart what is drawn in one update for different sets of cases.
        """
        self.key.fill_(signed(hashed(self.seed, update, stream)))
        self.cases, self.first, self.count = cases, first, 0

    def number(self, value: int | float) -> Tensor:
        """A number as a tensor `()` on the device: on a CPU three times as fast as one of Python's."""
        if value not in self.numbers:
            self.numbers[value] = torch.tensor(value, device=self.device)
        return self.numbers[value]

    def counted(self, step: int, first: int, count: int) -> Tensor:
        """`count` multiples of a step, from `first` times it on: `(count,)`."""
        if (step, first, count) not in self.multiples:
            numbers = torch.arange(first, first + count, device=self.device)
            self.multiples[step, first, count] = numbers.mul_(signed(step))
        return self.multiples[step, first, count]

    def bits(self, cases: int, first: int, words: int) -> Tensor:
        """The next draw: random integers of 64 bits, `(cases, words)`."""
        self.count += 1
        salted = self.key + self.number(signed(hashed(self.count)))
        z = (self.counted(DELTA, first, cases) + salted).unsqueeze(1) + self.counted(GAMMA, 0, words)
        high = torch.empty_like(z)
        for shift, factor in ROUNDS:
            torch.bitwise_right_shift(z, self.number(shift), out=high)
            z ^= high.bitwise_and_(self.number(2 ** (64 - shift) - 1))  # an int64 shifts in its sign
            z = z.mul_(self.number(signed(factor))) if factor != 1 else z
        return z

    def integers_of(self, kind: torch.dtype, shape: Sequence[int]) -> Tensor:
        """Random integers of 16 or 32 bits, of a shape whose first axis is the cases or rows of them."""
        rows, each = shape[0], 8 // kind.itemsize
        cases = rows if self.cases is None else self.cases
        if cases < 1 or rows % cases:
            raise ValueError(f"draws: expected {cases} cases first, or rows for each of them, found {rows}")
        size = rows // cases
        for axis in shape[1:]:
            size *= axis
        bits = self.bits(cases, self.first, -(-size // each)).view(kind)
        return bits[:, :size].reshape(tuple(shape))

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Numbers above 0 and below 1, odd multiples of 2⁻²⁴, each as likely as any other."""
        high = self.integers_of(torch.int32, shape) >> self.number(9)
        whole = high.bitwise_and_(self.number(2**23 - 1)).float()
        return whole.add_(self.number(0.5)).mul_(self.number(2.0**-23))

    def exponential(self, shape: Sequence[int]) -> Tensor:
        """Numbers from the exponential distribution of mean 1, all of them above 0."""
        return self.uniform(shape).log_().neg_()

    def normal(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Numbers from the standard normal distribution: its 65,536 quantiles (k + ½) / 65,536, each as
        likely as any other, so that none is beyond ±4.4."""
        if dtype not in self.quantiles:
            k = torch.arange(-(2**15), 2**15, dtype=torch.float64, device=self.device) % 2**16
            self.quantiles[dtype] = torch.special.ndtri((k + 0.5) / 2**16).to(dtype)
        places = self.integers_of(torch.int16, shape).int().add_(self.number(2**15))  # int64 takes longer
        return self.quantiles[dtype].index_select(0, places.flatten()).view(places.shape)

    def integers(self, low: int, high: int, shape: Sequence[int]) -> Tensor:
        """Integers from `low` up to, but not with, `high`, each as likely as any other to a share of
        2⁻³² · (high − low)."""
        if not 0 < high - low <= 2**31:
            raise ValueError(f"draws: expected 1 to 2³¹ integers to choose from, found {high - low}")
        bits = self.integers_of(torch.int32, shape).long().bitwise_and_(self.number(2**32 - 1))
        return bits.mul_(self.number(high - low)).bitwise_right_shift_(self.number(32)).add_(low)

    def chance(self, share: float, shape: Sequence[int]) -> Tensor:
        """Whether something happens whose probability is `share`, to the nearest 2⁻¹⁶."""
        bits, below = self.integers_of(torch.int16, shape), round(share * 2**16) - 2**15
        return bits < below if below < 2**15 else torch.ones_like(bits, dtype=torch.bool)

    def shuffle(self, values: Tensor) -> Tensor:
        """The values `(cases,)` of the whole batch in random order: those that fall to this process."""
        whole = self.gather(values)
        order = self.bits(len(whole), 0, 1).flatten().argsort()
        start = self.first if len(whole) > len(values) else 0
        return whole[order[start : start + len(values)]]
