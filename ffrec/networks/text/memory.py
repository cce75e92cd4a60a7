"""A fast-weight memory: it stores what followed each hidden state, and recalls by likeness."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

BLOCK = 1000  # states recalled together; bounds memory and changes no result


class Memory(nn.Module):
    """Hinton 2022 §9 (after Ba et al. 2016): fast weights that mimic a simplified transformer.

    Every stored state kⱼ (unit length, `(stored, units)`) is tied to the symbol sⱼ that followed. A state q
    recalls p(s) = Σⱼ exp(β q·kⱼ) [sⱼ = s] / Σⱼ exp(β q·kⱼ), with a floor so that no symbol is impossible.
    Nothing is learnt but `share`, the weight of that recall in the network's prediction, set by `weigh`.
    """

    FLOOR = 0.001  # share of the stored symbols' own frequencies in every recall

    def __init__(self, sharpness: float, symbols: int) -> None:
        super().__init__()
        self.sharpness, self.symbols = sharpness, symbols
        self.register_buffer("share", torch.tensor(0.5))
        self.share: Tensor
        self.register_buffer("keys", torch.empty(0, 0), persistent=False)
        self.register_buffer("following", torch.empty(0, symbols), persistent=False)
        self.keys: Tensor
        self.following: Tensor

    def store(self, states: Tensor, symbols: Tensor) -> None:
        """Keep states `(stored, units)`, scaled in place, and the symbols that followed `(stored,)`."""
        self.keys = states.div_(states.norm(dim=1, keepdim=True).clamp_min(1e-12))
        self.following = one_hot(symbols, self.symbols).to(states.dtype)

    @property
    def filled(self) -> bool:
        """Whether anything is stored."""
        return len(self.keys) > 0

    def forget(self) -> None:
        """Empty the memory."""
        self.keys, self.following = self.keys.new_empty(0, 0), self.following.new_empty(0, self.symbols)

    def recall(self, states: Tensor) -> Tensor:
        """log p of the next symbol `(batch, symbols)` after states `(batch, units)`."""
        queries = states / states.norm(dim=1, keepdim=True).clamp_min(1e-12)
        frequency = (self.following.sum(0) + 1) / (len(self.following) + self.symbols)
        recalled = []
        for block in queries.split(BLOCK):
            likeness = (block @ self.keys.T).mul_(self.sharpness).softmax(1)
            recalled.append((1 - self.FLOOR) * (likeness @ self.following) + self.FLOOR * frequency)
        return torch.cat(recalled).log()

    def mix(self, log_p: Tensor, recalled: Tensor) -> Tensor:
        """log((1 − share) p + share · recalled), all `(batch, symbols)`."""
        return torch.logaddexp(log_p + torch.log1p(-self.share), recalled + self.share.log())

    def weigh(self, log_p: Tensor, recalled: Tensor) -> None:
        """Set `share` to what makes held-out symbols likeliest: `best_share`."""
        self.share.copy_(best_share(log_p, recalled).clamp(1e-4, 1 - 1e-4))


def best_share(log_p: Tensor, other: Tensor, steps: int = 50) -> Tensor:
    """The share s, `()`, that makes what did follow likeliest under (1 − s) p + s · other: expectation
    maximisation of a mixture. Both arguments are log probabilities, `(cases,)`."""
    share = log_p.new_tensor(0.5)
    for _ in range(steps):
        theirs = other + share.log()
        share = (theirs - torch.logaddexp(theirs, log_p + torch.log1p(-share))).exp().mean()
    return share
