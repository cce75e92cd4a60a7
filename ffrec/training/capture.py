"""Updates as CUDA graphs: the device repeats a recorded update without waiting for Python."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from ffrec.config import ConfigError
from ffrec.data.draws import Draws
from ffrec.learning.update import Buffers
from ffrec.networks.network import Classifier, Network
from ffrec.training.optimiser import capturable
from ffrec.training.phases import Phase

Work = Callable[[Tensor, Phase], Tensor]
"""What an update makes a device do with the cases at an index, `(batch,)`, in a phase; returns what was
measured."""

Kind = tuple[str, Phase, int]
"""Name of the work, phase, and the level whose turn it is."""

WARM = 3  # times that work is done as it is before it is recorded: libraries and memory are then in place


class Graph(Protocol):
    """Work that is recorded once and repeated at will, on the same tensors."""

    def warm(self, work: Callable[[], Tensor]) -> Tensor:
        """Do the work as it is, where recording is to take place."""

    def record(self, work: Callable[[], Tensor]) -> None:
        """Record the work; this does not do it."""

    def replay(self) -> Tensor:
        """Do the recorded work; returns the tensor it made, which the next replay overwrites."""


class CudaGraph:
    """A `Graph` of torch.cuda. Chance needs no care: its key is a tensor that `Draws.begin` fills."""

    def __init__(self) -> None:
        self.graph = torch.cuda.CUDAGraph()

    def warm(self, work: Callable[[], Tensor]) -> Tensor:
        side = side_stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            made = work()
        torch.cuda.current_stream().wait_stream(side)
        return made

    def record(self, work: Callable[[], Tensor]) -> None:
        with torch.cuda.graph(self.graph):
            self.made = work()

    def replay(self) -> Tensor:
        self.graph.replay()
        return self.made


@cache
def side_stream() -> torch.cuda.Stream:
    """The one stream that work is done on before it is recorded: its memory is used again."""
    return torch.cuda.Stream()


class Captured:
    """Work on batches as graphs: one for each kind of work, recorded after a few times.

    The index of the batch is copied into a tensor that stays where it is. A batch of another size, as the
    last one of an epoch may be, is worked on as it is.
    """

    def __init__(self, network: Classifier, draws: Draws, batch: int, make: Callable[[], Graph]) -> None:
        self.network, self.draws, self.make = network, draws, make
        self.index = torch.zeros(batch, dtype=torch.long, device=draws.device)
        self.done: Counter[Kind] = Counter()
        self.graphs: dict[Kind, Graph] = {}
        self.drawn: dict[Kind, int] = {}
        """How many draws of the update are done after each graph: what follows goes on from there."""
        self.workspaces: list[Buffers] = []
        """What the graphs write into: kept for as long as they are."""

    def __call__(self, work: Work, index: Tensor, phase: Phase) -> Tensor:
        if len(index) != len(self.index):
            return work(index, phase)
        kind = (getattr(work, "__name__", repr(work)), phase, self.network.turn)
        if self.done[kind] < WARM:
            self.done[kind] += 1
            return self.make().warm(lambda: work(index, phase))
        self.index.copy_(index)
        if kind not in self.graphs:
            self.graphs[kind] = self.recorded(work, phase)
            self.drawn[kind] = self.draws.count
        measured, self.draws.count = self.graphs[kind].replay(), self.drawn[kind]
        if isinstance(self.network, Network):
            self.network.recast()  # as the graph changed weights, or only recorded their cast
        return measured

    def recorded(self, work: Work, phase: Phase) -> Graph:
        """A new graph of the work. It writes into a workspace of its own, as that of the network is given up
        when a batch has another size."""
        graph, network = self.make(), self.network
        if not isinstance(network, Network):
            graph.record(lambda: work(self.index, phase))
            return graph
        network.recast()  # every graph casts the weights itself
        held, network.workspace = network.workspace, Buffers()
        self.workspaces.append(network.workspace)
        try:
            graph.record(lambda: work(self.index, phase))
        finally:
            network.workspace = held
        return graph


def check_capture(device: torch.device, optimiser: str, processes: int = 1) -> None:
    """Raise ConfigError if updates on this device, with this optimiser, or of several processes, cannot be
    CUDA graphs."""
    if processes > 1:
        raise ConfigError(f"capture: expected one process, found {processes}: leave --capture out")
    if device.type != "cuda":
        raise ConfigError(f"capture: expected --device cuda, found {device.type}: leave --capture out")
    kind = getattr(torch.optim, optimiser, None)
    if not isinstance(kind, type) or not capturable(kind):
        raise ConfigError(
            f"capture: expected an optimiser with the option capturable, found {optimiser}: choose AdamW"
        )
