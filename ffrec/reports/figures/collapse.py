"""How far the layers of a run have collapsed, epoch by epoch."""

from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import NothingToDraw, shades
from ffrec.reports.figures.learning_curves import finish
from ffrec.reports.summary import Summary

LINES = {"rank": ("rank",), "cosine": ("within", "between"), "spread": ("spread",)}
LABELS = {
    "rank": "dimensions in use",
    "cosine": "mean cosine of two cases",
    "spread": "1 − |mean direction|²",
}
STYLES = {"between": "s--"}


def collapse(run: Summary) -> Figure:
    """Of every hidden layer, on validation images: the dimensions that its activities use, the mean cosine of
    two images of one class and of two classes, and the spread of directions."""
    found = [record for record in run.metrics if "collapse" in record.get("validation", {})]
    if not found:
        raise NothingToDraw(f"{run.path} holds no measure of collapse: it is recorded where layers agree")
    epochs = [record["epoch"] for record in found]
    colours = shades(len(run.recipe["network"]["hidden"]))
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(LINES)), LINES.items(), strict=True):
        for name in names:
            for layer, colour in enumerate(colours):
                values = [record["validation"]["collapse"][name][layer] for record in found]
                kind = "" if len(names) == 1 else ", one class" if name == "within" else ", two classes"
                label = f"hidden layer {layer + 1}{kind}"
                axes.plot(epochs, values, STYLES.get(name, "o-"), color=colour, label=label, ms=3)
        top = 1.05 * axes.dataLim.ymax if title == "rank" else 1.02
        axes.set(xlabel="epoch", ylabel=LABELS[title], ylim=(0, top))
        finish(axes)
    return figure
