"""Hybrid images, and what they are made of."""

from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import NothingToDraw
from ffrec.reports.figures.examples import examples
from ffrec.reports.summary import Summary


def hybrids(run: Summary) -> Figure:
    """Two images, a mask, and the hybrid of both, a few times (Hinton 2022, figure 1)."""
    kept = examples(run)
    if "hybrids" not in kept:
        raise NothingToDraw(f"{run.path} did not learn from hybrid images")
    rows = {"images": "image", "others": "another", "masks": "mask", "hybrids": "hybrid"}
    count = len(kept["hybrids"])
    figure = Figure(figsize=(1.2 * count + 1, 5.2), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, (key, label) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, kept[key], strict=True):
            axes.imshow(picture, cmap="gray" if key == "masks" else "gray_r")
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel(label)
    figure.suptitle("Hybrids (negative data): one image where the mask is white, another where it is black")
    return figure
