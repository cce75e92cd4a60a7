"""Twin networks: two of one shape, whose layers teach each other; or one that is compared with itself."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ffrec.config import AgreementConfig
from ffrec.learning.agreement import Agreement, agreement_update
from ffrec.learning.goodness import MeanSquare, normalise
from ffrec.learning.layer import Layer
from ffrec.learning.objective import ClassSoftmax
from ffrec.learning.scores import LearntScores
from ffrec.learning.update import Measured, Step
from ffrec.networks.network import Encoding, Local
from ffrec.networks.readout import BinaryReadout, Readout
from ffrec.registry import pick, register

READOUTS = {"softmax": Readout, "binary": BinaryReadout}


@register("network", "twin")
@register("network", "staged")
class Twin(Local):
    """hₗ = act(n(hₗ₋₁) Wₗ + bₗ) and p(class) = softmax(n(h_L) U + a), twice, with weights drawn anew.

    n(·) is normalisation, or nothing. Source: Gananath 2024. Layers are numbered from the image up, first
    those of the first network, then those of the second. What the two say together is the mean of their log
    probabilities.
    """

    config: AgreementConfig
    readout: nn.ModuleList

    def __init__(
        self, config: AgreementConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config, self.classes, self.depth = config, classes, len(config.hidden)
        self.agreement: Agreement = pick("agreement", config.agreement)(config.sharpness, config.margin)
        self.levels = range(1, config.networks * self.depth + 1)
        self.layers = nn.ModuleList(
            self.make_layer(*shape, generator)
            for _ in range(config.networks)
            for shape in zip((inputs, *config.hidden), config.hidden, strict=False)
        )
        read = sum(config.hidden[level - 1] for level in config.read)
        self.readout = nn.ModuleList(READOUTS[config.output](read, classes) for _ in range(config.networks))

    def make_layer(self, below: int, units: int, generator: torch.Generator) -> Layer:
        """A layer, with scores of its own for the classes if it learns from them."""
        connection = pick("connection", self.config.connection)(below, units, generator)
        scores = LearntScores(units, self.classes, generator) if self.config.scores else MeanSquare()
        activation = pick("activation", self.config.activation)
        return Layer({"below": connection}, scores, ClassSoftmax(1.0), activation)

    def numbers(self, network: int) -> range:
        """Of the layers of one network, counted from 0."""
        return range(network * self.depth + 1, (network + 1) * self.depth + 1)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Layers that are compared, level by level."""
        return list(zip(self.numbers(0), self.numbers(self.config.networks - 1), strict=True))

    @property
    def senders(self) -> set[int]:
        """The layers that send to another: not the last of each network."""
        return {number for number in self.levels if number % self.depth}

    def take(self, image: Tensor) -> Tensor:
        """An image `(..., pixels)` as the first layers take it."""
        if self.config.normalised:
            return normalise(image)
        return image / image.amax(-1, keepdim=True).clamp_min(torch.finfo(image.dtype).tiny)

    def encode(self, x: Tensor) -> Encoding:
        """A pass of both over `(batch, inputs)`, or over an image for each, `(batch, 2, inputs)`."""
        image = self.take(x if x.ndim == 3 else x.unsqueeze(1))
        step = Step({}, activities := {}, slopes := {})
        sent: dict[str, Tensor] = {}
        for network, view in enumerate(image.to(self.dtype).expand(-1, self.config.networks, -1).unbind(1)):
            below = view.unsqueeze(1)
            for number in self.numbers(network):
                layer, sent[str(number)] = self.layer(number), below
                total = layer.add_input("below", below, layer.unit_bias())
                activities[number], slopes[number] = layer.activation(total)
                if number in self.senders:
                    below = layer.send(activities[number]) if self.config.normalised else activities[number]
        return Encoding(image, {}, step._replace(inputs=sent))

    def features_apart(self, encoding: Encoding) -> Iterator[Tensor]:
        """What each network's softmax reads, `(batch, features)`."""
        for network in range(self.config.networks):
            read = [self.numbers(network)[level - 1] for level in self.config.read]
            activities = [(number, encoding.step.activities[number][:, 0]) for number in read]
            if self.config.normalised:
                activities = [(number, self.layer(number).goodness.normalise(h)) for number, h in activities]
            yield torch.cat([h for _, h in activities], dim=1)

    def features(self, encoding: Encoding) -> Tensor:
        """What the softmaxes read, side by side."""
        return torch.cat(list(self.features_apart(encoding)), dim=1)

    def logits_of_each(self, encoding: Encoding) -> list[Tensor]:
        """Of every network's softmax, `(batch, classes)`."""
        return [readout(x) for readout, x in zip(self.readout, self.features_apart(encoding), strict=True)]

    def logits_apart(self, encoding: Encoding) -> tuple[Tensor, ...]:
        return tuple(self.logits_of_each(encoding)) if self.config.networks > 1 else ()

    def logits(self, encoding: Encoding) -> Tensor:
        """Of both together: the mean of their log probabilities, `(batch, classes)`."""
        return torch.stack([logits.log_softmax(1) for logits in self.logits_of_each(encoding)]).mean(0)

    def learn(self, encoding: Encoding, target: Tensor) -> Measured:
        """Add to the gradients of all layers those of their agreement: `agreement_update`."""
        layers = {number: self.layer(number) for number in self.levels}
        return agreement_update(layers, self.pairs, encoding.step, target, self.agreement, self.config.scores)

    def learn_softmax(self, encoding: Encoding, target: Tensor) -> Tensor:
        """Set the gradients of every softmax; return their mean loss, `()`."""
        losses = []
        for readout, x in zip(self.readout, self.features_apart(encoding), strict=True):
            assert isinstance(readout, Readout)  # for the type checker: ModuleList forgets the class
            losses.append(readout.learn(x, readout(x), target))
        return torch.stack(losses).mean()
