"""`ffrec recipe`: all settings of a recipe, and the memory that it needs."""

import dataclasses
import math
import textwrap
from typing import Annotated

import torch
import typer
from torch import nn

import ffrec
from cli import options
from cli.answers import print_result
from cli.plugins import load_plugins
from corpora.menu import named
from ffrec.config import Recipe, TextRecipe
from ffrec.training import text
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device
from ffrec.training.images import make_network
from ffrec.training.memory import estimate, free, in_words, planned

INDENT = 6 * " "


def recipe(
    name: Annotated[str, typer.Argument(help="A recipe that `ffrec ls` lists.")],
    set_: options.Set = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    plugin: options.Plugins = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each setting means.")] = False,
    json: options.Json = False,
) -> None:
    """Show every setting of a recipe, and what memory its weights, gradients and optimiser take."""
    load_plugins(plugin)
    chosen, where = ffrec.recipe(name).override(options.parse_settings(set_ or [])), pick_device(device)
    settings = dataclasses.asdict(chosen.network) | dataclasses.asdict(chosen.training)
    result = {"recipe": name, "data": chosen.data, "settings": settings}
    meanings = chosen.meanings() if explain else {}
    if explain:
        result["meanings"] = meanings
    lines = [f"{name} on {chosen.data}"]
    for key, value in settings.items():
        lines.append(f"  {key} = {value}")
        lines += textwrap.wrap(meanings.get(key, ""), 100, initial_indent=INDENT, subsequent_indent=INDENT)
    if explain:
        lines.append("`ffrec ls --menus` lists what is on the menus; § and notes are those of Hinton 2022")
    if plan := planned(lambda generator: network_of(chosen, generator)):
        needed = estimate(plan, chosen.training, pick_precision(precision, where))
        there = free(where)
        result["memory"] = dataclasses.asdict(needed) | {"free": there}
        left = f"; {where.type} has {in_words(there)} left" if there is not None else ""
        lines.append(f"{needed}, activities on top{left}")
    print_result(result, lines, json)


def network_of(chosen: Recipe, generator: torch.Generator) -> nn.Module:
    """The recipe's network, for its own data; raises DataError for data that is not on the menu."""
    about = named(chosen.data).description
    if isinstance(chosen, TextRecipe):
        return text.make_network(chosen.network, len(about.classes), generator)
    return make_network(chosen.network, math.prod(about.shape), len(about.classes), generator)
