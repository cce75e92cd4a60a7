"""What a run folder records of its run, and how a run goes back to it."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ffrec.config import ConfigError, Recipe, recipe_from
from ffrec.evaluation.calibration import Calibration
from ffrec.networks.text.network import TextNetwork
from ffrec.storage.files import RunError, brief
from ffrec.storage.run_folder import UNLEARNT, RunFolder, epochs_of
from ffrec.training.memory import planned
from ffrec.training.trainer import Trainer

N = TypeVar("N", bound=nn.Module)

SAME_AGAIN = "give the same recipe, --set, --seed, --precision, or choose another --out"
CHECKSUMS = ("data_sha256", "text")  # of images, and of strings
LATER = ("classes", "symbols")  # older folders lack the first
UNCOMPARED = {"recipe.paper", "plugins", "text_file", *CHECKSUMS}
UNCOMPARED |= {f"recipe.training.{name}" for name in UNLEARNT}


def plain(recipe: Any) -> dict[str, Any]:
    """A recipe, or one of its parts, as plain JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return values


def configuration(recipe: Recipe, seed: int, precision: str, **data: Any) -> dict[str, Any]:
    """What decides a run's numbers, the way its folder records it; `data` is what is recorded of its data."""
    return {"recipe": plain(recipe), "seed": seed, "precision": precision, **data}


def settings(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as a flat dict, by dotted name."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        k: v for key, part in value.items() for k, v in settings(part, f"{name}.{key}".strip(".")).items()
    }


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run folder's configuration, with the defaults of settings that are younger than it; as it stands, if
    it has a setting that is gone."""
    try:
        return {**config, "recipe": plain(recipe_from(config.get("recipe")))}
    except ConfigError:
        return dict(config)


def check_same(folder: RunFolder, wanted: Mapping[str, Any], advice: str = SAME_AGAIN) -> None:
    """Raise RunError, naming the first difference and what to do, unless the folder holds the `wanted`
    configuration; what an older folder does not say is the default.

    Data is compared by its checksum where both sides have one, and by its name where not."""
    config = folder.config
    held, asked = settings(completed(config)), settings(wanted)
    uncompared = UNCOMPARED | {name for name in LATER if not (name in held and name in asked)}
    if "text" in held or ("data_sha256" in held and "data_sha256" in asked):
        uncompared.add("recipe.data")
    for name in sorted((held.keys() | asked.keys()) - uncompared):
        if held.get(name) != asked.get(name):
            raise RunError(
                f"{folder.path} was started with {name} = {brief(held.get(name))}, "
                f"found {brief(asked.get(name))}: {advice}"
            )
    check_data(folder, wanted, wanted["recipe"]["data"])


def check_data(folder: RunFolder, found: Mapping[str, Any], name: str) -> None:
    """Raise RunError unless the data called `name` is what the run was trained on, by the checksums that are
    recorded on both sides."""
    held = folder.config
    for key in CHECKSUMS:
        if held.get(key) and found.get(key) and held[key] != found[key]:
            raise RunError(
                f"{name} is not what {folder.path} was trained on: expected SHA-256 {held[key][:16]}…, "
                f"found {found[key][:16]}…: restore it, or train again with another --out"
            )


def resume(trainer: Trainer, folder: RunFolder | None, wanted: Mapping[str, Any]) -> None:
    """Put a trainer back to the newest checkpoint in the folder, and drop metrics beyond it.

    Of a team, the first process has the folder, and reads it for all. Raises RunError unless the folder holds
    the `wanted` configuration.
    """

    def read() -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        if folder is None:
            return None
        folder.hold()
        check_same(folder, wanted)
        saved = folder.load()
        if saved:
            check_fit(trainer.network, saved[1], str(folder.path))
        elif (lost := epochs_of(folder.metrics())) > 1:  # a crash may come between one and its checkpoint
            raise RunError(
                f"{folder.checkpoints}: expected the checkpoints of a run that has trained {lost} epochs, "
                "found none: restore them, or train again with --force"
            )
        return saved

    if saved := trainer.team.lead(read):
        restore(trainer, saved[1], saved[2], folder)
    if folder:
        folder.keep_metrics(trainer.epoch)


FOREIGN = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What torch and a trainer raise for a state that is not theirs."""


def restore(
    trainer: Trainer, weights: dict[str, Tensor], state: dict[str, Any], folder: RunFolder | None
) -> None:
    """Put a trainer back to weights and a state; raises RunError for a state that is not of its kind."""
    try:
        trainer.restore(weights, state)
    except FOREIGN as error:
        if trainer.team.world > 1 and isinstance(error, RuntimeError):
            raise  # the connection to another process may be lost
        place = folder.checkpoints if folder else "the checkpoint"
        raise RunError(
            f"{place}: the newest state.pt is damaged, or of another version: expected the state of today's "
            f"trainer, found what raises {type(error).__name__} ({brief(error)}): go back to the checkpoint "
            "before it by deleting its folder, or train again with --force"
        ) from None


def weights(folder: RunFolder, device: torch.device) -> dict[str, Tensor]:
    """The newest weights in a run folder; raises RunError if there are none."""
    saved = folder.load(device)
    if saved is None:
        if (folder.path / "result.json").is_file():
            raise RunError(
                f"{folder.path}: expected a checkpoint, found the results of a finished run alone: the "
                "command in its environment.json trains it again, with another --out"
            )
        raise RunError(
            f"{folder.path} has no checkpoint yet: the command that began it makes one, with --resume"
        )
    return saved[1]


def stored_calibration(folder: RunFolder) -> Calibration | None:
    """The calibration that a run folder holds, or None; raises RunError if it is damaged."""
    held = folder.read_json("calibration.json")
    return Calibration(**held) if held else None


def give_exponents(network: TextNetwork, found: Calibration, place: Path) -> None:
    """Let a network for characters predict with the exponents that were kept for it; raises RunError for
    those of another."""
    wanted = () if network.memory else network.predictors
    if found.exponents and {*found.exponents} != {*wanted}:
        raise RunError(
            f"{place}: expected a calibration with exponents of {', '.join(wanted) or 'nothing'}, "
            f"found those of {', '.join(found.exponents)}: train again"
        )
    network.exponents = found.exponents


def check_fit(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Raise RunError, naming the run, if saved weights have other names or shapes than the network's."""
    if {n: w.shape for n, w in saved.items()} != {n: w.shape for n, w in network.state_dict().items()}:
        raise RunError(
            f"{name}: expected weights of the network that its configuration describes today, found those of "
            "another: train it again"
        )


def refuse_empty(parts: Mapping[str, Tensor]) -> None:
    """Raise ConfigError, before training starts, for a part of the data without any case."""
    for name, cases in parts.items():
        if not len(cases):
            raise ConfigError(f"data: expected {name} cases, found none: give some")


def restored(
    make: Callable[[torch.Generator], N], saved: Mapping[str, Tensor], name: str, device: torch.device
) -> N:
    """The network that `make(generator)` makes, with saved weights, on the device; raises RunError, before
    memory is taken for it, if they do not fit."""
    if plan := planned(make):
        check_fit(plan, saved, name)
    network = make(torch.Generator())
    check_fit(network, saved, name)
    network.load_state_dict(saved)
    return network.to(device)


def describe(folder: RunFolder, device: torch.device) -> dict[str, Any]:
    """What every result says of the run it belongs to."""
    config, records = folder.config, folder.metrics()
    used = [record["processor_seconds"] for record in records if "processor_seconds" in record]
    return {
        "recipe": config["recipe"]["name"],
        "seed": config["seed"],
        "device": str(device),
        "epochs": epochs_of(records),
        "seconds": sum(record.get("seconds", 0.0) for record in records),
        "run": str(folder.path),
    } | ({"processor_seconds": sum(used)} if len(used) == len(records) else {})
