"""The recurrent network: damped synchronous iterations between the image below and the label above.

Levels are numbered from the image (0) over the hidden layers (1 … L) to the label (L + 1). Activities have
shape `(batch, candidates, units)`: one candidate for every label that is tried, or a single one, shared by
all of them, while no label has had the time to reach the layer (it moves down a level an iteration).
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ffrec.config import RecurrentConfig
from ffrec.learning.connection import Codes, Connection
from ffrec.learning.goodness import normalise
from ffrec.learning.update import Step
from ffrec.networks.feedback import Feedback
from ffrec.networks.maps import colours, contrast, local_fields
from ffrec.networks.network import Encoding
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register


@register("network", "recurrent")
class Recurrent(Feedback):
    """Hinton 2022 §3.4 and figure 3: the iterations of `Feedback`, where what else sends to a level is its
    bias, the image and the label, if they are connected to it.

    h(0) is a single bottom-up pass, and the goodness is that of ĥ. The label is a one-of-N code scaled to
    unit mean square. Input is an image `(batch, inputs)`, repeated, or a video `(batch, frames, inputs)`
    whose frame t drives iteration t (the first frame also drives the bottom-up pass).
    """

    config: RecurrentConfig

    def __init__(
        self, config: RecurrentConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__(config, classes)
        self.top, self.scored = len(config.hidden) + 1, tuple(self.levels)
        units, connect = [inputs, *config.hidden], pick("connection", config.connection)
        if config.field is not None:
            connect = local_fields(config.field, inputs, config.hidden)
            self.batch, self.colours = 100, colours(inputs)[0]  # maps of every label
        for level in self.levels:
            connections: dict[str, Connection] = {}
            for source in [s for s, target in config.connections if target == level]:
                if source == self.top:
                    connections[str(source)] = Codes(classes, units[level], generator)
                else:
                    connections[str(source)] = connect(units[source], units[level], generator)
            self.layers.append(self.make_layer(level, connections, generator))
        self.readout = Readout(sum(config.hidden), classes)
        self.fixed = frozenset({"0", str(self.top)})

    @property
    def iterations(self) -> int:
        return max(self.config.iterations, self.config.window[1])

    @property
    def window(self) -> tuple[int, int]:
        return self.config.window

    @property
    def loss_steps(self) -> tuple[int, int]:
        return self.config.loss

    @property
    def damping(self) -> float:
        return self.config.damping

    def encode(self, x: Tensor) -> Encoding:
        """A single bottom-up pass over `(batch, inputs)` or, for video, `(batch, frames, inputs)`."""
        frames = self.shown(x if x.ndim == 3 else x.unsqueeze(1))
        drive, activities, slopes = self.drive(frames[:, :1]), {}, {}
        sent: dict[str, Tensor] = {"0": frames[:, :1]}
        for level in self.levels:
            layer, total = self.layer(level), drive[level].clone()
            for source in self.hidden_sources(level):
                if source < level:
                    total = layer.add_input(str(source), sent[str(source)], total)
            activities[level], slopes[level] = layer.activation(total)
            sent[str(level)] = layer.send(activities[level])
        return Encoding(frames, drive, Step(sent, activities, slopes))

    def shown(self, frames: Tensor) -> Tensor:
        """What frames `(batch, frames, inputs)` send: rows of unit mean square, as maps where there are
        receptive fields."""
        frames = frames if self.config.field is None else contrast(frames, self.colours)
        return normalise(frames).to(self.dtype)

    def drive(self, frame: Tensor) -> dict[int, Tensor]:
        """bₗ + n(image) W₀ₗ of one frame `(batch, 1, inputs)`, for every level: `(batch, 1, units)`."""
        drive = {}
        for level in self.levels:
            layer = self.layer(level)
            bias = layer.unit_bias().expand(len(frame), 1, -1)
            drive[level] = layer.add_input("0", frame, bias) if "0" in layer.sources else bias
        return drive

    def features(self, encoding: Encoding) -> Tensor:
        """Normalised activities of the bottom-up pass, `(batch, Σ units)`."""
        return torch.cat([encoding.step.inputs[str(level)].squeeze(1) for level in self.levels], dim=1)

    def steps(self, encoding: Encoding, candidates: Tensor, count: int) -> Iterator[Step]:
        """Iterations with candidate labels `(batch, candidates)`.

        Raises ValueError for a video with neither one frame nor one for each iteration.
        """
        frames, label = encoding.input, str(self.top)
        if 1 < frames.shape[1] < count:
            raise ValueError(f"expected 1 frame or {count}, one an iteration, found {frames.shape[1]}")
        codes = candidates.unsqueeze(2)
        top_down = self.top_down(codes)
        states, still = dict(encoding.step.activities), frames.shape[1] == 1
        constant = self.constant(encoding.drive, top_down)
        x = {s: sent for s, sent in encoding.step.inputs.items() if s != "0"}
        fixed = self.fixed if still else self.fixed - {"0"}
        for number in range(1, count + 1):
            frame = frames if still else frames[:, number - 1 : number]
            if number > 1 and not still:
                constant = self.constant(self.drive(frame), top_down)
            used, activities, slopes = self.iterate(states, x, constant)
            used |= {"0": frame, label: codes}
            yield Step(used, activities, slopes, frozenset({"0"}), fixed, number)

    def top_down(self, codes: Tensor) -> dict[int, Tensor]:
        """What labels `(batch, candidates, 1)` send to the levels that they reach."""
        label = str(self.top)
        return {
            level: self.layer(level).connection(label)(codes)
            for level in self.levels
            if label in self.layer(level).sources
        }

    def constant(self, drive: Mapping[int, Tensor], top_down: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """What the levels are sent by bias, image and label."""
        return {
            level: total + top_down[level] if level in top_down else total for level, total in drive.items()
        }

    def groups(self) -> list[list[int]]:
        if self.config.update == "synchronous":
            return super().groups()
        return [[level for level in self.levels if level % 2 == parity] for parity in (0, 1)]
