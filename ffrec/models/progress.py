"""Progress of a run in a notebook or a terminal."""

import sys

from ffrec.config import Recipe
from ffrec.training.events import Epoch, Interrupted, Update

Event = Update | Epoch | Interrupted


WORDS = {
    "error_goodness": "error {:.2f} %",
    "error_softmax": "error {:.2f} %",
    "perplexity": "perplexity {:.2f}",
}


class Line:
    """Progress as one line that is written over: in a terminal or a notebook, else nothing."""

    def __init__(self, recipe: Recipe) -> None:
        self.name, self.epochs, self.shown, self.found = recipe.name, recipe.training.epochs, "", ""
        kernel = "ipykernel" in sys.modules
        self.out = sys.stdout if kernel else sys.stderr
        self.seen = kernel or self.out.isatty()

    def __call__(self, event: Event) -> None:
        if not self.seen:
            return
        if isinstance(event, Epoch):
            held_out = event.record.get("validation", {})
            found = [words.format(held_out[key]) for key, words in WORDS.items() if key in held_out]
            self.found = f", validation {found[0]}" if found else self.found
            self.show(event.record["epoch"], 0, 1, "\n" if event.record["epoch"] == self.epochs else "")
        elif isinstance(event, Update):
            self.show(event.epoch - 1, event.step, event.steps)

    def show(self, epochs: int, step: int, steps: int, end: str = "") -> None:
        """Write the line anew if it has changed."""
        done = round(20 * (epochs + step / steps) / self.epochs)
        bar = "█" * done + "░" * (20 - done)
        line = f"{self.name} {bar} epoch {min(epochs + 1, self.epochs)}/{self.epochs}{self.found}"
        if line != self.shown or end:
            print(f"\r{line:<79}", end=end, file=self.out, flush=True)
            self.shown = line
