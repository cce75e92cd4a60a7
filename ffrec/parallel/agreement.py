"""All processes hold the same bits, or the run stops."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ffrec.parallel.team import Team


class Disagreement(Exception):
    """Weights differ between processes; the message names the layer."""


def fingerprint(module: nn.Module) -> Tensor:
    """A number `()` that changes with any bit of a module's weights and running means, but for collisions:
    Σ over 32-bit words of word · (2 place + 1), modulo 2⁶⁴."""
    total = torch.zeros((), dtype=torch.int64)
    for value in module.state_dict().values():
        words = value.detach().contiguous().view(-1).view(torch.int32).long()
        total = (
            total.to(words.device) + (words * torch.arange(1, 2 * len(words), 2, device=words.device)).sum()
        )
        total = total * 31 + len(words)
    return total


def check_agreement(team: Team, parts: dict[str, nn.Module]) -> None:
    """Raise Disagreement, naming the first part whose bits differ, unless all processes hold the same."""
    if team.world == 1:
        return
    own = torch.stack([fingerprint(part).cpu() for part in parts.values()])
    every = [torch.empty_like(own) for _ in range(team.world)]
    dist.all_gather(every, own)
    for place, name in enumerate(parts):
        odd = [rank for rank, found in enumerate(every) if found[place] != every[0][place]]
        if odd:
            raise Disagreement(
                f"{name}: expected the same bits on all processes, found others on process {odd[0]} than on "
                "process 0: --resume goes on from the last checkpoint"
            )
