"""What all figures share: colours, ticks, and how a figure becomes a file."""

import io
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from ffrec.storage.files import RunError, write_atomic

GOOD, BAD, QUIET = "#0072b2", "#d55e00", "#888888"  # colour-blind readers can separate them too


class NothingToDraw(RunError):
    """A run that does not hold what a figure is made from."""


def shades(count: int) -> list[tuple[float, ...]]:
    """Colours of hidden layers, from the lowest to the highest."""
    return [tuple(colormaps["viridis"](0.8 * level / max(1, count - 1))) for level in range(count)]


def plain_ticks(axes: Axes) -> None:
    """Numbers such as 1.6 instead of 1.6 × 10⁰ on a logarithmic axis, sparse if it is long."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter() if high < 10 * low else NullFormatter())


def check_name(path: Path) -> None:
    """Raise RunError for a name that says it is something else than PNG."""
    if path.suffix != ".png":
        raise RunError(
            f"{path}: expected a name that ends in .png, found {path.suffix or 'no ending'}: rename it"
        )


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; raises RunError for another name (`check_name`)."""
    check_name(path)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, png.getvalue())
    return path
