"""What a training run shows on a terminal: a bar on stderr, and nothing when stderr is not a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ffrec.train import Epoch, Interrupted, Trainer, Update


class TrainingBar:
    """Epoch, images a second, pairwise accuracy of every layer, and the time left."""

    def __init__(self, trainer: Trainer) -> None:
        self.epochs, self.steps = trainer.recipe.training.epochs, trainer.steps
        console = Console(stderr=True)
        columns = [f"{{task.fields[{name}]}}" for name in ("epoch", "speed", "pairwise", "validation")]
        self.bar = Progress(
            TextColumn(trainer.recipe.name),
            BarColumn(),
            *(TextColumn(column) for column in columns),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(
            "",
            total=self.epochs * self.steps,
            completed=trainer.updates,
            epoch="",
            speed="",
            pairwise="",
            validation="",
        )

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
        elif isinstance(event, Epoch):
            record = event.record
            layers = " ".join(f"{100 * share:.1f}" for share in record["pairwise_accuracy"])
            speed = f"{record['images_per_second']:.0f} images/s"
            self.bar.update(self.task, speed=speed, pairwise=f"pairwise {layers} %")
            if "validation" in record:
                error = record["validation"]["error_goodness"]
                self.bar.update(self.task, validation=f"validation error {error:.2f} %")
