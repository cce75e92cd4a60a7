"""The picture of a model's goodness that a notebook shows."""

import io
import math
from typing import TYPE_CHECKING

from ffrec.models.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_goodness(images: Array, history: Array, answers: Array, classes: Array) -> "Figure":
    """Images beside their heat maps `(classes, iterations)`; a notebook shows the figure by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    class Shown(Figure):
        """A figure that a notebook shows even if pyplot was never imported."""

        def _repr_png_(self) -> bytes:
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
