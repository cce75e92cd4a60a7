"""Predictions from several views of an image: the image itself, its mirror image, and both shifted."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ffrec.data.images import Images, shift
from ffrec.evaluation.decisions import Responses, responses
from ffrec.evaluation.images import choose_together, scores_labels
from ffrec.networks.network import Classifier


@dataclass(frozen=True)
class View:
    """An image that is mirrored, or not, and then moved."""

    up: int = 0
    """Pixels by which it is moved up, or down if negative; what is shifted in is 0."""
    left: int = 0
    mirrored: bool = False

    def of(self, images: Tensor) -> Tensor:
        """The view of images `(batch, height, width)`, or with colours last."""
        seen = images.flip(2) if self.mirrored else images
        most = max(abs(self.up), abs(self.left))
        by = torch.tensor([[self.up, self.left]], device=seen.device).expand(len(seen), -1)
        return shift(seen, most, by) if most else seen


def rings(pixels: int, mirror: bool) -> list[list[View]]:
    """Views in groups, the nearest to the image first: the image; where `mirror`, its mirror image; then, for
    each distance of 1 to `pixels`, all shifts whose larger component is that distance."""
    turned = (False, True) if mirror else (False,)
    every = range(-pixels, pixels + 1)
    shifts = [(up, left) for up in every for left in every]
    return [
        *([View(mirrored=way)] for way in turned),
        *(
            [View(*by, way) for by in shifts if max(map(abs, by)) == far for way in turned]
            for far in range(1, pixels + 1)
        ),
    ]


def seen_in_views(
    network: Classifier, images: Images, labels: Tensor, pixels: int, mirror: bool
) -> Iterator[tuple[int, Responses]]:
    """What a network says of images as more and more views are averaged, ring by ring (`rings`): how many
    views they are, and the mean over them of every label's goodness at every iteration and of the log
    probabilities of the softmax.

        g(label) = mean over views v of g(label | v(image)),    log q = mean over v of log q(· | v(image))

    As logits, log q is a product of the views' predictions.
    """
    views, logits, history = 0, torch.zeros(()), torch.zeros(())
    for ring in rings(pixels, mirror):
        for view in ring:
            one = responses(network, images.seen(view.of), labels)
            views += 1
            logits = logits + one.logits.log_softmax(1)
            history = history + (0 if one.history is None else one.history)
        mean = None if one.history is None else history / views
        yield views, Responses(one.labels, logits / views, mean, one.window)


def best_of_views(
    network: Classifier, images: Images, pixels: int, mirror: bool, together: bool = False
) -> Tensor:
    """The label `(n,)` of highest score over all views, or, with `together`, the one that goodness and the
    softmax find likeliest (`choose_together`).

    Raises ValueError for `together` where goodness scores no labels, and for a distance that is not a whole
    number of pixels, 0 or more.
    """
    if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 0:
        raise ValueError(f"views: expected a distance of 0, 1 or more pixels, found {pixels!r}")
    *_, (_, seen) = seen_in_views(network, images, torch.zeros(len(images)), pixels, mirror)
    return likeliest(network, seen) if together else seen.scores.argmax(1)


def likeliest(network: Classifier, seen: Responses) -> Tensor:
    """The label `(n,)` that goodness and the softmax find likeliest together."""
    if not scores_labels(network) or seen.history is None:
        raise ValueError("together: no goodness scores labels, the softmax predicts alone: leave it out")
    every = torch.arange(network.classes).expand(len(seen.logits), -1)
    return choose_together(network, seen.history, every, seen.logits)
