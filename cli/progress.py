"""What a training run shows on a terminal: a bar on stderr, and nothing when stderr is not a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ffrec.training.events import Epoch, Interrupted, Update
from ffrec.training.trainer import Trainer


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, if that is a terminal, that what is given moves on by a number."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


FIELDS = ("epoch", "speed", "accuracy", "validation")


class TrainingBar:
    """Epoch, speed, the accuracy of every layer, the validation, and the time left."""

    def __init__(self, trainer: Trainer) -> None:
        self.epochs, self.steps = trainer.recipe.training.epochs, trainer.steps
        self.counted, self.accuracy, self.due = trainer.counted, trainer.accuracy_name, trainer.due
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn(trainer.recipe.name),
            BarColumn(),
            *(TextColumn(f"{{task.fields[{name}]}}") for name in FIELDS),
            TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal and trainer.team.first),
        )
        fields: dict[str, Any] = dict.fromkeys(FIELDS, "")
        done, total = trainer.updates, self.epochs * self.steps
        self.task = self.bar.add_task("", completed=done, total=total, **fields)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def show(self, event: Update | Epoch | Interrupted) -> None:
        """Move the bar to an event."""
        if isinstance(event, Update):
            done = (event.epoch - 1) * self.steps + event.step
            self.bar.update(self.task, completed=done, epoch=f"epoch {event.epoch}/{self.epochs}")
            if event.step == event.steps and self.due(event.epoch):
                self.bar.update(self.task, validation="validating …")
        elif isinstance(event, Epoch):
            record = event.record
            layers = " ".join(f"{100 * share:.1f}" for share in record[self.accuracy])
            speed = f"{record[f'{self.counted}_per_second']:.0f} {self.counted}/s"
            accuracy = f"{self.accuracy.replace('_', ' ')} {layers} %" if layers else ""
            self.bar.update(self.task, speed=speed, accuracy=accuracy)
            held_out = record.get("validation", {})
            if "error_softmax" in held_out:
                error = held_out.get("error_goodness", held_out["error_softmax"])
                self.bar.update(self.task, validation=f"validation error {error:.2f} %")
            if "perplexity" in held_out:
                self.bar.update(self.task, validation=f"validation perplexity {held_out['perplexity']:.2f}")
