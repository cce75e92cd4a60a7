"""What users hold: a trained network that predicts, samples, is saved and is loaded; and `train` that makes
one.

A run folder, or a file that `save` wrote, becomes an `ImageModel` or a `TextModel`. This is the one file of
the package that joins it with `corpora`.
"""

import contextlib
import dataclasses
import json
import math
import secrets
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

import ffrec
from ffrec.config import ConfigError, ImageRecipe, Recipe, TextRecipe, recipe_from
from ffrec.data.images import Images, LabelledImages
from ffrec.evaluation.calibration import (
    Calibration,
    batches,
    calibrate,
    class_scores,
    label_history,
    probabilities,
)
from ffrec.networks.network import Classifier
from ffrec.recipes import recipe as recipe_named
from ffrec.storage.checkpoint import RunError, RunFolder, write_atomic
from ffrec.training.images import ImageTrainer
from ffrec.training.runs import (
    check_fit,
    configuration,
    describe,
    finish_images,
    new_trainer,
    pick_device,
    trained_network,
    weights,
)
from ffrec.training.runs_text import finish_text
from ffrec.training.text import TextTrainer
from ffrec.training.trainer import Epoch, Interrupted, Update

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ffrec.networks.character import Character

Array = NDArray[Any]
Event = Update | Epoch | Interrupted
BRIGHTEST = {"digits": 16.0}  # of data sets whose pixels do not end at 255, for folders without data.json
SHOWN = 16  # images of one figure
AN_ARRAY = "arrays"  # what a recipe calls data that came from no data set


# Everything that this file knows of character networks.


def writer(recipe: TextRecipe, saved: Mapping[str, Tensor], symbols: int) -> "Character":
    """The next-character network with these weights, its memory empty; raises RunError for another's."""
    from ffrec.networks.character import Character

    network = Character(recipe.network, symbols, torch.Generator())
    check_fit(network, saved, recipe.name)
    network.load_state_dict(dict(saved))
    return network


def recall(network: "Character", strings: Tensor) -> None:
    """Fill the network's memory from strings."""
    network.remember(strings)


def write(network: "Character", context: Tensor, length: int, drawn: torch.Generator, **how: Any) -> Tensor:
    """Contexts `(strings, at least a window)`, each continued by `length` characters."""
    return network.generate(context, length, drawn, **how)


def log_p(network: "Character", strings: Tensor) -> Tensor:
    """log p of every character with a window before it, `(strings, length − window)`."""
    return network.mix(*network.log_likelihood(strings))


# Arrays in, tensors out.


def is_picture(value: Any) -> bool:
    """Whether a value is an image of PIL, which is not imported for it."""
    return hasattr(value, "convert") and hasattr(value, "getbands")


def as_array(X: Any, mode: str) -> Array:  # noqa: N803
    """Arrays, tensors, PIL images (as grey `L` or as `RGB`), or a list of any of them, as one array."""
    if is_picture(X):
        return np.asarray(X.convert(mode))
    if isinstance(X, Tensor):
        held = X.detach().cpu()
        return np.asarray(held.float() if held.is_floating_point() else held)
    if isinstance(X, list | tuple) and any(is_picture(x) or isinstance(x, Tensor) for x in X):
        X = [as_array(x, mode) for x in X]  # noqa: N806
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError(
            "images: expected images of one size, found several: make them alike first"
        ) from None


def as_images(X: Any, shape: Sequence[int] | None = None, brightest: float = 255.0) -> Tensor:  # noqa: N803
    """Images as a network takes them, `(n, *shape)`; without a `shape`, any `(n, height, width[, channels])`.

    X is one image or several: numpy, torch, PIL, or a list of them; channels come last. Integers have to be 0
    to 255 and are taken as they are. Floats have to be in [0, 1] and are multiplied by `brightest`, the
    largest pixel that the network was trained with. The factor is for the eye alone: every network brings
    each image to unit mean square first, so that a brighter copy of an image is the same image. PIL images
    become grey or RGB, as the network's images are. Raises ValueError, saying what was expected and found,
    for anything else.
    """
    wanted = (
        "(n, height, width) or (n, height, width, 3)"
        if shape is None
        else f"(n, {', '.join(map(str, shape))})"
    )
    found = as_array(X, "RGB" if shape is not None and len(shape) == 3 else "L")
    if found.dtype.kind not in "buif":
        raise ValueError(f"images: expected numbers of shape {wanted}, found {found.dtype}: convert them")
    if found.size == 0:
        raise ValueError(f"images: expected at least one, of shape {wanted}, found none, of {found.shape}")
    if shape is not None:
        shape = tuple(shape)
        if found.shape == shape or found.shape == (*shape, 1):
            found = found.reshape(1, *shape)
        elif found.shape[1:] == (*shape, 1):
            found = found[..., 0]
    if found.ndim not in (3, 4) if shape is None else found.shape[1:] != shape:
        raise ValueError(
            f"images: expected shape {wanted}, found {found.shape}: resize them to the size that the "
            "network was trained with, and put channels last"
        )
    return pixels_of(found, brightest)


def pixels_of(found: Array, brightest: float) -> Tensor:
    """Numbers as pixels: uint8 of integers, float32 of floats; raises ValueError for numbers out of range."""
    whole = found.dtype.kind in "ui"
    low, high = float(found.min()), float(found.max())  # nan if any number is
    top = 255 if whole else 1
    if not (low >= 0 and high <= top):
        cure = "divide by the largest pixel, or convert to uint8" if not whole else "scale them"
        raise ValueError(
            f"images: expected {'integers 0 to 255' if whole else 'floats in [0, 1]'} without NaN, found "
            f"{low:g} to {high:g}: {cure}"
        )
    if whole:
        return torch.from_numpy(found.astype(np.uint8))
    return torch.from_numpy(found.astype(np.float32) * np.float32(brightest))


def class_values(names: Iterable[str]) -> Array:
    """What `predict` answers with: integers if all names are, else the names."""
    names = list(names)
    integers = all(name.removeprefix("-").isdecimal() for name in names)
    return np.array([int(name) for name in names] if integers else names)


# What is kept of a run.


def about_images(images: Tensor, classes: Sequence[str]) -> dict[str, Any]:
    """What `data.json` in a run folder says of training images `(n, height, width[, channels])`."""
    return {"shape": list(images.shape[1:]), "classes": list(classes), "brightest": float(images.max())}


def calibration_of(held: Mapping[str, Any], file: Path) -> Calibration:
    """A calibration from plain values; raises RunError, naming the file, if they are others."""
    try:
        return Calibration(**held)
    except TypeError:
        raise RunError(
            f"{file} is damaged: expected temperature, fitted_on and n, found {', '.join(held)}: remove it"
        ) from None


def training_strings(file: Path) -> Tensor:
    """The training strings of `text.safetensors`; raises RunError if it is damaged."""
    try:
        return safetensors.torch.load_file(file)["train"]
    except (safetensors.SafetensorError, KeyError):
        raise RunError(
            f"{file} is damaged: expected strings of codes called train, found something else: restore it"
        ) from None


@dataclass(frozen=True)
class Saved:
    """What a run folder, or a file, holds of a trained network."""

    source: Path
    config: Mapping[str, Any]
    """As `config.json`."""
    weights: dict[str, Tensor]
    data: Mapping[str, Any] | None
    """As `data.json`."""
    calibration: Calibration
    strings: Tensor | None = None
    """Training strings of a text."""

    @classmethod
    def of_folder(cls, path: Path) -> "Saved":
        """The newest checkpoint of a run folder; raises RunError if it has none."""
        folder = RunFolder.open(path)
        config, text = folder.config, path / "text.safetensors"
        held = folder.read_json("calibration.json")
        return cls(
            path,
            config,
            weights(folder, config["recipe"]["name"], torch.device("cpu")),
            folder.read_json("data.json"),
            calibration_of(held, path / "calibration.json") if held else Calibration(),
            training_strings(text) if text.is_file() else None,
        )

    @classmethod
    def of_file(cls, path: Path) -> "Saved":
        """A file that `Model.save` wrote; raises RunError if it is another."""
        try:
            with safetensors.safe_open(str(path), framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                held = json.loads((file.metadata() or {})["ffrec"])
        except (safetensors.SafetensorError, KeyError, ValueError):
            raise RunError(
                f"{path}: expected a run folder or a file that Model.save wrote, found another file: "
                "check the path"
            ) from None
        strings = tensors.pop("strings", None)
        saved = {name.removeprefix("weights."): tensor for name, tensor in tensors.items()}
        calibration = calibration_of(held["calibration"], path)
        return cls(path, held["config"], saved, held["data"], calibration, strings)

    def to_file(self, path: Path) -> None:
        """Write one file, whole or not at all."""
        tensors = {
            f"weights.{name}": t.detach().cpu().clone().contiguous() for name, t in self.weights.items()
        }
        if self.strings is not None:
            tensors["strings"] = self.strings.cpu().contiguous()
        held = {
            "version": ffrec.__version__,
            "config": self.config,
            "data": self.data,
            "calibration": dataclasses.asdict(self.calibration),
        }
        write_atomic(path, safetensors.torch.save(tensors, {"ffrec": json.dumps(held)}))


class Model(ABC):
    """A trained network, ready for use. `ffrec.load` makes one of a run folder or of a saved file."""

    network: torch.nn.Module

    def __init__(self, saved: Saved, device: torch.device) -> None:
        self.saved, self.device = saved, device
        self.recipe = recipe_from(saved.config["recipe"])
        """The complete configuration that it was trained with."""
        self.build()

    @abstractmethod
    def build(self) -> None:
        """Make the network of what was saved; raises RunError if something is missing."""

    @abstractmethod
    def describe(self) -> str:
        """What it is for, in a few words."""

    def save(self, path: str | Path) -> Path:
        """Write all that it takes to one safetensors file, which `ffrec.load` reads; returns its path.

        A file of that name is replaced, whole or not at all. Raises ValueError if the path is a folder.
        """
        path = Path(path)
        if path.is_dir() or not path.parent.is_dir():
            found = "a folder" if path.is_dir() else f"no folder {path.parent}"
            raise ValueError(
                f"save: expected a file in a folder that is there, found {found}: choose another path"
            )
        self.saved.to_file(path)
        return path

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.network.parameters())
        kind, name = type(self).__name__, self.recipe.name
        return f"<{kind} {name}: {self.describe()}; {count:,} weights, on {self.device}>"


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
        parts = [class_scores(self.network, rows) for rows in batches(self.images(X))]
        found: Array = torch.cat(parts).cpu().numpy()
        return found

    def predict(self, X: Any) -> Array:  # noqa: N803
        """The class with the highest score, `(n,)`: names, or integers if all names are."""
        found: Array = self.classes[self.scores(X).argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """softmax(scores / T), `(n, classes)` in the order of `classes`; T is `calibration.temperature`."""
        found: Array = probabilities(torch.from_numpy(self.scores(X)), self.calibration.temperature).numpy()
        return found

    @torch.no_grad()
    def goodness(self, X: Any) -> Array:  # noqa: N803
        """Goodness of every label at every iteration, `(n, iterations, classes)`, summed over scored layers.

        Raises ValueError for a network whose goodness scores no labels.
        """
        parts = [label_history(self.network, rows).transpose(0, 1) for rows in batches(self.images(X))]
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


def draw_goodness(images: Array, history: Array, answers: Array, classes: Array) -> "Figure":
    """Images beside their heat maps `(classes, iterations)`; a notebook shows the figure by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    class Shown(Figure):
        """A figure that a notebook shows even if pyplot was never imported."""

        def _repr_png_(self) -> bytes:
            import io

            png = io.BytesIO()
            self.savefig(png, format="png", dpi=90)
            return png.getvalue()

    columns = min(2, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Shown(figsize=(5.4 * columns, max(2.6, 0.22 * len(classes)) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, 2 * columns, width_ratios=[1, 1.8] * columns)
    for case, (image, seen, answer) in enumerate(zip(images, history, answers, strict=True)):
        row, column = divmod(case, columns)
        picture = figure.add_subplot(grid[row, 2 * column])
        picture.imshow(image / max(1.0, image.max()), cmap=None if image.ndim == 3 else "gray_r")
        picture.set_axis_off()
        axes = figure.add_subplot(grid[row, 2 * column + 1])
        centred, edge = (seen - seen.mean(1, keepdims=True)).T, len(seen) + 0.5
        extent = (0.5, edge, len(classes) - 0.5, -0.5)
        map_ = axes.imshow(centred, cmap="magma", aspect="auto", extent=extent, interpolation="nearest")
        figure.colorbar(map_, ax=axes)
        axes.set_yticks(range(len(classes)), [str(name) for name in classes])
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set(xlabel="iteration", ylabel="label", title=f"{answer}")
    figure.suptitle("Goodness of every label, less the labels’ mean")
    return figure


class TextModel(Model):
    """A trained next-character network. Logarithms are natural."""

    recipe: TextRecipe
    network: "Character"

    def build(self) -> None:
        import corpora

        self.alphabet = corpora.Alphabet.of_symbols(self.saved.config["symbols"])
        self.symbols: tuple[str, ...] = self.alphabet.symbols
        """The alphabet, in the order of the codes."""
        self.network = writer(self.recipe, self.saved.weights, len(self.symbols)).to(self.device)
        if self.saved.strings is not None:
            strings = self.saved.strings[: self.recipe.training.strings]
            self.saved = dataclasses.replace(self.saved, strings=strings)
        if self.recipe.network.memory:
            with torch.no_grad():
                recall(self.network, self.training_strings("its memory recalls the training strings"))

    def describe(self) -> str:
        return f"{len(self.symbols)} symbols, windows of {self.recipe.network.window}"

    def training_strings(self, why: str) -> Tensor:
        """The strings of codes it was trained on, on the device; raises RunError if they were not kept."""
        if self.saved.strings is None:
            raise RunError(
                f"{self.saved.source}: expected the training strings in text.safetensors, as {why}, found "
                "none: put the file there, or train again"
            )
        return self.saved.strings.long().to(self.device)

    def encode(self, text: str) -> Tensor:
        """Codes `(characters,)` of a text as the alphabet normalises it: Aesop's has lower case and single
        spaces.

        Raises ValueError, naming every character that is not in the alphabet, unless that has � for all
        others.
        """
        normal, strangers = self.alphabet.normalise(text)
        if strangers and self.alphabet.unknown is None:
            raise ValueError(
                f"text: expected only {self.alphabet.about()}, found "
                f"{', '.join(map(repr, sorted(strangers)[:10]))}: leave them out"
            )
        return self.alphabet.encode(normal).to(self.device)

    def decode(self, codes: Tensor) -> str:
        """The text of codes `(characters,)`."""
        return self.alphabet.decode(codes)

    @torch.no_grad()
    def sample(
        self,
        prompt: str = "",
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> str:
        """The prompt and `length` characters after it, drawn one by one from p^(1/temperature).

        `top_k` and `top_p` keep the likeliest characters only; temperature 0 always takes the likeliest one.
        A prompt shorter than the window is padded with spaces in front, which are not returned. A seed makes
        it repeatable on one machine. Raises ValueError for a prompt outside the alphabet or a number out of
        range.
        """
        limits = {
            "length": (length >= 0, "0 or more", length),
            "temperature": (0 <= temperature < math.inf, "0 or more", temperature),
            "top_k": (
                top_k is None or 1 <= top_k <= len(self.symbols),
                f"1 to {len(self.symbols)}, or None",
                top_k,
            ),
            "top_p": (0 <= top_p <= 1, "0 to 1", top_p),
        }
        for name, (right, wanted, found) in limits.items():
            if not right:
                raise ValueError(f"{name}: expected {wanted}, found {found}")
        start, size = self.encode(prompt), self.recipe.network.window
        if len(start) < size:
            if " " not in self.symbols:
                raise ValueError(
                    f"prompt: expected at least {size} characters, found {len(start)}: lengthen it"
                )
            start = torch.cat([start.new_full((size - len(start),), self.symbols.index(" ")), start])
        drawn = self.generator(secrets.randbits(63) if seed is None else seed)
        how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        written = write(self.network, start[None, -size:], length, drawn, **how)[0, size:]
        return self.decode(self.encode(prompt)) + self.decode(written)

    def generator(self, seed: int) -> torch.Generator:
        """Chance on the device."""
        return torch.Generator(self.device).manual_seed(seed)

    @torch.no_grad()
    def log_p(self, text: str) -> Tensor:
        """log p of every character that has a whole window before it, `(characters − window,)`, in
        float64."""
        codes, size = self.encode(text), self.recipe.network.window
        if len(codes) <= size:
            raise ValueError(
                f"text: expected more than {size} characters, the window that is given, found {len(codes)}: "
                "lengthen it"
            )
        return log_p(self.network, codes[None])[0].double()

    def log_likelihood(self, text: str) -> float:
        """Σ log p of all characters that are predicted: all but the first window, which is given."""
        return float(self.log_p(text).sum())

    def perplexity(self, text: str) -> float:
        """exp(−mean log p) of the characters that are predicted."""
        return math.exp(-float(self.log_p(text).mean()))

    @torch.no_grad()
    def generate_negatives(self, n: int, seed: int = 0) -> list[str]:
        """n strings as the network writes its negative data: the first windows of n training strings, drawn
        with replacement, each continued to a string's length by the softmax alone, without the memory."""
        if n < 1:
            raise ValueError(f"n: expected 1 or more, found {n}")
        strings = self.training_strings("negative strings go on from their first windows")
        drawn, size = self.generator(seed), self.recipe.network.window
        chosen = torch.randint(len(strings), (n,), generator=drawn, device=self.device)
        with without_memory(self.network) as network:
            how = {"temperature": self.recipe.training.temperature}
            written = write(network, strings[chosen, :size], strings.shape[1] - size, drawn, **how)
        return [self.decode(string) for string in written]


@contextlib.contextmanager
def without_memory(network: "Character") -> Iterator["Character"]:
    """The network as it predicts while it is trained; its memory comes back at the end."""
    memory, network.memory = network.memory, None
    try:
        yield network
    finally:
        network.memory = memory


MODELS: dict[type, type[Model]] = {ImageRecipe: ImageModel, TextRecipe: TextModel}


def load(path: str | Path, device: str = "auto") -> ImageModel | TextModel:
    """The trained network of a run folder, or of a file that `save` wrote.

    Nothing that is read can run code. Raises RunError if there is nothing to load or it is damaged, and
    ConfigError for a device that this machine has not.
    """
    path, where = Path(path), pick_device(device)
    if not path.exists():
        raise RunError(
            f"{path}: expected a run folder or a file that Model.save wrote, found nothing: check the path"
        )
    saved = Saved.of_folder(path) if path.is_dir() else Saved.of_file(path)
    made: Any = MODELS[type(recipe_from(saved.config["recipe"]))](saved, where)
    found: ImageModel | TextModel = made
    return found


# Training, for notebooks.


@dataclass(frozen=True)
class Trained:
    """What `train` returns."""

    model: ImageModel | TextModel
    history: list[dict[str, Any]] = field(repr=False)
    """A record of every epoch, as metrics.jsonl has it."""
    result: dict[str, Any] = field(repr=False)
    """As result.json: the test set, read once, at the end; for arrays without a test set, the run alone."""
    folder: Path | None
    """The run folder; None if it was not kept."""


@dataclass(frozen=True)
class Pair:
    """Images and labels."""

    images: Tensor
    labels: Tensor


Part = LabelledImages | Pair


@dataclass(frozen=True)
class Run:
    """A run that is about to start."""

    trainer: Any
    config: dict[str, Any]
    validation: Any
    finish: Callable[[RunFolder], dict[str, Any]]
    """Writes all but metrics and checkpoints; returns the result."""


def images_of(recipe: ImageRecipe, data: Any) -> tuple[Part, Part | None, Part | None, list[str]]:
    """Training, validation and test images, and the classes' names; raises ConfigError."""
    import corpora

    if isinstance(data, tuple):
        if len(data) != 2:
            raise ConfigError(f"data: expected a pair of images and labels, found {len(data)} values")
        images, labels = as_images(data[0]), np.asarray(data[1])
        if labels.shape != (len(images),):
            raise ConfigError(
                f"data: expected {len(images)} labels, one an image, found shape {labels.shape}"
            )
        names, codes = np.unique(labels, return_inverse=True)
        if labels.dtype.kind not in "iuUS" or len(names) < 2:
            raise ConfigError(
                f"data: expected integers or names as labels, of 2 classes at least, found {len(names)} of "
                f"type {labels.dtype}"
            )
        return (
            Pair(images, torch.from_numpy(codes).long()),
            None,
            None,
            [str(name) for name in names.tolist()],
        )
    corpus = corpora.load_images(recipe.data) if data is None else data
    if recipe.training.train_on_validation and hasattr(corpus, "joined"):
        corpus = corpus.joined()
    about = getattr(corpus, "description", None)
    classes = about.classes if about else range(int(corpus.train.labels.max()) + 1)
    return corpus.train, corpus.validation, corpus.test, [str(name) for name in classes]


def image_run(recipe: ImageRecipe, data: Any, seed: int, device: torch.device, precision: str) -> Run:
    """A run on images, and how it ends: result, examples, `data.json` and `calibration.json`."""
    train, validation, test, names = images_of(recipe, data)
    trainer = new_trainer(recipe, train.images, train.labels, len(names), seed, device, precision)
    held_out = trainer.held_out(validation)

    def finish(folder: RunFolder) -> dict[str, Any]:
        result = describe(folder, device)
        if test is None:
            folder.write_json("result.json", result)
        else:
            result = finish_images(trainer, folder, test)
        folder.write_json("data.json", about_images(train.images, names))
        folder.write_json("calibration.json", dataclasses.asdict(calibrated(trainer, held_out)))
        return result

    return Run(trainer, configuration(recipe, seed, precision), held_out, finish)


def calibrated(trainer: ImageTrainer, held_out: tuple[Images, Tensor] | None) -> Calibration:
    """The temperature on validation images, or, where there are none, on the last tenth of training
    images."""
    if held_out is not None:
        return calibrate(trainer.network, *held_out)
    last = slice(-math.ceil(len(trainer.labels) / 10), None)
    images = Images(trainer.images.images[last], trainer.device, trainer.recipe.training.permute)
    return calibrate(trainer.network, images, trainer.labels[last], "training")


def text_run(recipe: TextRecipe, data: Any, seed: int, device: torch.device, precision: str) -> Run:
    """A run on a text, and how it ends: result, examples and `text.safetensors`."""
    import corpora

    if isinstance(data, tuple):
        raise ConfigError(
            "data: expected a text with train, validation and test, found a pair: see corpora.load_text"
        )
    text = corpora.load_text(recipe.data) if data is None else data
    symbols = "".join(text.alphabet.symbols) if hasattr(text, "alphabet") else corpora.ALPHABET
    trainer = TextTrainer(recipe, text.train, len(symbols), seed, device, precision)

    def finish(folder: RunFolder) -> dict[str, Any]:
        parts = {part: getattr(text, part).contiguous() for part in ("train", "validation", "test")}
        write_atomic(folder.path / "text.safetensors", safetensors.torch.save(parts))
        return finish_text(trainer, folder, text)

    config = configuration(recipe, seed, precision, text, symbols)
    return Run(trainer, config, text.validation.to(device), finish)


RUNS: dict[type, Callable[..., Run]] = {ImageRecipe: image_run, TextRecipe: text_run}


def train(
    recipe: str | Recipe,
    *,
    epochs: int | None = None,
    data: Any = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "fp32",
    callbacks: Iterable[Callable[[Event], object]] = (),
    progress: bool = True,
    **settings: Any,
) -> Trained:
    """Train a recipe to its end, and read the test set once.

    `recipe` is a name from `ffrec.RECIPES` or a recipe; `epochs` and `settings` replace settings of its
    network or training. `data` is None for the recipe's own data set (looked for in FFREC_DATA), or a pair of
    images `(n, height, width[, channels])`, as `as_images` says, and labels `(n,)`, integers or names; or an
    object with train, validation (or None) and test as `corpora.load` returns it. A pair has no validation
    images: all are learnt from, and the temperature of `predict_proba` is fitted on the last tenth of them.

    `out` is the run folder to write, which must not exist; without it nothing is kept on disk. Every callback
    is called with every event: Update, Epoch, Interrupted. Raises ConfigError for wrong settings or data,
    RunError if `out` exists, and Diverged if a loss is not finite.
    """
    chosen = recipe_named(recipe) if isinstance(recipe, str) else recipe
    chosen = chosen.override(settings if epochs is None else {"epochs": epochs, **settings})
    if isinstance(data, tuple):
        chosen = dataclasses.replace(chosen, data=AN_ARRAY)
    if out is not None and Path(out).exists():
        raise RunError(f"{out}: expected a folder that is not there yet, found one: choose another out")
    run = RUNS[type(chosen)](chosen, data, seed, pick_device(device, precision), precision)
    with tempfile.TemporaryDirectory() as passing:
        folder = RunFolder.create(Path(out or Path(passing) / "run"), run.config)
        history = list(followed(run, folder, [*callbacks, *([Line(chosen)] if progress else [])]))
        result = run.finish(folder)
        if out is None:
            result.pop("run", None)
        return Trained(load(folder.path, device), history, result, Path(out) if out is not None else None)


def followed(
    run: Run, folder: RunFolder, callbacks: Sequence[Callable[[Event], object]]
) -> Iterator[dict[str, Any]]:
    """Train to the end and yield the record of every epoch."""
    for event in run.trainer.run(folder, run.validation):
        for callback in callbacks:
            callback(event)
        if isinstance(event, Epoch):
            yield event.record


WORDS = {
    "error_goodness": "error {:.2f} %",
    "error_softmax": "error {:.2f} %",
    "perplexity": "perplexity {:.2f}",
}


class Line:
    """Progress as one line that is written over: in a terminal or a notebook, else nothing."""

    def __init__(self, recipe: Recipe) -> None:
        self.name, self.epochs, self.shown, self.found = recipe.name, recipe.training.epochs, "", ""
        kernel = "ipykernel" in sys.modules
        self.out = sys.stdout if kernel else sys.stderr
        self.seen = kernel or self.out.isatty()

    def __call__(self, event: Event) -> None:
        if not self.seen:
            return
        if isinstance(event, Epoch):
            held_out = event.record.get("validation", {})
            found = [words.format(held_out[key]) for key, words in WORDS.items() if key in held_out]
            self.found = f", validation {found[0]}" if found else self.found
            self.show(event.record["epoch"], 0, 1, "\n" if event.record["epoch"] == self.epochs else "")
        elif isinstance(event, Update):
            self.show(event.epoch - 1, event.step, event.steps)

    def show(self, epochs: int, step: int, steps: int, end: str = "") -> None:
        """Write the line anew if it has changed."""
        done = round(20 * (epochs + step / steps) / self.epochs)
        bar = "█" * done + "░" * (20 - done)
        line = f"{self.name} {bar} epoch {min(epochs + 1, self.epochs)}/{self.epochs}{self.found}"
        if line != self.shown or end:
            print(f"\r{line:<79}", end=end, file=self.out, flush=True)
            self.shown = line
