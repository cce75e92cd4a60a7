"""The processes of a study: started, halted by a signal, and heard when they end."""

import multiprocessing
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import typer

from cli import errors
from cli.console.signals import Signals
from cli.plugins import load_plugins

if TYPE_CHECKING:
    from ffrec.studies.shared import Shared

Work = Callable[[Callable[[], bool]], None]
"""All that a process does, until nothing is left or the function that it is given says stop."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every process of a study works on, and how; a study adds what it is about."""

    out: Path
    seed: int
    data: Path | None
    device: str
    precision: str
    jobs: int
    """Processes that work side by side."""
    plugins: tuple[Path, ...] = ()
    """Files that each of them imports first."""
    storage: str | None = None

    @property
    def plugin_names(self) -> list[str]:
        """What run folders record of the plugins."""
        return [file.name for file in self.plugins]


def say_dropped(study: "Shared") -> None:
    """Say on stderr what of a damaged record could not be kept."""
    if study.dropped:
        print(f"ffrec: {study.dropped}", file=sys.stderr)


def share_out(order: Order, work: Work) -> list[int]:
    """Do the work in as many processes as ordered.

    Returns the processes' exit codes; a signal ends the program once every checkpoint is written.
    """
    with Signals() as signals:
        if order.jobs == 1:
            work(lambda: bool(signals.received))
            codes = [errors.DONE]
        else:
            codes = started(order, work, signals)
        if signals.received:
            print("stopped; the same command again goes on from the checkpoints", file=sys.stderr)
            raise typer.Exit(signals.exit_code)
    return codes


def started(order: Order, work: Work, signals: Signals) -> list[int]:
    """The exit codes of several processes that work side by side; the first signal halts them all."""
    spawn = multiprocessing.get_context("spawn")
    halt = spawn.Event()
    workers = [spawn.Process(target=worker, args=(order, work, halt)) for _ in range(order.jobs)]
    for process in workers:
        process.start()
    while any(process.is_alive() for process in workers):
        for process in workers:
            process.join(0.2)
        if signals.received:
            halt.set()
    return [abs(process.exitcode or 0) for process in workers]


def worker(order: Order, work: Work, halt: Any) -> None:
    """One process of several: works until nothing is left, or `halt` is set, or the process that started it
    has died; a mistake of the user is one line and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach all processes: the first one sets `halt`
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(max(1, torch.get_num_threads() // order.jobs))
    torch.set_flush_denormal(True)  # as `without_denormals`, in all threads that start from here on
    parent = multiprocessing.parent_process()
    try:
        load_plugins(order.plugins)
        work(lambda: halt.is_set() or not (parent and parent.is_alive()))
    except Exception as error:
        sys.exit(errors.report(error))
