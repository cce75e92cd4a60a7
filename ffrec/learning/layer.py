"""A layer: connections in, activities out, and what its goodness and objective make of them."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ffrec.learning.activation import Activation, relu
from ffrec.learning.arithmetic import wide
from ffrec.learning.connection import Connection
from ffrec.learning.exchange import ALONE, Exchange
from ffrec.learning.goodness import Goodness, MeanSquare
from ffrec.learning.midpoint import Midpoint
from ffrec.learning.objective import Logistic, Objective
from ffrec.learning.transform import Direction, Standardise, Transform
from ffrec.registry import PluginError

Context = Literal["own", "below", "all"]


class Layer(nn.Module):
    """h = act(Σₛ xₛ Wₛ + b), over the sources s; it sends transform(n(h)), n being the goodness's
    normalisation; standardised, if `standardise` says so.

    `connections` has a connection for every source, by name. `context` says whose goodness the loss sees: the
    layer's own, that of the layers below it too, or that of all layers; that of others is held fixed.
    `peer`, `centring` and `scaling` are described where they act: `follow_peers`, `add_grads`, `rescale`.
    """

    exchange: Exchange = ALONE
    """With the processes that learn from other parts of a batch."""
    drop: Transform | None = None
    """What says of activities by which factors `(batch, 1, units)` they are multiplied: 0 where a unit is
    left out; None while nothing is learnt."""
    learns: bool = True
    """Whether an update changes the layer; where layers learn in turn, that of one at a time."""
    perturb: Transform | None = None
    """What adds noise to all that the layer sends; None while nothing is learnt."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        goodness: Goodness | None = None,
        objective: Objective | None = None,
        activation: Activation = relu,
        transform: Transform | None = None,
        context: Context = "own",
        peer: float = 0.0,
        centring: bool = False,
        scaling: float = 0.0,
        standardise: Standardise | Direction | None = None,
    ) -> None:
        super().__init__()
        if len({connection.units for connection in connections.values()}) != 1:
            found = {source: connection.units for source, connection in connections.items()}
            raise ValueError(f"connections: expected some, all to the same number of units, found {found}")
        self.connections = nn.ModuleDict(dict(connections))
        first = next(iter(connections.values()))
        self.units, self.sources = first.units, tuple(connections)
        self.goodness, self.objective = goodness or MeanSquare(), objective or Logistic(1.0, 30.0)
        self.activation, self.transform, self.context = activation, transform, context
        self.standardise = standardise
        self.peer, self.centring, self.scaling = peer, centring, scaling
        self.bias = nn.Parameter(torch.zeros(first.bias_units), requires_grad=False)
        self.register_buffer("running_mean", torch.full((self.units,), 0.5))
        self.running_mean: Tensor
        self.source_midpoints = nn.ModuleDict()
        for source, connection in connections.items() if centring else ():
            labelled = "label" in connections and source != "label"
            labels = [connections["label"].source_units] if labelled else []
            self.source_midpoints[source] = Midpoint(*labels, connection.source_units)
        self.goodness_midpoint = Midpoint() if scaling else None

    def connection(self, source: str) -> Connection:
        """How a source reaches this layer."""
        connection = self.connections[source]
        assert isinstance(connection, Connection)  # for the type checker: ModuleDict forgets the class
        return connection

    def add_input(self, source: str, x: Tensor, onto: Tensor) -> Tensor:
        """onto + xₛ Wₛ: add what one source sends; leading axes broadcast."""
        connection = self.connection(source)
        try:
            sent: Tensor = connection(x)
        except RuntimeError as error:
            if connection.dtype == connection.weight.dtype or "dtype" not in str(error):
                raise
            raise PluginError(
                f"connection {type(connection).__name__}: expected products with self.working, which are "
                f"{connection.dtype}, found others ({error}): use that, or --precision fp32"
            ) from None
        return sent.add_(onto) if sent.numel() >= onto.numel() else sent + onto

    def unit_bias(self) -> Tensor:
        """The bias of every unit, `(units,)`, in the type of the products."""
        shared, bias = self.units // len(self.bias), self.bias.to(self.connection(self.sources[0]).dtype)
        return bias if shared == 1 else bias.repeat(shared)

    def forward(self, inputs: Mapping[str, Tensor] | Tensor) -> Tensor:
        """Activities `(..., units)` of what every source sends, `(..., source units)`; of one tensor, if
        there is one source."""
        if isinstance(inputs, Tensor):
            inputs = {self.sources[0]: inputs}
        total = self.unit_bias()
        for source in self.sources:
            total = self.add_input(source, inputs[source], total)
        return self.activation(total)[0]

    def activate(self, total: Tensor) -> tuple[Tensor, Tensor | None]:
        """Activities of a total input `(batch, candidates, units)`, which may be overwritten, and their
        slope: `activation`, with units left out while the layer learns."""
        h, slope = self.activation(total)
        if self.drop is None:
            return h, slope
        factor = self.drop(h)
        return h.mul_(factor), factor if slope is None else slope * factor

    def send(self, h: Tensor) -> Tensor:
        """What the layer sends on: its normalised activities, transformed and standardised, and perturbed
        while it learns."""
        x = self.goodness.normalise(h)
        x = x if self.transform is None else self.transform(x)
        x = x if self.standardise is None else self.standardise(x, self.exchange)
        return x if self.perturb is None else self.perturb(x)

    def seen(self, h: Tensor) -> Tensor:
        """Activities as the goodness takes them."""
        return h if self.goodness.takes_bfloat16 else h.to(wide(h.dtype))

    def goodness_of(self, h: Tensor) -> Tensor:
        """Goodness `(...)` of activities `(..., units)`: the mean over parts that have one each."""
        goodness = self.goodness.value(self.seen(h))
        return goodness if goodness.ndim < h.ndim else goodness.mean(-1)

    def follow_peers(self, h: Tensor, signs: Tensor) -> Tensor:
        """Peer normalisation: let the running means follow a step's activities `(batch, candidates, units)`
        of positive candidates, a tenth a step, and return what is added to their δ, per case, `(units,)`:

            −peer · (mean of the units' running means − own running mean),

        rectifier on or off, so that dead units revive. Source: Hinton 2022, note 9.
        """
        positive = (signs > 0).to(self.running_mean.dtype).expand(h.shape[:2])
        count = positive.sum()
        mean = torch.einsum("bkn,bk->n", h.to(positive.dtype), positive) / count.clamp_min(1)
        mean = self.exchange.mean(mean)
        self.running_mean.lerp_(torch.where(count > 0, mean, self.running_mean), 0.1)
        return self.peer * (self.running_mean - self.running_mean.mean())

    def add_grads(self, source: str, x: Tensor, delta: Tensor, sign: Tensor, labels: Tensor | None) -> None:
        """Add xₛᵀ δ to the gradient of one connection; rows are cases `(rows, units)`.

        With centring x counts from the midpoint between positive and negative data, so that what all cases
        share teaches nothing: over cases of both kinds xᵀ δ is a covariance. The midpoint follows x and
        `sign`, the mean sign of the cases. A layer with a source called label has a midpoint for each label:
        rows with `labels` `(rows,)` count from what all cases with the same label share.
        """
        connection = self.connection(source)
        if self.centring:
            midpoint = self.source_midpoints[source]
            assert isinstance(midpoint, Midpoint)
            x = connection.dense(x).to(midpoint.gap.dtype)
            if midpoint.gap.ndim == 1:
                x = x - midpoint(self.exchange.mean(x.mean(0)), sign)
            else:
                if labels is None:
                    raise ValueError(f"{source}: expected a label for every case, found none")
                means, seen = label_means(x, labels, midpoint.recent, self.exchange)
                x = x - midpoint(means, sign, seen)[labels]
            x = x.to(delta.dtype)
        connection.add_weight_grad(x, delta)

    def add_bias_grad(self, delta: Tensor) -> None:
        """Add Σ δ over cases `(rows, units)` to the gradient of the bias; with centring biases do not
        learn."""
        if self.bias.grad is None:
            self.bias.grad = torch.zeros_like(self.bias)
        if not self.centring:
            self.bias.grad += delta.sum(0).to(self.bias.dtype).view(-1, len(self.bias)).sum(0)

    def follow_goodness(self, goodness: Tensor, sign: Tensor) -> None:
        """Let the midpoint that `rescale` needs follow an update's mean goodness `()`."""
        if self.goodness_midpoint:
            self.goodness_midpoint(self.exchange.mean(goodness), sign)

    def rescale(self) -> None:
        """Synaptic scaling of weights and bias: W ← W (midpoint / θ)^(−scaling / 2), by √2 at most, with the
        midpoint between the goodness of positive and of negative data; a silent layer is left alone.

        Goodness that is quadratic in W goes that share of the way back to where the threshold is halfway
        between positive and negative data. Each unit of a rectified layer keeps the direction of its weights.
        """
        if self.goodness_midpoint and isinstance(self.objective, Logistic):
            midpoint = self.goodness_midpoint.now
            ratio = torch.where(midpoint == 0, 1.0, (midpoint / self.objective.threshold).clamp(0.5, 2.0))
            for parameter in self.parameters():
                parameter.mul_(ratio ** (-self.scaling / 2))


def label_means(
    x: Tensor, labels: Tensor, known: Tensor, exchange: Exchange = ALONE
) -> tuple[Tensor, Tensor]:
    """Mean of the rows of x `(rows, units)` with each label, `(classes, units)`, or what is `known` of it if
    there are none; and 1 for labels that there are, else 0, `(classes, 1)`."""
    seen = known.new_zeros(len(known)).index_add_(0, labels, known.new_ones(len(labels)))
    count = exchange.sum(seen).unsqueeze(1)
    total = exchange.sum(torch.zeros_like(known).index_add_(0, labels, x))
    return torch.where(count > 0, total / count.clamp(min=1), known), (count > 0).to(x.dtype)
