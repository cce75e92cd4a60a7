"""Wake and sleep: what a run learns from, in which order. Knows only names and counts.

A schedule yields, without end, what is done with one batch after another: a tuple of phases, in order.

wake    learns from positive data alone        dream   writes new negative data for this batch
sleep   learns from negative data alone        night   writes new negative data for all batches
both    learns from both in one weight update
"""

from collections.abc import Callable, Iterator

from ffrec.config.training import Phase, Regime

Schedule = Iterator[tuple[Phase, ...]]


def together(_between: int) -> Schedule:
    """Positive and negative gradients in one update, the negative data made with the weights it changes."""
    while True:
        yield "dream", "both"


def sleep(_between: int) -> Schedule:
    """An update on positive data; then one on negative data made with the new weights (figure 5)."""
    while True:
        yield "wake", "dream", "sleep"


def night(between: int) -> Schedule:
    """Negative data made offline, once every `between` batches, and used until the next night."""
    while True:
        yield "night", "both"
        for _ in range(between - 1):
            yield ("both",)


def apart(awake: int, asleep: int) -> Schedule:
    """`awake` batches of positive data alone, then `asleep` batches of negative data alone; an epoch's end
    changes nothing. Source: Lică and Dinucu-Jianu 2023, §3 and appendix C."""
    while True:
        for _ in range(awake):
            yield ("wake",)
        for _ in range(asleep):
            yield ("sleep",)


def dreaming(schedule: Schedule) -> Schedule:
    """The same schedule with new negative data written before every batch of sleep."""
    for phases in schedule:
        yield ("dream", *phases) if "sleep" in phases else phases


def undreamt(_between: int) -> Schedule:
    """Positive and negative gradients in one update; the negative data needs no dreams."""
    while True:
        yield ("both",)


PHASES: dict[Regime, Callable[[int], Schedule]] = {
    "random": undreamt,
    "together": together,
    "sleep": sleep,
    "teacher-forced": undreamt,
    "night": night,
}
