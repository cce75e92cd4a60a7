"""`ffrec demo`: a recurrent network learns digits, a character network fables."""

from pathlib import Path
from typing import Any

import torch

from cli.corpus import load
from cli.train import follow
from corpora import Alphabet
from ffrec.config import Recipe
from ffrec.data.draws import Draws
from ffrec.recipes import text
from ffrec.recipes.recurrent import recurrent_digits
from ffrec.reports.figures import draw
from ffrec.reports.summary import read
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.kinds import new_task
from ffrec.tasks.task import Task

DIGITS, FABLES = Path("runs/demo"), Path("runs/demo-fables")
PROMPTS = ("the fox ", "one day ", "a lion a")


def demo() -> None:
    """Learn embedded digits, then embedded fables, in about a minute each."""
    digits()
    print()
    fables()


def wide(recipe: Recipe) -> str:
    """The widths of a recipe's hidden layers."""
    return " and ".join(str(units) for units in recipe.network.hidden)


def learn(task: Task, path: Path) -> tuple[RunFolder, dict[str, Any]]:
    """Train a task in a folder of the demo; returns the folder and the result."""
    with task.start(path, force=True) as folder:
        follow(task.trainer, folder, task.validation)
        return folder, task.finish(folder)


def digits() -> None:
    """Train on the embedded digits, and draw the goodness of every label over the iterations."""
    recipe = recurrent_digits()
    corpus = load(recipe)
    print(
        f"{len(corpus.train.labels)} handwritten digits, hidden layers of {wide(recipe)} units, "
        f"{recipe.training.epochs} epochs, no backward pass"
    )
    folder, result = learn(new_task(recipe, corpus), DIGITS)
    heat_map, *_ = draw(read(folder))
    test = result["test"]
    print(
        f"test error {test['error_goodness']:.2f} % by goodness, {test['error_softmax']:.2f} % by one-pass "
        f"softmax ({test['images']} images never seen in training)\n"
        f"the goodness of every label, iteration by iteration: {heat_map}\n"
        f"next: ffrec train recurrent-mnist-small   (MNIST; downloaded unless FFREC_DATA has it)"
    )


def fables() -> None:
    """Train on the embedded fables, with a sleep phase, and generate text."""
    recipe = text.fables()
    corpus = load(recipe)
    print(
        f"{len(corpus.train)} strings of {corpus.train.shape[1]} characters from fables, hidden layers "
        f"of {wide(recipe)} units; in sleep, they learn from strings that the network has generated"
    )
    task = new_task(recipe, corpus)
    _, result = learn(task, FABLES)
    test = result["test"]
    print(
        f"held-out perplexity {test['perplexity']:.2f} (without its memory {test['softmax_perplexity']:.2f})",
        end="",
    )
    for name, found in result["baselines"].items():
        print(f", {name} {found['test']['perplexity']:.2f}", end="")
    alphabet = Alphabet.of_symbols(task.data["symbols"])
    context = torch.stack([alphabet.encode(f"{prompt:>{recipe.network.window}}") for prompt in PROMPTS])
    with torch.no_grad():
        drawn = Draws(0)
        lines = task.trainer.network.generate(context, 80, drawn, temperature=0.7)
    print("\ntext that it generates:")
    for line in lines:
        print(f"  {alphabet.decode(line).strip()}")
    print(f"next: ffrec sample {FABLES} --prompt 'the wolf '")
