"""The pictures of what a model makes of its input that a notebook shows."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffrec.models.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LEAST = -9.0  # log p that is drawn as dark as any below it


def empty_figure(width: float, height: float) -> "Figure":
    """A figure of so many inches that a notebook shows by itself, even if pyplot was never imported."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Shown(Figure):
        """What a notebook asks for its picture."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png", dpi=90)
            return png.getvalue()

    figure = Shown(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_goodness(images: Array, history: Array, answers: Array, classes: Array) -> "Figure":
    """Images beside their heat maps `(classes, iterations)`."""
    from matplotlib.ticker import MaxNLocator

    columns = min(2, len(images))
    rows = math.ceil(len(images) / columns)
    figure = empty_figure(5.4 * columns, max(2.6, 0.22 * len(classes)) * rows)
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


def draw_reading(log_p: Array, text: Sequence[str], symbols: Sequence[str]) -> "Figure":
    """A text across, the symbols down: log p `(characters, symbols)` of each in place of the character that
    came, which a ring marks."""
    figure = empty_figure(1.5 + 0.17 * len(text), 1.2 + 0.17 * len(symbols))
    axes = figure.add_subplot()
    map_ = axes.imshow(log_p.T, cmap="magma", vmin=LEAST, vmax=0, aspect="auto", interpolation="nearest")
    figure.colorbar(map_, ax=axes, label="log p")
    came = [symbols.index(character) for character in text]
    for colour, width in (("black", 3.5), ("white", 1.5)):  # seen on dark and on bright
        axes.plot(range(len(text)), came, "o", mfc="none", mec=colour, mew=width, ms=6)
    axes.set_xticks(range(len(text)), [shown(character) for character in text])
    axes.set_yticks(range(len(symbols)), [shown(symbol) for symbol in symbols])
    axes.tick_params(labelsize=8, length=0)
    axes.set(xlabel="the text", ylabel="the next character", title="What was expected, and what came")
    return figure


def shown(symbol: str) -> str:
    """A symbol as it can be seen."""
    return {" ": "␣", "\n": "⏎"}.get(symbol, symbol)
