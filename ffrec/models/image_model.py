"""A trained classifier of images."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ffrec.config import ImageRecipe
from ffrec.data.images import Images
from ffrec.evaluation.calibration import Calibration, batches, class_scores, label_history, probabilities
from ffrec.evaluation.decisions import best_of_first
from ffrec.evaluation.views import best_of_views
from ffrec.models.arrays import Array, as_images, class_values
from ffrec.models.figure import draw_goodness
from ffrec.models.model import Model
from ffrec.models.saved import Saved
from ffrec.networks.network import Classifier
from ffrec.storage.files import RunError
from ffrec.tasks.images import trained_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BRIGHTEST = {"digits": 16.0}  # of data sets whose pixels do not end at 255, for folders without data.json
SHOWN = 16  # images of one figure


class ImageModel(Model):
    """A trained classifier of images.

    Images are given as `as_images` says: numpy, torch or PIL; `(n, height, width)`, with channels
    `(n, height, width, 3)`, or one image, which counts as a batch of one; integers 0 to 255, or floats in
    [0, 1].
    """

    recipe: ImageRecipe
    network: Classifier

    def build(self) -> None:
        data = self.saved.data or known_data(self.saved, self.recipe)
        self.image_shape: tuple[int, ...] = tuple(data["shape"])
        """(height, width), or (height, width, channels)."""
        self.classes: Array = class_values(data["classes"])
        """What `predict` answers with: names, or integers if all names are."""
        self.brightest = float(data["brightest"])
        """The largest pixel that it was trained with: what 1.0 stands for."""
        self.saved = dataclasses.replace(self.saved, data=dict(data))
        like = torch.empty(1, *self.image_shape)
        self.network = trained_network(self.saved.weights, self.recipe, like, len(self.classes), self.device)

    @property
    def calibration(self) -> Calibration:
        """The temperature of `predict_proba`, and what it was fitted on."""
        return self.saved.calibration

    def describe(self) -> str:
        how = self.calibration
        fitted = f" fitted on {how.n} {how.fitted_on} images" if how.n else ", fitted on nothing"
        size = "×".join(map(str, self.image_shape))
        return f"{size} images, {len(self.classes)} classes, temperature {how.temperature:.3g}{fitted}"

    def images(self, X: Any) -> Images:  # noqa: N803
        """X on the device, checked; raises ValueError."""
        checked = as_images(X, self.image_shape, self.brightest)
        return Images(checked, self.device, self.recipe.training.permute)

    @torch.no_grad()
    def scores(self, X: Any) -> Array:  # noqa: N803
        """A score of every class, `(n, classes)`: the goodness of its label, averaged over the iterations of
        the evaluation window, or the softmax's logit where goodness scores no labels."""
        parts = [class_scores(self.network, rows) for rows in batches(self.images(X), self.network.batch)]
        found: Array = torch.cat(parts).cpu().numpy()
        return found

    def predict(
        self,
        X: Any,  # noqa: N803
        candidates: int | None = None,
        together: bool = False,
        views: int | None = None,
    ) -> Array:
        """The class with the highest score, `(n,)`: names, or integers if all names are.

        With `candidates` only so many labels are tried, those that the one-pass softmax ranks first, and the
        others cost nothing. With `together` goodness and the softmax decide together, which evaluations call
        the error by both. With `views` scores are averaged over the image and its shifts by up to so many
        pixels, and the mirror images of all these where the network has learnt from such. Raises ValueError
        for other numbers of candidates than the network can try, for either of these two where goodness
        scores no labels, and for candidates with views.
        """
        if candidates is not None and views is not None:
            raise ValueError("candidates: each view tries all labels, found views too: leave one of them out")
        if candidates is None and views is None and not together:
            found: Array = self.classes[self.scores(X).argmax(1)]
            return found
        images = self.images(X)
        if views is None:
            best = best_of_first(self.network, images, candidates, together)
        else:
            best = best_of_views(self.network, images, views, self.recipe.training.mirror, together)
        answers: Array = self.classes[best.cpu().numpy()]
        return answers

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """softmax(scores / T), `(n, classes)` in the order of `classes`; T is `calibration.temperature`."""
        found: Array = probabilities(torch.from_numpy(self.scores(X)), self.calibration.temperature).numpy()
        return found

    @torch.no_grad()
    def goodness(self, X: Any) -> Array:  # noqa: N803
        """Goodness of every label at every iteration, `(n, iterations, classes)`, summed over scored layers.

        Raises ValueError for a network whose goodness scores no labels.
        """
        parts = [
            label_history(self.network, rows).transpose(0, 1)
            for rows in batches(self.images(X), self.network.batch)
        ]
        found: Array = torch.cat(parts).cpu().numpy()
        return found

    def score(self, X: Any, y: ArrayLike) -> float:  # noqa: N803
        """The share of images whose predicted class is the one in y `(n,)`; y holds what `predict`
        answers."""
        wanted, found = np.asarray(y), self.predict(X)
        if wanted.shape != found.shape:
            raise ValueError(f"y: expected {len(found)} labels, one an image, found shape {wanted.shape}")
        strangers = sorted(set(wanted.tolist()) - set(self.classes.tolist()), key=str)
        if strangers:
            raise ValueError(f"y: expected labels among {self.classes.tolist()}, found {strangers[:5]}")
        return float((wanted == found).mean())

    def plot_goodness(self, X: Any) -> "Figure":  # noqa: N803
        """A figure of up to 16 images, and beside each the goodness of every label (down) over the iterations
        (across), less each iteration's mean over the labels; the answer stands above. Raises ValueError."""
        history, shown = self.goodness(X), as_images(X, self.image_shape, self.brightest)
        if len(shown) > SHOWN:
            raise ValueError(
                f"plot_goodness: expected at most {SHOWN} images, found {len(shown)}: choose some"
            )
        return draw_goodness(shown.numpy(), history, self.predict(X), self.classes)


def known_data(saved: Saved, recipe: ImageRecipe) -> dict[str, Any]:
    """What `data.json` would say, for a folder older than that file; raises RunError for data not on the
    menu."""
    import corpora

    if recipe.data not in corpora.DATASETS:
        raise RunError(
            f"{saved.source}: expected data.json beside config.json, found none, and {recipe.data} is no "
            "data set on the menu: train it again"
        )
    about = corpora.DATASETS[recipe.data].description
    return {"shape": about.shape, "classes": about.classes, "brightest": BRIGHTEST.get(recipe.data, 255.0)}
