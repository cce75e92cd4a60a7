"""A video without an end: a recurrent network that is shown one frame after another."""

from collections import deque
from collections.abc import Iterable, Iterator

from torch import Tensor

from ffrec.learning.update import Measured, Step, local_update
from ffrec.networks.recurrent import Recurrent


class Stream:
    """The iterations of `Recurrent.steps` for a video whose frames come one by one, each driving one of them.

    What is held does not grow: the levels' states, and the last `keep` steps, from which the layers can learn
    at any time, by their own goodness, without going back to earlier frames. `candidates`
    `(batch, candidates)` are labels that are tried side by side; others of that shape may take their place
    between two frames.
    Source: Hinton 2022 §1, §2 and §3.4.
    """

    def __init__(self, network: Recurrent, candidates: Tensor, keep: int = 1) -> None:
        if keep < 1:
            raise ValueError(f"keep: expected at least the last step, found {keep}")
        classes = network.classes
        if candidates.ndim != 2 or not ((candidates >= 0) & (candidates < classes)).all():
            raise ValueError(
                f"candidates: expected labels (batch, candidates) from 0 to {classes - 1}, found "
                f"shape {tuple(candidates.shape)}, up to {int(candidates.max())}"
            )
        self.network, self.candidates = network, candidates
        self.recent: deque[Step] = deque(maxlen=keep)
        self.number = 0
        """Of the last step, counted from 1."""

    def show(self, frame: Tensor) -> Step:
        """One iteration, driven by a frame `(batch, inputs)`; the first frame also drives the bottom-up
        pass that comes before it. Raises ValueError for a frame that does not belong to the candidates."""
        if frame.ndim != 2 or len(frame) != len(self.candidates):
            raise ValueError(
                f"frame: expected shape ({len(self.candidates)}, inputs), a row for each row of candidates, "
                f"found {tuple(frame.shape)}"
            )
        network, codes = self.network, self.candidates.unsqueeze(2)
        if not self.number:
            first = network.encode(frame).step
            self.states = dict(first.activities)
            self.sent = {source: x for source, x in first.inputs.items() if source != "0"}
        image = network.shown(frame.unsqueeze(1))
        constant = network.constant(network.drive(image), network.top_down(codes))
        used, activities, slopes = network.iterate(self.states, self.sent, constant)
        used |= {"0": image, str(network.top): codes}
        self.number += 1
        step = Step(used, activities, slopes, frozenset({"0"}), frozenset(), self.number)
        self.recent.append(step)
        return step

    def steps(self, frames: Iterable[Tensor]) -> Iterator[Step]:
        """One step for every frame `(batch, inputs)`, as long as there are any."""
        for frame in frames:
            yield self.show(frame)

    def check_shown(self) -> None:
        """Raise ValueError before the first frame."""
        if not self.recent:
            raise ValueError("stream: expected a frame first, found none: call show or steps")

    def scores(self) -> Tensor:
        """Goodness of each candidate, `(batch, candidates)`, summed over levels: mean of the recent steps."""
        self.check_shown()
        found = [self.network.scores(step, self.candidates) for step in self.recent]
        return sum(found[1:], found[0]) / len(found)

    def learn(self, target: Tensor) -> Measured:
        """Set the gradients of all layers to those of the recent steps: `local_update`, which says what a
        target is. An optimiser's step, and `network.recast()` after it, change the weights."""
        self.check_shown()
        network = self.network
        network.zero_grad()
        layers = {level: network.layer(level) for level in network.levels}
        return local_update(layers, self.recent, target, len(self.recent), network.workspace)
