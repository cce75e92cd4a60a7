"""The midpoint between positive and negative data, where only one kind is seen at a time."""

import torch
from torch import Tensor, nn

MEAN_RATE, GAP_RATE = 0.2, 0.2  # how fast the running mean of a phase and the gap follow what is seen
FIRST = 4  # updates at the start of a phase that the gap is measured in


class Midpoint(nn.Module):
    """(E⁺[q] + E⁻[q]) / 2 of a quantity q, in a network that sees E⁺ in wake phases and E⁻ in sleep phases.

    In a wake phase only E⁺[q] is seen; the last E⁻[q] is that of older weights. The difference between the
    two changes more slowly than what they have in common, and where a phase begins both are seen with nearly
    the same weights. So, with q the mean over a batch, and q̂ its running mean at the end of the phase
    before,

        gap ← gap + 0.2 (± (q − q̂) − gap)    in the first 4 updates of a phase,    midpoint = q ∓ gap / 2,

    with the upper signs in a wake phase and the lower ones in a sleep phase. With both kinds in every batch
    the midpoint is their mean.
    """

    gap: Tensor
    recent: Tensor
    before: Tensor
    now: Tensor
    sign: Tensor
    updates: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        for name in ("gap", "recent", "before", "now"):
            self.register_buffer(name, torch.zeros(shape))
        for name in ("sign", "updates"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, mean: Tensor, sign: Tensor, seen: Tensor | float = 1.0) -> Tensor:
        """The midpoint, given the mean over a batch and the sign of its data: 1, −1, or 0 for both kinds.

        Where `seen` is 0, not 1, there was none, and the gap stays what it was.
        """
        turned = sign != self.sign  # conditions are tensors: nothing here waits for a GPU
        first = FIRST * (self.sign == 0)  # nothing came before: there is nothing to compare with
        self.before.copy_(torch.where(turned, self.recent, self.before))
        self.recent.copy_(torch.where(turned, mean, self.recent.lerp(mean, MEAN_RATE)))
        self.updates.copy_(torch.where(turned, first, self.updates) + 1)
        self.sign.copy_(sign)
        self.gap.lerp_(sign * (mean - self.before), GAP_RATE * (self.updates <= FIRST) * seen)
        return self.now.copy_(mean - sign / 2 * self.gap)
