"""Heat maps of the goodness of every label over the iterations (Hinton 2022 §3.4)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ffrec.reports.figures.canvas import BAD, GOOD, NothingToDraw
from ffrec.reports.figures.examples import Array, examples
from ffrec.reports.summary import Summary


def centred(goodness: Array) -> Array:
    """Goodness `(iterations, classes)` as `(classes, iterations)`, less each iteration's mean over labels."""
    difference: Array = (goodness - goodness.mean(1, keepdims=True)).T
    return difference


def heat_map(run: Summary) -> Figure:
    """Goodness of every label over the iterations (Hinton 2022 §3.4), for some test images.

    Each image stands beside its map `(classes, iterations)`; goodness is less each iteration's mean.
    """
    kept, window = examples(run), run.setting("window")
    if window is None:
        raise NothingToDraw(f"{run.path} is a run of a network without iterations: it has no heat map")
    count = len(kept["truth"])
    columns = (count + 1) // 2
    names = run.class_names(kept["goodness"].shape[-1])
    figure = Figure(figsize=(3.9 * columns, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 2 * columns, width_ratios=[1.3, 2.4] * columns)
    for case in range(count):
        row, column = divmod(case, columns)
        picture = figure.add_subplot(grid[row, 2 * column])
        picture.imshow(kept["images"][case], cmap="gray_r")
        picture.set_axis_off()
        axes = figure.add_subplot(grid[row, 2 * column + 1])
        draw_map(axes, kept["goodness"][:, case], int(kept["truth"][case]), window, names)
    figure.suptitle(
        "Goodness of every label at every iteration, less the mean over labels (brighter: higher)",
        fontsize=15,
    )
    key = [marker(GOOD, "true label"), marker(BAD, "wrong label that was predicted")]
    key.append(
        Line2D([], [], color="black", ls=":", label="goodness is averaged over the iterations in between")
    )
    figure.legend(handles=key, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    return figure


def marker(colour: str, label: str = "") -> Line2D:
    """A triangle that points at a row from the right."""
    return Line2D([], [], color=colour, marker="<", markersize=9, ls="", clip_on=False, label=label)


def draw_map(axes: Axes, goodness: Array, truth: int, window: Sequence[int], names: Sequence[str]) -> None:
    """One heat map of goodness `(iterations, classes)`: labels down, iterations across.

    The label with the highest mean goodness within the window is the prediction; the title names it.
    """
    first, last = window
    predicted = int(goodness[first - 1 : last].mean(0).argmax())
    iterations, classes = goodness.shape
    edge = iterations + 0.5
    extent = (0.5, edge, classes - 0.5, -0.5)
    shown = axes.imshow(centred(goodness), cmap="magma", aspect="auto", extent=extent)
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.09, fraction=0.06)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.locator = MaxNLocator(4)
    bar.outline.set_visible(False)
    axes.set_yticks(range(classes), names)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    inside = 0.008 * iterations  # keeps the lines off the frame
    for border in (first - 0.5 + inside, last + 0.5 - inside):
        axes.axvline(border, color="white", lw=1.5, ls=":")
    for label, colour in {predicted: BAD, truth: GOOD}.items():  # truth last: it wins where both are one
        axes.get_yticklabels()[label].set(color=colour, fontweight="bold")
        pointer = marker(colour)
        pointer.set(xdata=[edge + 0.035 * iterations], ydata=[label])
        axes.add_line(pointer)
    right = predicted == truth
    title = names[predicted] if right else f"{names[predicted]}, true label {names[truth]}"
    axes.set_title(title, color=GOOD if right else BAD, fontweight="bold", fontsize=14)
    axes.set(xlabel="iteration", ylabel="label", xlim=(0.5, edge))
    axes.tick_params(labelsize=9, length=0)
