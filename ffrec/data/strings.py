"""Long texts as strings of characters that networks learn from and are measured on."""

from torch import Tensor

PIECE = 100  # characters of a piece that are predicted


def pieces(strings: Tensor, window: int) -> Tensor:
    """Strings of codes `(n, length)` cut into pieces `(pieces, window + 100)`; shorter strings as they are.

    Each piece predicts the 100 characters after the last one's, and repeats the `window` before them. So all
    of a string but the first window, and a rest of fewer than 100, is predicted once, after a whole window.
    The pieces of one string are a view of it and take no memory.
    """
    size = window + PIECE
    if strings.shape[1] <= size:
        return strings
    return strings.unfold(1, size, PIECE).flatten(0, 1)


def first(strings: Tensor, count: int | None, window: int) -> Tensor:
    """The first strings `(n, length)`, or of one long string what its first pieces are made from; all if
    `count` is None."""
    return strings if count is None else strings[:count, : window + count * PIECE]
