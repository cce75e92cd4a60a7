"""`ffrec train`: a recipe becomes a run folder."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import options

if TYPE_CHECKING:
    from corpora import Corpus
    from ffrec.checkpoint import RunFolder
    from ffrec.train import Trainer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe that `ffrec ls` lists.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value with a TOML value; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and negatives.")] = 0,
    device: options.Device = "auto",
    precision: Annotated[Literal["fp32", "tf32", "bf16"], typer.Option(help="Of matrix products.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-SEED if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is in the way.")] = False,
    data: options.Data = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard events.")] = False,
    json: options.Json = False,
) -> None:
    """Train a recipe, validate it on the way, and read the test set once, at the end."""
    import corpora
    import ffrec
    from ffrec.checkpoint import RunFolder
    from ffrec.runs import configuration, finish, pick_device
    from ffrec.runs import resume as go_back

    chosen = ffrec.recipe(recipe).override(options.parse_settings(set_ or []))
    where = pick_device(device, precision)
    events = event_writer() if tensorboard else None
    corpus = corpora.load(chosen.data, data)
    trainer = ffrec.Trainer(
        chosen,
        corpus.train.images,
        corpus.train.labels,
        len(corpus.description.classes),
        seed,
        where,
        precision,
    )
    path, wanted = out or Path("runs") / f"{recipe}-{seed}", configuration(chosen, seed, precision)
    if resume and path.exists():
        folder = RunFolder.open(path)
        go_back(trainer, folder, wanted)
    else:
        folder = RunFolder.create(path, wanted, force)
    follow(trainer, folder, corpus, events)
    options.print_result(finish(trainer, folder, corpus.validation, corpus.test), json)


def follow(
    trainer: "Trainer", folder: "RunFolder", corpus: "Corpus", events: Callable[[str], Any] | None = None
) -> None:
    """Train to the end and show how it goes; a signal ends the program once a checkpoint is written."""
    import ffrec
    from cli.progress import TrainingBar
    from cli.signals import Signals
    from ffrec.train import Epoch, Interrupted

    images = ffrec.Images(corpus.validation.images, trainer.device, trainer.recipe.training.permute)
    writer = events(str(folder.path / "tensorboard")) if events else None
    with Signals() as signals, TrainingBar(trainer) as bar:
        validation = (images, corpus.validation.labels)
        for event in trainer.run(folder, validation, stop=lambda: bool(signals.received)):
            bar.show(event)
            if writer and isinstance(event, Epoch):
                write_events(writer, event.record)
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
        raise typer.BadParameter(
            "--tensorboard needs the extra of that name: pip install 'ffrec[tensorboard]'"
        ) from None
    writer: Callable[[str], Any] = SummaryWriter
    return writer


def write_events(writer: Any, record: dict[str, Any]) -> None:
    """One epoch's numbers as TensorBoard scalars."""
    for layer, (loss, share) in enumerate(zip(record["loss"], record["pairwise_accuracy"], strict=True), 1):
        writer.add_scalar(f"loss/layer {layer}", loss, record["epoch"])
        writer.add_scalar(f"pairwise accuracy/layer {layer}", share, record["epoch"])
    for name in ("error_goodness", "error_softmax"):
        if "validation" in record:
            writer.add_scalar(f"validation/{name}", record["validation"][name], record["epoch"])
