"""`ffrec train`: a recipe becomes a run folder."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import options

if TYPE_CHECKING:
    from torch import Tensor

    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.trainer import Trainer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe that `ffrec ls` lists.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value with a TOML value; may be repeated.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order and negatives.")
    ] = 0,
    device: options.Device = "auto",
    precision: Annotated[Literal["fp32", "tf32", "bf16"], typer.Option(help="Of matrix products.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-SEED if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is in the way.")] = False,
    data: options.Data = None,
    text: Annotated[Path | None, typer.Option(help="Train a character recipe on this text file.")] = None,
    dreams: Annotated[
        Path | None, typer.Option(help="Add the strings dreamt in every night to this file (regime night).")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard events.")] = False,
    json: options.Json = False,
) -> None:
    """Train a recipe, validate it on the way, and read the test set once, at the end."""
    import corpora
    import ffrec
    from cli.progress import note
    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.runs import configuration, finish_images, new_trainer, pick_device
    from ffrec.training.runs import resume as go_back
    from ffrec.training.runs_text import finish_text
    from ffrec.training.trainer import Trainer

    chosen = ffrec.recipe(recipe).override(options.parse_settings(set_ or []))
    where = pick_device(device, precision)
    path = out or Path("runs") / f"{recipe}-{seed}"
    started = RunFolder.open(path) if resume and path.exists() else None
    if not started:
        RunFolder.check_free(path, force)
    events = event_writer() if tensorboard else None
    trainer: Trainer
    if isinstance(chosen, ffrec.TextRecipe):
        if dreams and chosen.training.regime != "night":
            raise typer.BadParameter(
                f"--dreams expects regime night, found {chosen.training.regime}: try aesop-night"
            )
        if text:
            chosen = dataclasses.replace(chosen, data=str(text.resolve()))
        strings = corpora.load_text(chosen.data, data)
        trainer = ffrec.TextTrainer(chosen, strings.train, len(corpora.ALPHABET), seed, where, precision)
        trainer.diary = diary(dreams) if dreams else None
        wanted = configuration(chosen, seed, precision, strings, corpora.ALPHABET)
    else:
        if text or dreams:
            raise typer.BadParameter(
                f"--text and --dreams need a character recipe, found {recipe}: try fables"
            )
        corpus = options.load_images(chosen, data)
        classes = len(corpus.description.classes)
        trainer = new_trainer(
            chosen, corpus.train.images, corpus.train.labels, classes, seed, where, precision
        )
        wanted = configuration(chosen, seed, precision)
    if started:
        go_back(trainer, started, wanted)
    elif resume:
        print(f"no run at {path} yet: starting one", file=sys.stderr)
    folder = started or RunFolder.create(path, wanted, force)
    if isinstance(trainer, ffrec.TextTrainer):
        follow(trainer, folder, strings.validation.to(where), events)
        note("reading the test set, once …")
        options.print_text_result(finish_text(trainer, folder, strings), json)
        if text and not json:
            options.print_deleted(strings.deleted)
    else:
        assert isinstance(trainer, ffrec.ImageTrainer)
        follow(trainer, folder, trainer.held_out(corpus.validation), events)
        options.print_result(finish_images(trainer, folder, corpus.test), json)


def diary(file: Path) -> Callable[["Tensor"], None]:
    """Something that adds strings to a text file, one a line."""
    import corpora

    file.open("a").close()  # a name that cannot be written to is found out now

    def write(strings: "Tensor") -> None:
        with file.open("a", encoding="utf-8") as book:
            book.write("".join(f"{corpora.decode(string)}\n" for string in strings.cpu()))

    return write


def follow(
    trainer: "Trainer", folder: "RunFolder", validation: Any, events: Callable[[str], Any] | None = None
) -> None:
    """Train to the end and show how it goes; a signal ends the program once a checkpoint is written."""
    from cli.progress import TrainingBar
    from cli.signals import Signals
    from ffrec.training.trainer import Epoch, Interrupted

    writer = events(str(folder.path / "tensorboard")) if events else None
    with Signals() as signals, TrainingBar(trainer) as bar:
        for event in trainer.run(folder, validation, stop=lambda: bool(signals.received)):
            bar.show(event)
            if writer and isinstance(event, Epoch):
                write_events(writer, event.record, trainer.judged)
            if isinstance(event, Interrupted):
                print(
                    f"stopped after update {event.step}; the checkpoint is in {folder.path}: "
                    "the same command with --resume goes on from it",
                    file=sys.stderr,
                )
                raise typer.Exit(signals.exit_code)
    if writer:
        writer.close()


def event_writer() -> Callable[[str], Any]:
    """TensorBoard's writer of events; raises typer.BadParameter if the extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise typer.BadParameter(options.needs_extra("tensorboard")) from None
    writer: Callable[[str], Any] = SummaryWriter
    return writer


def write_events(writer: Any, record: dict[str, Any], judged: str) -> None:
    """One epoch's numbers as TensorBoard scalars."""
    for layer, (loss, share) in enumerate(zip(record["loss"], record[judged], strict=True), 1):
        writer.add_scalar(f"loss/layer {layer}", loss, record["epoch"])
        writer.add_scalar(f"{judged.replace('_', ' ')}/layer {layer}", share, record["epoch"])
    for name in ("error_goodness", "error_softmax", "perplexity", "training_perplexity"):
        if name in record.get("validation", {}):
            writer.add_scalar(f"validation/{name}", record["validation"][name], record["epoch"])
