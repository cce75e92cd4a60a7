"""scikit-learn's face of the toolkit: numpy in, numpy out, nothing on disk."""

import copy
import math
import numbers
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ffrec.config import ConfigError, FeedForwardConfig, ImageRecipe, RecurrentConfig, TrainingConfig
from ffrec.config.recipe import first_fault
from ffrec.evaluation.calibration import Calibration, class_scores, fit_temperature, probabilities
from ffrec.networks.network import Network
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device
from ffrec.training.events import Epoch
from ffrec.training.images import ImageTrainer

Floats = NDArray[np.float64]
FEWEST = 10  # rows that a temperature is fitted on
BATCH = 500  # rows evaluated together; bounds memory and changes no result

# What FFClassifier needs to know of configurations: the parameters' names on the left of the colons.


def network_config(network: str, hidden: tuple[int, ...]) -> RecurrentConfig | FeedForwardConfig:
    """The configuration of a network by its kind; raises ValueError for a kind that is not on the menu."""
    if network == "recurrent":
        depth = len(hidden)  # iterations until the label has reached every layer
        span = (depth, depth + 3)
        window = (depth + 1, depth + 3)
        return RecurrentConfig(hidden=hidden, iterations=span[1], loss=span, window=window)
    if network == "feedforward":
        return FeedForwardConfig(hidden=hidden, label="append")
    raise ValueError(f"network: expected 'recurrent' or 'feedforward', found {network!r}")


def recipe_of(classifier: "FFClassifier") -> ImageRecipe:
    """The complete run that a classifier's parameters stand for; raises ValueError, naming a wrong one."""
    try:
        training = TrainingConfig(
            epochs=classifier.epochs,
            batch=classifier.batch_size,
            rate=classifier.learning_rate,
            softmax_rate=classifier.learning_rate,
            weight_decay=classifier.weight_decay,
            negatives=classifier.negatives,
            dropout=classifier.dropout,
            jitter=classifier.jitter,
        )
        hidden = (classifier.hidden,) if isinstance(classifier.hidden, int) else tuple(classifier.hidden)
        network = network_config(classifier.network, hidden)
        return ImageRecipe("FFClassifier", "–", "arrays", network, training)
    except ValidationError as error:
        raise ValueError(f"FFClassifier: {first_fault(error)}") from None
    except (ConfigError, TypeError, ValueError) as error:
        raise ValueError(f"FFClassifier: {error}") from None


class FFClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that learns without a backward pass: the Forward-Forward networks of Hinton 2022.

    `fit` trains a network to give a row of features high goodness together with its own label, and low
    goodness together with a wrong one. `predict` tries every label and takes the one with the highest
    goodness.

    Rows and their scale. A network sees every row x at unit mean square, x / √(mean x²), which loses the
    row's length. One constant feature is therefore appended to every row: the root mean square of all
    training features. A row's direction and its length then both count, and a common factor of all features
    changes nothing. Features whose scales differ, or that are far from zero, want a `StandardScaler` in
    front. With `image_shape` a row is an image: nothing is appended, and a brighter or a dimmer copy of an
    image is the same image.

    Probabilities are softmax(goodness / T). T is fitted on `validation_fraction` of the training rows, which
    the network does not learn from; `calibration_` says how many there were.

    There is no `partial_fit`: the learning rate falls to zero over the epochs of a run.

    Parameters
    ----------
    network : "recurrent" (§3.4: label above, image below, several iterations) or "feedforward" (§3.3: the
        label beside the features, one pass).
    hidden : units of each hidden layer, from the features up.
    epochs, batch_size : passes over the training rows, and rows of a weight update.
    learning_rate : of AdamW; it stays for half of the run and falls to zero over the other half.
    weight_decay : of all weights.
    negatives : "hard" (wrong labels that the network itself holds likely) or "uniform".
    dropout : share of the features that is silenced, afresh in every batch.
    jitter : largest random shift of an image, in pixels; needs `image_shape`.
    validation_fraction : share of the rows that is put aside to fit T. Where that is fewer than 10 rows, or a
        class would have no other row, none is put aside and T is fitted on the training rows.
    random_state : int, RandomState or None; an int makes `fit` repeatable.
    device : "cpu", "cuda", "mps" or "auto".
    precision : of the matrix products while training: "fp32", "tf32", "bf16" or "auto". Predictions are
        computed in float64 (float32 on "mps").
    image_shape : (height, width) or (height, width, channels) of a row, if rows are images.
    verbose : 1 prints a line an epoch.

    Attributes
    ----------
    classes_ : the labels, sorted.
    n_features_in_ : features of a row.
    n_iter_ : epochs trained.
    network_ : the trained `torch` module.
    calibration_ : temperature T, what it was fitted on, and on how many rows.
    history_ : a record of every epoch.
    """

    def __init__(
        self,
        network: Literal["recurrent", "feedforward"] = "recurrent",
        hidden: tuple[int, ...] = (500, 500),
        epochs: int = 20,
        batch_size: int = 50,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        negatives: Literal["hard", "uniform"] = "hard",
        dropout: float = 0.0,
        jitter: int = 0,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        precision: str = "fp32",
        image_shape: tuple[int, ...] | None = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.negatives = negatives
        self.dropout = dropout
        self.jitter = jitter
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.image_shape = image_shape
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Train on features `(n, features)` and labels `(n,)`; raises ValueError for wrong ones."""
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"FFClassifier: expected labels of 2 classes or more, found one class, {self.classes_[0]!r}: "
                "it learns from wrong labels"
            )
        recipe, shape = recipe_of(self), self._shape()
        try:
            where = pick_device(self.device)
            precision = pick_precision(self.precision, where)
        except ConfigError as error:
            raise ValueError(f"FFClassifier: {error}") from None
        drawn = check_random_state(self.random_state)
        seed = int(drawn.randint(2**31 - 1))
        self.scale_ = root_mean_square(features)
        learnt, held = set_aside(codes, self.validation_fraction, drawn)
        rows = torch.from_numpy(self._rows(features))
        images, truth = rows.float().view(-1, *shape), torch.from_numpy(codes).long()
        classes = len(self.classes_)
        try:
            trainer = ImageTrainer(recipe, images[learnt], truth[learnt], classes, seed, where, precision)
        except ConfigError as error:
            raise ValueError(f"FFClassifier: {error}") from None
        self.history_ = []
        for event in trainer.run():
            if isinstance(event, Epoch):
                self.history_.append(event.record)
                self._report(event.record)
        self.n_iter_ = len(self.history_)
        self.network_ = at_rest(trainer.network)
        fitted_on = held if len(held) else learnt
        temperature = fit_temperature(self._scores(rows[fitted_on]), truth[fitted_on])
        self.calibration_ = Calibration(
            temperature, "validation" if len(held) else "training", len(fitted_on)
        )
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The label with the highest goodness for every row `(n,)`."""
        scores = self._scores_of(X)
        found: NDArray[Any] = self.classes_[scores.argmax(1).numpy()]
        return found

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Probabilities `(n, classes)`, in the order of `classes_`."""
        scores = self._scores_of(X)
        found: Floats = probabilities(scores, self.calibration_.temperature).numpy()
        return found

    def decision_function(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Goodness of every label `(n, classes)`; of two classes, that of the second less that of the first
        `(n,)`."""
        scores: Floats = self._scores_of(X).numpy()
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and attributes; the network on the CPU, so that any machine can read it."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:
            state["network_"] = copy.deepcopy(self.network_).cpu()
        return state

    def _scores_of(self, X: ArrayLike) -> Tensor:  # noqa: N803
        """A score of every class for features `(n, features)`; raises ValueError for wrong ones."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        return self._scores(torch.from_numpy(self._rows(features)))

    @torch.no_grad()
    def _scores(self, rows: Tensor) -> Tensor:
        """A score of every class for rows as the network takes them, on the CPU in float64."""
        like = next(self.network_.parameters())
        parts = [class_scores(self.network_, part.to(like)) for part in rows.split(BATCH)]
        return torch.cat(parts).cpu().double()  # in this order: mps has no float64

    def _rows(self, features: Floats) -> Floats:
        """Features as the network takes them: divided by their scale, with the constant feature, and at unit
        mean square. Computed in float64, as float32 does not hold every length."""
        rows = features / self.scale_
        if self.image_shape is None:
            constant = np.ones((len(rows), 1))
            rows = np.concatenate([rows, constant], axis=1)
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = rows / np.where(largest > 0, largest, 1)
        length = np.sqrt(np.square(rows).mean(axis=1, keepdims=True))
        found: Floats = rows / np.where(length > 0, length, 1)
        return found

    def _shape(self) -> tuple[int, ...]:
        """Of a row as an image; raises ValueError for an `image_shape` that does not fit the features."""
        if self.image_shape is None:
            if self.jitter:
                raise ValueError("FFClassifier: jitter shifts images: give image_shape, or jitter=0")
            return (1, self.n_features_in_ + 1)
        shape = tuple(np.atleast_1d(self.image_shape).tolist())
        if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape) != self.n_features_in_:
            raise ValueError(
                f"FFClassifier: image_shape: expected (height, width) or (height, width, channels) of "
                f"{self.n_features_in_} features, found {shape}"
            )
        return shape

    def _report(self, record: Mapping[str, Any]) -> None:
        """Print an epoch's line, if that is wanted."""
        if self.verbose:
            shares = " ".join(f"{100 * share:.1f}" for share in record[ImageTrainer.accuracy_name])
            print(f"epoch {record['epoch']}/{self.epochs}: layers get {shares} % of pairs right")


def root_mean_square(features: Floats) -> float:
    """√(mean x²) over all features, without overflow; 1 if all are zero."""
    largest = float(np.abs(features).max())
    return largest * float(np.sqrt(np.square(features / largest).mean())) if largest > 0 else 1.0


def set_aside(
    codes: NDArray[Any], fraction: float, drawn: np.random.RandomState
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows to learn from, and rows to fit a temperature on, of every class its share; no row is put aside
    where that would be fewer than 10 rows or all of a class. Raises ValueError for a wrong fraction."""
    if not isinstance(fraction, numbers.Real) or not 0 <= fraction < 1:
        raise ValueError(
            f"FFClassifier: validation_fraction: expected 0 up to 1, without 1, found {fraction}"
        )
    order = drawn.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, each in an order of its own
    counts = np.bincount(codes)
    place = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = place < np.round(fraction * np.repeat(counts, counts))
    kept = np.bincount(codes[order[~held]], minlength=len(counts))
    if held.sum() < FEWEST or not kept.all():
        held[:] = False
    return np.sort(order[~held]), np.sort(order[held])


def at_rest(network: Network) -> Network:
    """A network as predictions want it: in float64 where the device has it, without working memory."""
    network.workspace.slots.clear()
    where = next(network.parameters()).device
    return network if where.type == "mps" else network.double()
