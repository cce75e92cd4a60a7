"""A trained next-character network."""

import dataclasses
import math
import secrets
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ffrec.config import TextRecipe
from ffrec.data.draws import Draws
from ffrec.data.strings import first, pieces
from ffrec.models.arrays import Array
from ffrec.models.figure import draw_reading
from ffrec.models.model import Model
from ffrec.networks.text.network import TextNetwork
from ffrec.storage.files import RunError
from ffrec.tasks.recorded import check_fit, give_exponents
from ffrec.tasks.stored_text import symbols_of
from ffrec.training.text import make_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 150  # characters in a figure


class TextModel(Model):
    """A trained next-character network. Logarithms are natural."""

    recipe: TextRecipe
    network: TextNetwork

    def build(self) -> None:
        import corpora

        self.alphabet = corpora.Alphabet.of_symbols(symbols_of(self.saved.config, self.saved.source))
        self.symbols: tuple[str, ...] = self.alphabet.symbols
        """The alphabet, in the order of the codes."""
        network = make_network(self.recipe.network, len(self.symbols), torch.Generator())
        check_fit(network, self.saved.weights, self.recipe.name)
        network.load_state_dict(dict(self.saved.weights))
        give_exponents(network, self.saved.calibration, self.saved.source)
        self.network = network.to(self.device)
        if self.saved.strings is not None:
            window, used = self.recipe.network.window, self.recipe.training.strings
            strings = pieces(first(self.saved.strings, used, window), window)
            self.saved = dataclasses.replace(self.saved, strings=strings)
        if self.recipe.network.memory:
            with torch.no_grad():
                self.network.remember(self.training_strings("its memory recalls the training strings"))

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
        drawn = Draws(secrets.randbits(63) if seed is None else seed, self.device)
        written = self.network.generate(start[None], length, drawn, temperature, top_k, top_p)
        return self.decode(self.encode(prompt)) + self.decode(written[0, len(start) :])

    def codes_of(self, text: str) -> Tensor:
        """`encode`, of a text in which something can be predicted; raises ValueError for others."""
        codes, size = self.encode(text), self.recipe.network.window
        if len(codes) <= size:
            raise ValueError(
                f"text: expected more than {size} characters, the window that is given, found {len(codes)}: "
                "lengthen it"
            )
        return codes

    @torch.no_grad()
    def predictions(self, text: str) -> Array:
        """log p of every symbol in place of each character that has a whole window before it, `(characters −
        window, symbols)`, by the network as it predicts after training: its predictors together, with
        the exponents that validation strings have chosen, if there are any."""
        batches = self.network.batches(self.codes_of(text)[None])
        found = [self.network.predict(windows, state) for windows, _, state in batches]
        log_p: Array = torch.cat(found).cpu().numpy()
        return log_p

    def plot_predictions(self, text: str) -> "Figure":
        """A figure of `predictions`, with the text across and the symbols down; a ring marks the character
        that came. Raises ValueError for a text of which more than 150 characters are predicted."""
        read = self.decode(self.codes_of(text))[self.recipe.network.window :]
        if len(read) > SHOWN:
            raise ValueError(
                f"plot_predictions: expected at most {SHOWN} characters after the first window, found "
                f"{len(read)}: shorten the text"
            )
        return draw_reading(self.predictions(text), read, self.symbols)

    @torch.no_grad()
    def log_p(self, text: str) -> Tensor:
        """log p of every character that has a whole window before it, `(characters − window,)`, in
        float64."""
        return self.network.mix(self.network.log_likelihood(self.codes_of(text)[None]))[0].double()

    def log_likelihood(self, text: str) -> float:
        """Σ log p of all characters that are predicted: all but the first window, which is given."""
        return float(self.log_p(text).sum())

    def perplexity(self, text: str) -> float:
        """exp(−mean log p) of the characters that are predicted."""
        return math.exp(-float(self.log_p(text).mean()))

    @torch.no_grad()
    def generate_negatives(self, n: int, seed: int = 0) -> list[str]:
        """n strings as the network writes its negative data: the first windows of n training strings, drawn
        with replacement, each continued to a string's length by the softmax alone."""
        if n < 1:
            raise ValueError(f"n: expected 1 or more, found {n}")
        strings = self.training_strings("negative strings go on from their first windows")
        drawn, size = Draws(seed, self.device), self.recipe.network.window
        chosen = drawn.integers(0, len(strings), (n,))
        length, temperature = strings.shape[1] - size, self.recipe.training.temperature
        written = self.network.dream(strings[chosen, :size], length, drawn, temperature)
        return [self.decode(string) for string in written]
