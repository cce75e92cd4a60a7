"""Gradients travel while the next layer computes; each process steps a part of the weights for all."""

from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ffrec.parallel.sharing import Sharing
from ffrec.parallel.team import Team

LARGE = 2**17  # weights of a tensor that is cut into shards; smaller ones travel together
ELEMENTWISE = frozenset(
    ("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
)
"""Optimisers of torch that step every weight by itself."""


class Shards(Sharing):
    """One gradient over all processes: Σ over them of share · (mean over own cases).

    A large weight matrix is cut into a shard for each process. As soon as its gradient is complete, every
    process sends every other one the part that is the other's, and adds what it receives to its own, in the
    order of ranks; it steps its own shard alone, and sends it to all. So the optimiser's work is divided, its
    state is too, and all processes hold the same bits (Rajbhandari et al. 2020, stage 2). Small tensors are
    summed in one message and stepped everywhere. `whole`: no shards, as something needs the whole gradient.
    """

    def __init__(self, team: Team, whole: bool = False, wire: torch.dtype | None = None) -> None:
        self.team, self.cut, self.wire = team, not whole, wire
        """`wire`: the type in which gradients of shards travel, if not their own."""
        self.shards: dict[nn.Parameter, nn.Parameter] = {}
        self.tags: dict[nn.Parameter, int] = {}
        self.received: dict[nn.Parameter, Tensor] = {}
        self.small: list[nn.Parameter] = []
        self.travelling: list[tuple[nn.Parameter, list[Any]]] = []
        self.sent: list[Tensor] = []
        self.returning: list[Any] = []
        self.stepped: list[nn.Parameter] = []

    def mean(self, value: Tensor) -> Tensor:
        return self.team.sum_(value * self.share)

    def sum(self, value: Tensor) -> Tensor:
        return self.team.sum_(value.clone() if self.share else torch.zeros_like(value))

    def bounds(self, parameter: Tensor) -> list[int]:
        """Where shards begin in the flat tensor, and where the last one ends."""
        count, world = parameter.numel(), self.team.world
        return [rank * count // world for rank in range(world + 1)]

    def place(self, parameter: Tensor) -> slice:
        """Where this process's shard lies in the flat tensor."""
        return slice(*self.bounds(parameter)[self.team.rank :][:2])

    def own(self, parameter: nn.Parameter) -> nn.Parameter:
        """Its shard, which is a view of the parameter, or all of a small one."""
        if not self.cut or parameter.numel() < LARGE:
            return parameter
        if parameter not in self.shards:
            shard = nn.Parameter(parameter.data.view(-1)[self.place(parameter)], requires_grad=False)
            self.shards[parameter], self.tags[parameter] = shard, len(self.tags)
            shape, dtype = (self.team.world - 1, len(shard)), self.wire or shard.dtype
            self.received[parameter] = torch.empty(shape, dtype=dtype, device=shard.device)
        return self.shards[parameter]

    def ready(self, module: nn.Module) -> None:
        for parameter in module.parameters():
            if parameter.grad is None:
                continue
            if parameter.numel() < LARGE:
                self.small.append(parameter)
            elif parameter in self.shards:
                self.travelling.append((parameter, self.send(parameter, parameter.grad.view(-1))))
            else:
                self.travelling.append((parameter, [dist.all_reduce(parameter.grad, async_op=True)]))

    def send(self, parameter: nn.Parameter, grad: Tensor) -> list[Any]:
        """Start a gradient on its way: every process gets the parts that belong to its shard."""
        received = self.received[parameter]
        exchanged: list[dist.P2POp] = []
        for rank, (first, last) in enumerate(pairwise(self.bounds(parameter))):
            if rank != self.team.rank:
                part, into = grad[first:last].to(received.dtype), received[rank - (rank > self.team.rank)]
                exchanged.append(dist.P2POp(dist.isend, part, rank, tag=self.tags[parameter]))
                exchanged.append(dist.P2POp(dist.irecv, into, rank, tag=self.tags[parameter]))
        self.sent += [op.tensor for op in exchanged]  # what travels stays in memory
        return dist.batch_isend_irecv(exchanged)

    def finish(self) -> None:
        grads = [parameter.grad for parameter in self.small if parameter.grad is not None]
        if grads:
            flat = self.team.sum_(torch.cat([grad.view(-1) for grad in grads]))
            for grad, found in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
                grad.copy_(found.view_as(grad))
        for shard in self.shards.values():
            shard.grad = None  # of what has no gradient now, the optimiser leaves the shard alone too
        for parameter, works in self.travelling:
            for work in works:
                work.wait()
            if parameter in self.shards and parameter.grad is not None:
                total = parameter.grad.view(-1)[self.place(parameter)]
                for part in self.received[parameter]:
                    total += part
                self.shards[parameter].grad = total
        self.stepped = [parameter for parameter, _ in self.travelling if parameter in self.shards]
        self.small, self.travelling, self.sent = [], [], []

    def spread(self) -> None:
        """Start the shards on their way to all processes."""
        for parameter in self.stepped:
            flat, own, tag = parameter.data.view(-1), self.place(parameter), self.tags[parameter]
            exchanged: list[dist.P2POp] = []
            for rank, (first, last) in enumerate(pairwise(self.bounds(parameter))):
                if rank != self.team.rank:
                    exchanged.append(dist.P2POp(dist.isend, flat[own], rank, tag=tag))
                    exchanged.append(dist.P2POp(dist.irecv, flat[first:last], rank, tag=tag))
            self.returning += dist.batch_isend_irecv(exchanged)

    def settle(self) -> None:
        for work in self.returning:
            work.wait()
        self.returning = []

    def whole_state(self, optimiser: torch.optim.Optimizer) -> Any:
        state = optimiser.state_dict()
        for number, held in state["state"].items():
            parameter = self.parameters(optimiser)[number]
            if parameter in self.shards:
                state["state"][number] = {name: self.joined(parameter, v) for name, v in held.items()}
        return state

    def load_whole(self, optimiser: torch.optim.Optimizer, state: Any) -> None:
        parameters, own = self.parameters(optimiser), {}
        for number, held in state["state"].items():
            own[number] = {name: self.cut_out(parameters[number], value) for name, value in held.items()}
        optimiser.load_state_dict(state | {"state": own})

    def parameters(self, optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
        """The network's parameters in the order of the optimiser's."""
        whole = {shard: parameter for parameter, shard in self.shards.items()}
        return [whole.get(p, p) for group in optimiser.param_groups for p in group["params"]]

    def joined(self, parameter: nn.Parameter, value: Any) -> Any:
        """A value of the optimiser's state, of all shards together if it has an entry for every weight."""
        if not isinstance(value, Tensor) or value.shape != self.shards[parameter].shape:
            return value
        every = value.new_zeros(parameter.numel())
        every[self.place(parameter)] = value
        return self.team.sum_(every).view_as(parameter)

    def cut_out(self, parameter: nn.Parameter, value: Any) -> Any:
        """Of a value of the whole state, the part of this process's shard."""
        if parameter not in self.shards or not isinstance(value, Tensor) or value.shape != parameter.shape:
            return value
        return value.reshape(-1)[self.place(parameter)].clone()
