"""`ffrec train`: a recipe becomes a run folder."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

import ffrec
from cli import corpus, options
from cli.answers import note, print_result
from cli.console.signals import Signals
from cli.plugins import load_plugins
from cli.progress import TrainingBar
from cli.together import (
    arithmetic_of,
    begin,
    continues,
    followed,
    leading,
    read_in_turn,
    refuse_alone,
    refuse_one,
    refuse_pipeline,
    stage_of,
)
from corpora import Alphabet
from ffrec.config import ConfigError, Recipe
from ffrec.parallel.team import Team
from ffrec.storage.files import append
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.kinds import new_task
from ffrec.tasks.task import Task
from ffrec.training.arithmetic import without_denormals
from ffrec.training.capture import check_capture
from ffrec.training.device import pick_device
from ffrec.training.events import Collapsed, Epoch, Interrupted
from ffrec.training.trainer import Trainer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe that `ffrec ls` lists.")],
    set_: options.Set = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order and negatives.")
    ] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-SEED if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is in the way.")] = False,
    data: options.Data = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Train an image recipe on this folder of classes, or this .npz file."),
    ] = None,
    text: Annotated[Path | None, typer.Option(help="Train a character recipe on this text file.")] = None,
    alphabet: Annotated[
        str | None,
        typer.Option(help="Symbols of the text: aesop (30), auto (its own), or a file that has them."),
    ] = None,
    dreams: Annotated[
        Path | None,
        typer.Option(help="Add the negative strings of every round to this file (regime night)."),
    ] = None,
    sync_every: Annotated[
        int,
        typer.Option(
            min=1, help="Under torchrun: updates that processes learn alone, before they average weights."
        ),
    ] = 1,
    outer_momentum: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, callback=options.finite, help="Of the averaged change, with --sync-every."
        ),
    ] = 0.0,
    pipeline: Annotated[
        bool, typer.Option("--pipeline", help="Under torchrun: hidden layers in processes of their own.")
    ] = False,
    plugin: options.Plugins = None,
    capture: Annotated[
        bool, typer.Option("--capture", help="Do updates as CUDA graphs: the same numbers, without Python.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with exit code 1 at a warning that nothing is learnt."),
    ] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard events.")] = False,
    json: options.Json = False,
) -> None:
    """Train a recipe, validate it on the way, and read the test set once, at the end.

    --images and --text train a recipe on data of your own. Under torchrun, processes share the work.
    """
    plugins = load_plugins(plugin)
    chosen = ffrec.recipe(recipe).override(options.parse_settings(set_ or []))
    where = pick_device(device)
    corpus.refuse_unread(chosen, data=data, images=images, text=text, alphabet=alphabet, dreams=dreams)
    refuse_dreams(chosen, dreams)
    refuse_alone(sync_every, outer_momentum)
    path = out or Path("runs") / f"{recipe}-{seed}"
    with Team.start(where) as team, contextlib.ExitStack() as held:
        held.enter_context(without_denormals())
        if capture:
            check_capture(where, chosen.training.optimiser, team.world)
        refuse_one(team, sync_every)
        if pipeline:
            refuse_pipeline(chosen, team, sync_every)
        goes_on = team.lead(lambda: continues(path, resume, force))
        arithmetic = team.lead(lambda: arithmetic_of(path if goes_on else None, precision, where))
        events = event_writer() if tensorboard else None
        chosen = corpus.with_own(chosen, images or text)
        found = read_in_turn(team, lambda: corpus.load(chosen, data, alphabet))
        if pipeline:
            task: Task = stage_of(chosen, found, seed, team.device, arithmetic, plugins)
        else:
            task = new_task(chosen, found, seed, team.device, arithmetic, plugins)
            task.trainer.join(team, sync_every, outer_momentum)
        if followed(task):
            return
        computed = task.trainer.arithmetic
        if precision not in ("auto", computed):
            raise ConfigError(f"precision: this recipe is computed in {computed}: leave it out")
        if team.first and precision == "auto":
            note(f"precision: {computed} (auto)")
        if capture:
            task.trainer.capture()
        task.trainer.strict = strict
        if dreams and team.first:
            write_dreams(task, dreams)
        folder = begin(task, path, goes_on, force)
        held.enter_context(folder or contextlib.nullcontext())
        if team.first:
            if resume and not goes_on:
                print(f"no run at {path} yet: starting one", file=sys.stderr)
            if task.trainer.done == 1:
                print(f"{path} is trained to its end: only its result is made", file=sys.stderr)
            if goes_on and not task.trainer.updates:
                print(f"no checkpoint in {path} yet: starting at the first update", file=sys.stderr)
            for line in task.notes():
                print(line, file=sys.stderr if json else sys.stdout)
        with leading(task):
            follow(task.trainer, folder, task.validation, events)
        if team.first:
            note("reading the test set, once …")
        result = task.finish(folder)
        if team.first:
            print_result(result, task.summary(result), json)
        if strict and result.get("warnings"):
            raise Collapsed("; ".join(result["warnings"]))


def refuse_dreams(recipe: Recipe, dreams: Path | None) -> None:
    """Raise typer.BadParameter if no negative strings are made that could be written."""
    regime = getattr(recipe.training, "regime", None)
    if dreams and regime != "night":
        raise typer.BadParameter(f"--dreams expects regime night, found {regime}: try aesop-night")


def write_dreams(task: Task, file: Path) -> None:
    """Have the trainer add its negative strings to a text file, one a line."""
    append(file, b"")  # a name that cannot be written to is found out now
    alphabet = Alphabet.of_symbols(task.data["symbols"])

    def write(strings: Tensor) -> None:
        append(file, "".join(f"{alphabet.decode(string)}\n" for string in strings.cpu()).encode())

    task.trainer.on_generate = write  # type: ignore[attr-defined]


def follow(
    trainer: Trainer, folder: RunFolder | None, validation: Any, events: Callable[[str], Any] | None = None
) -> None:
    """Train to the end and show how it goes; a signal ends the program once a checkpoint is written."""
    writer, known = None, set[str]()
    with Signals() as signals, TrainingBar(trainer) as bar:
        for event in trainer.run(folder, validation, stop=lambda: bool(signals.received)):
            bar.show(event)
            if isinstance(event, Epoch) and trainer.team.first:
                warn(event.record, known)
            if events and folder and isinstance(event, Epoch):
                writer = writer or events(str(folder.path / "tensorboard"))  # by now the folder has its name
                write_events(writer, event.record, trainer.accuracy_name)
            if isinstance(event, Interrupted):
                if folder:
                    print(
                        f"stopped after update {event.step}; the checkpoint is in {folder.path}: "
                        "the same command with --resume goes on from it",
                        file=sys.stderr,
                    )
                raise typer.Exit(signals.exit_code)
    if writer:
        writer.close()


def warn(record: dict[str, Any], known: set[str]) -> None:
    """Print an epoch's warnings on stderr, unless an earlier one was about the same layer or data."""
    about = {warning: warning.split(":")[0] for warning in record["warnings"]}
    for warning, place in about.items():
        if place not in known:
            print(f"warning: epoch {record['epoch']}: {warning}", file=sys.stderr)
    known.update(about.values())


def event_writer() -> Callable[[str], Any]:
    """TensorBoard's writer of events; raises typer.BadParameter if the extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise typer.BadParameter(options.needs_extra("tensorboard")) from None
    writer: Callable[[str], Any] = SummaryWriter
    return writer


def write_events(writer: Any, record: dict[str, Any], accuracy: str) -> None:
    """One epoch's numbers as TensorBoard scalars; `accuracy` is the record's name of the layers' accuracy."""
    for layer, (loss, share) in enumerate(zip(record["loss"], record[accuracy], strict=True), 1):
        writer.add_scalar(f"loss/layer {layer}", loss, record["epoch"])
        writer.add_scalar(f"{accuracy.replace('_', ' ')}/layer {layer}", share, record["epoch"])
    for name in ("error_goodness", "error_softmax", "perplexity", "training_perplexity"):
        if name in record.get("validation", {}):
            writer.add_scalar(f"validation/{name}", record["validation"][name], record["epoch"])
