"""`ffrec demo`: a recurrent network learns digits, a character network fables, while you watch."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffrec import Recipe

DIGITS, FABLES = Path("runs/demo"), Path("runs/demo-fables")


def demo() -> None:
    """Learn embedded digits, then embedded fables, in about a minute each."""
    digits()
    print()
    fables()


def wide(recipe: "Recipe") -> str:
    """The widths of a recipe's hidden layers."""
    return " and ".join(str(units) for units in recipe.network.hidden)


def digits() -> None:
    """Train on the embedded digits, and draw the network making up its mind."""
    import corpora
    import ffrec
    from cli.train import follow
    from ffrec.recipes.recurrent import recurrent_digits
    from ffrec.reports.pictures import draw
    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.runs import configuration, finish_images

    recipe, corpus = recurrent_digits(), corpora.load("digits")
    print(
        f"{len(corpus.train.labels)} handwritten digits, hidden layers of {wide(recipe)} units, "
        f"{recipe.training.epochs} epochs, no backward pass"
    )
    classes = len(corpus.description.classes)
    trainer = ffrec.ImageTrainer(recipe, corpus.train.images, corpus.train.labels, classes)
    folder = RunFolder.create(DIGITS, configuration(recipe, 0, "fp32"), force=True)
    follow(trainer, folder, trainer.held_out(corpus.validation))
    test = finish_images(trainer, folder, corpus.test)["test"]
    heat_map, *_ = draw(folder)
    print(
        f"test error {test['error_goodness']:.2f} % by goodness, {test['error_softmax']:.2f} % by one-pass "
        f"softmax ({test['images']} images never seen in training)\n"
        f"the network making up its mind: {heat_map}\n"
        f"next: {sys.argv[0]} train recurrent-mnist-small   (MNIST; downloaded unless FFREC_DATA has it)"
    )


def fables() -> None:
    """Train on the embedded fables, with a sleep phase, and let the network write."""
    import torch

    import corpora
    import ffrec
    from cli.train import follow
    from ffrec.recipes import text
    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.runs import configuration
    from ffrec.training.runs_text import finish_text

    recipe, corpus = text.fables(), corpora.load_text("fables")
    print(
        f"{len(corpus.train)} strings of {corpus.train.shape[1]} characters from fables, hidden layers "
        f"of {wide(recipe)} units; asleep, they learn from strings the network has dreamt itself"
    )
    trainer = ffrec.TextTrainer(recipe, corpus.train, len(corpora.ALPHABET))
    wanted = configuration(recipe, 0, "fp32", corpus, corpora.ALPHABET)
    folder = RunFolder.create(FABLES, wanted, force=True)
    follow(trainer, folder, corpus.validation)
    result = finish_text(trainer, folder, corpus)
    test = result["test"]
    print(
        f"held-out perplexity {test['perplexity']:.2f} (without its memory {test['softmax_perplexity']:.2f})",
        end="",
    )
    for name, found in result["baselines"].items():
        print(f", {name} {found['test']['perplexity']:.2f}", end="")
    prompts = ("the fox ", "one day ", "a lion a")
    context = torch.stack([corpora.encode(f"{prompt:>{recipe.network.window}}") for prompt in prompts])
    with torch.no_grad():
        lines = trainer.network.write(context, 80, torch.Generator().manual_seed(0), temperature=0.7)
    print("\nin its own words:")
    for line in lines:
        print(f"  {corpora.decode(line).strip()}")
    print(f"next: {sys.argv[0]} sample {FABLES} --prompt 'the wolf '")
