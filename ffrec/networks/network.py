"""What every network is: an encoding of its input, steps with candidates, layers, and a softmax that reads
them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor, nn

from ffrec.config import ConfigError, LayerConfig
from ffrec.learning.arithmetic import Weighted
from ffrec.learning.connection import Connection
from ffrec.learning.goodness import Blocks, Goodness, Minus
from ffrec.learning.layer import Layer
from ffrec.learning.objective import Objective
from ffrec.learning.transform import Standardise, Transform
from ffrec.learning.update import Buffers, Measured, Step, local_update
from ffrec.networks.readout import Readout
from ffrec.registry import pick


@dataclass(frozen=True)
class Encoding:
    """What does not depend on a candidate: computed once for all labels that are tried."""

    input: Tensor
    """What enters the network: normalised images `(batch, frames or twins, inputs)`, or codes of characters
    `(batch, 1, positions)`."""
    drive: Mapping[int, Tensor]
    """Bias and the input's contribution to the layers' total input, `(batch, 1, units)`, by level."""
    step: Step
    """One bottom-up pass, without a label or with the neutral one."""


class Classifier(nn.Module, ABC):
    """A network that encodes its input, and whose softmax reads features of the encoding."""

    classes: int
    batch: int = 500
    """Cases evaluated together: bounds memory, and changes no result."""
    readout: nn.Module
    layers: nn.ModuleList
    scored: tuple[int, ...] = ()
    """Levels whose goodness scores a candidate; none if only the softmax predicts."""
    turn: int = 0
    """Which level's turn it is to learn; 0: that of all."""

    @abstractmethod
    def encode(self, x: Tensor) -> Encoding:
        """What x does to the network before any candidate is tried."""

    @abstractmethod
    def features(self, encoding: Encoding) -> Tensor:
        """What the softmax reads, `(batch, features)`."""

    def logits(self, encoding: Encoding) -> Tensor:
        """Of the one-pass softmax, `(batch, classes)`."""
        logits: Tensor = self.readout(self.features(encoding))
        return logits

    def advance(self, done: float) -> None:
        """Heed that this share of the updates, from 0 to 1, is done: layers may learn in turn."""
        del done

    def logits_apart(self, encoding: Encoding) -> tuple[Tensor, ...]:
        """Those of each network by itself, where several are joined; none of a single one."""
        del encoding
        return ()


class Local(Classifier):
    """A network whose layers learn locally, each by a loss of its own; its levels are numbered from 1."""

    levels: range

    def compute_in(self, dtype: torch.dtype | None) -> Self:
        """Compute all products in this type, whatever the weights are learnt in; None: in theirs.

        Whoever changes weights while products are in another type calls `recast`.
        """
        for module in self.weighted:
            module.arithmetic = dtype
        self.recast()
        return self

    def recast(self) -> None:
        """The weights have changed: cast them anew, once, when they are next needed."""
        for module in self.weighted:
            module.stale = True

    @property
    def weighted(self) -> Iterator[Weighted]:
        """The softmax, or several, and all connections."""
        yield from (module for module in self.readout.modules() if isinstance(module, Weighted))
        for level in self.levels:
            layer = self.layer(level)
            yield from (layer.connection(source) for source in layer.sources)

    @property
    def dtype(self) -> torch.dtype:
        """What products take and make."""
        return next(self.weighted).dtype

    def layer(self, level: int) -> Layer:
        """The hidden layer at a level."""
        layer = self.layers[level - 1]
        assert isinstance(layer, Layer)  # for the type checker: ModuleList forgets the class
        return layer

    @contextmanager
    def perturbed(
        self, perturb: Transform | None, drops: Mapping[int, Transform] = MappingProxyType({})
    ) -> Iterator[None]:
        """Within the block `perturb` changes what every hidden layer sends, and `drops` leave out units of
        layers that heed them, by level; None changes nothing."""
        for level in self.levels:
            self.layer(level).perturb, self.layer(level).drop = perturb, drops.get(level)
        try:
            yield
        finally:
            for level in self.levels:
                self.layer(level).perturb = self.layer(level).drop = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """Within the block images are learnt from: moments that something is standardised by follow them."""
        found = [module for module in self.modules() if isinstance(module, Standardise)]
        for module in found:
            module.following = True
        try:
            yield
        finally:
            for module in found:
                module.following = False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the hidden layers; those of the softmax are set anew anyway."""
        self.layers.zero_grad(set_to_none)


class Network(Local):
    """A network of layers that learn locally. Levels are numbered from the input (0) to the last hidden
    layer.

    A subclass builds its layers with `make_layer`, and says how it encodes and steps.
    """

    def __init__(self, config: LayerConfig, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.levels = range(1, len(config.hidden) + 1)
        self.layers = nn.ModuleList()
        self.workspace = Buffers()
        self.readout: Readout

    def make_layer(
        self, level: int, connections: Mapping[str, Connection], generator: torch.Generator
    ) -> Layer:
        """The layer of a level, with the goodness, objective and activation that the configuration names.

        Raises ConfigError if an objective over classes finds no goodness for every class.
        """
        config, units = self.config, next(iter(connections.values())).units
        goodness = self.make_goodness(level, units, generator)
        chosen = pick("objective", config.objective)
        objective: Objective = chosen.for_layer(config.thresholds[level - 1], config.sharpnesses[level - 1])
        parts = tuple(goodness.value(torch.zeros(1, units)).shape[1:])
        if objective.compete == "parts" and parts != (self.classes,):
            raise ConfigError(
                f"objective {config.objective}: expected a goodness for each of {self.classes} classes, "
                f"found parts {parts}: give goodness=scores, or blocks={self.classes}"
            )
        return Layer(
            connections,
            goodness,
            objective,
            pick("activation", config.activation),
            context=config.context,
            peer=config.peer,
            centring=config.centring,
            scaling=config.scaling,
        )

    def make_goodness(self, level: int, units: int, generator: torch.Generator) -> Goodness:
        """The goodness of a level of so many units that the configuration names."""
        goodness: Goodness = pick("goodness", self.config.goodness).for_layer(units, self.classes, generator)
        if self.config.activity == "min":
            goodness = Minus(goodness)
        return (
            goodness if self.config.blocks == 1 else Blocks(goodness, self.config.blocks, self.places(level))
        )

    def places(self, level: int) -> int:
        """How many places the units of a level lie at; 1, if they have none."""
        del level
        return 1

    @property
    def iterations(self) -> int:
        """Steps that an evaluation runs to show all that the network does."""
        return 1

    @property
    def window(self) -> tuple[int, int]:
        """First and last step whose goodness, averaged, scores a candidate."""
        return (1, 1)

    @property
    def loss_steps(self) -> tuple[int, int]:
        """First and last step that the layers learn from."""
        return (1, 1)

    @abstractmethod
    def steps(self, encoding: Encoding, candidates: Tensor, count: int) -> Iterator[Step]:
        """Run `count` steps with candidate labels `(batch, candidates)`, one after another."""

    def learn(self, encoding: Encoding, candidates: Tensor | None, target: Tensor) -> Measured:
        """Add to the gradients of all layers what one update teaches: `local_update` over the `loss_steps`.

        Without candidates the layers learn from the encoding's own pass.
        """
        if candidates is None:
            return self.learn_step(encoding.step, target)
        first, last = self.loss_steps
        layers = {level: self.layer(level) for level in self.levels}
        steps = islice(self.steps(encoding, candidates, last), first - 1, None)
        return local_update(layers, steps, target, last - first + 1, self.workspace)

    def learn_step(self, step: Step, target: Tensor) -> Measured:
        """Add to the gradients of all layers what a single step teaches."""
        layers = {level: self.layer(level) for level in self.levels}
        return local_update(layers, [step], target, buffers=self.workspace)

    def label_score(self, level: int, step: Step, candidates: Tensor) -> Tensor:
        """What one layer makes of each candidate label `(batch, candidates)` in one step: its goodness."""
        return self.layer(level).goodness_of(step.activities[level]).expand(candidates.shape)

    def scores(self, step: Step, candidates: Tensor) -> Tensor:
        """`label_score` of each candidate label `(batch, candidates)`, summed over the `scored` levels."""
        return torch.stack([self.label_score(level, step, candidates) for level in self.scored]).sum(0)

    def mean_goodness(self, step: Step) -> Tensor:
        """Of every layer, over the batch, for each candidate: `(layers, candidates)`."""
        found = [self.layer(level).goodness_of(h).mean(0) for level, h in step.activities.items()]
        return torch.stack([goodness.expand(step.candidates) for goodness in found])
