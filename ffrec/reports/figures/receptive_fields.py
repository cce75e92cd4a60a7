"""Receptive fields of the first hidden layer."""

import math
from itertools import product

import numpy as np
from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import NothingToDraw
from ffrec.reports.figures.examples import Array, examples
from ffrec.reports.summary import Summary
from ffrec.storage.run_folder import RunFolder

WEIGHTS = "layers.0.connections.0.weight"  # in a checkpoint
LABEL_WEIGHTS = "layers.0.connections.label.weight"


def receptive_fields(run: Summary) -> Figure:
    """Weights of 100 units of hidden layer 1, as images (Hinton 2022, figure 2)."""
    fields = first_layer(run)
    count = min(100, len(fields))
    rows = -(-count // 10)
    figure = Figure(figsize=(9, 0.9 * rows + 0.6), layout="constrained")
    for unit, axes in enumerate(figure.subplots(rows, 10, squeeze=False).flat):
        axes.set_axis_off()
        if unit < count:
            field = fields[unit]
            limit = np.abs(field).max()
            shown = 0.5 + field / (2 * limit) if field.ndim == 3 else field  # colours have no colour map
            axes.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)
    notes = ["The pixels are permuted"] if run.setting("permute") is not None else []
    if run.setting("label") == "overwrite":
        notes.append("The label has the place of the first pixels")
    figure.suptitle(
        f"Incoming weights of {count} units of hidden layer 1 (red: positive, blue: negative; own scales)"
        + "".join(f"\n{note}" for note in notes)
    )
    return figure


def first_layer(run: Summary) -> Array:
    """The incoming weights of every unit of hidden layer 1, as images `(units, height, width)`.

    An image holds the label's weights where the label is written over pixels. Local receptive fields come as
    small images of their own, channel by channel. Raises NothingToDraw without such weights.
    """
    saved = RunFolder(run.path).load()
    if saved is None:
        raise NothingToDraw(f"{run.path} has no checkpoint yet: train it first")
    if WEIGHTS not in saved[1]:
        raise NothingToDraw(f"{run.path} has no hidden layer with a local update to draw")
    weights = saved[1][WEIGHTS].numpy()
    field = run.setting("field")
    if field is not None:
        return of_bands(weights, field, examples(run)["images"].shape[1])
    if weights.ndim == 3:  # (locations, field, channels)
        side = math.isqrt(weights.shape[1])
        own: Array = weights.transpose(2, 0, 1).reshape(-1, side, side)
        return own
    shape = examples(run)["images"].shape[1:]
    if len(weights) < math.prod(shape):
        label = saved[1][LABEL_WEIGHTS].numpy()
        weights = np.concatenate([label * len(label) ** 0.5, weights])
    fields: Array = weights.T.reshape(-1, *shape)
    return fields


def of_bands(weights: Array, field: int, side: int) -> Array:
    """The fields that lie within the map `(units, field, field)`, or with colours last, of weights `(bands,
    places and colours that a band sees, places and channels of the band)`. Raises NothingToDraw if none
    does."""
    rows, reach = side // len(weights), field // 2
    maps = weights.reshape(
        len(weights), rows + 2 * reach, side, -1, rows, side, weights.shape[2] // (rows * side)
    )
    found = []
    for top, left in product(range(side - field + 1), repeat=2):
        band, y = divmod(top + reach, rows)
        own = maps[band, y : y + field, left : left + field, :, y, left + reach]
        found.append(own.transpose(3, 0, 1, 2))
    if not found:
        raise NothingToDraw(f"field: no field of {field} × {field} lies within {side} × {side} places")
    fields: Array = np.concatenate(found)
    return fields[..., 0] if fields.shape[3] == 1 else fields
