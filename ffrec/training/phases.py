"""Wake and sleep phases: what each update learns from, and when negative strings are generated.

A schedule yields, without end, what is done with one batch after another: a tuple of phases, in order.

wake    learns from positive data alone        generate       writes new negative strings for this batch
sleep   learns from negative data alone        generate-all   writes new negative strings for all batches
both    learns from both in one weight update
"""

from collections.abc import Iterator
from typing import Literal

from ffrec.registry import register

Phase = Literal["wake", "sleep", "both", "generate", "generate-all"]
Schedule = Iterator[tuple[Phase, ...]]


@register("regime", "random")
def random(_between: int) -> Schedule:
    """Hidden layers stay as they were drawn; only the softmax learns."""
    return both()


@register("regime", "together")
def together(_between: int) -> Schedule:
    """Positive and negative gradients in one update, the negative data made with the weights it changes."""
    while True:
        yield "generate", "both"


@register("regime", "sleep")
def sleep(_between: int) -> Schedule:
    """An update on positive data; then one on negative data made with the new weights (figure 5)."""
    while True:
        yield "wake", "generate", "sleep"


@register("regime", "teacher-forced")
def teacher_forced(_between: int) -> Schedule:
    """Negative data are real windows with a predicted character last: nothing is generated."""
    return both()


@register("regime", "night")
def night(between: int) -> Schedule:
    """Negative data generated for all strings, once every `between` batches, and used until the next time."""
    while True:
        yield "generate-all", "both"
        for _ in range(between - 1):
            yield ("both",)


def both() -> Schedule:
    """Positive and negative gradients in every update."""
    while True:
        yield ("both",)


def apart(wake: int, sleep: int) -> Schedule:
    """`wake` batches of positive data alone, then `sleep` batches of negative data alone; an epoch's end
    changes nothing. Source: Lică and Dinucu-Jianu 2023, §3 and appendix C."""
    while True:
        for _ in range(wake):
            yield ("wake",)
        for _ in range(sleep):
            yield ("sleep",)


def generating(schedule: Schedule) -> Schedule:
    """The same schedule with new negative strings before every batch of a sleep phase."""
    for phases in schedule:
        yield ("generate", *phases) if "sleep" in phases else phases
