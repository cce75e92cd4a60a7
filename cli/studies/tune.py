"""`ffrec tune`: a search of a recipe's settings, by as many processes as there are."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

import ffrec
from cli import errors, options
from cli.corpus import EMBEDDED, refuse_folder
from cli.plugins import load_plugins
from cli.report import put_between
from cli.studies.searching import SearchOrder, needs_optuna, work
from cli.studies.workers import say_dropped, share_out
from ffrec.reports.figures.canvas import check_name, save
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device


class SearchFirst(TyperGroup):
    """Commands of which `search` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and args[0] in self.commands
        return super().parse_args(ctx, args if named or not args else ["search", *args])


app = typer.Typer(cls=SearchFirst, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def search(
    recipe: Annotated[str, typer.Argument(help="A recipe that `ffrec ls` lists.")],
    space: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="A TOML file with what to choose: docs/tune.md."),
    ],
    trials: Annotated[int, typer.Option(min=1, help="Combinations to try, by all processes together.")] = 20,
    sampler: Annotated[Literal["tpe", "random"], typer.Option(help="How combinations are drawn.")] = "tpe",
    pruner: Annotated[
        Literal["median", "hyperband", "none"], typer.Option(help="Which trials are stopped early.")
    ] = "median",
    top: Annotated[int, typer.Option(min=1, help="The best trials, that are run with more seeds.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each of them, its own among them.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that work side by side.")] = 1,
    set_: options.Set = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31, help="Seed of every trial, and of what is drawn.")
    ] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the search; runs/tune-RECIPE if not given.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database for the record of the search, in place of a journal."),
    ] = None,
    data: options.Data = None,
    plugin: options.Plugins = None,
) -> None:
    """Search settings of a recipe on validation data: ffrec tune RECIPE --space FILE.

    Stopped trials go on from their checkpoints. Several of these commands, also on machines that share the
    folder, work on one search together. The test set is never read. `ffrec tune show FOLDER` prints the
    table.
    """
    needs_optuna()
    from ffrec.studies.tune.search import Plan
    from ffrec.studies.tune.space import Space

    load_plugins(plugin)
    settings = options.parse_settings(set_ or [])
    chosen = ffrec.recipe(recipe).override(settings)
    wanted = Space.read(space, chosen)
    if both := sorted(settings.keys() & wanted.values.keys()):
        raise typer.BadParameter(f"--set {both[0]}: {space} searches it: leave out one of them")
    if data and chosen.data in EMBEDDED:
        refuse_folder(chosen.data)
    arithmetic = pick_precision(precision, pick_device(device))
    path, plugins = out or Path("runs") / f"tune-{recipe}", tuple(plugin or ())
    plan = Plan(trials, top, seeds, sampler, pruner)
    order = SearchOrder(
        out=path,
        seed=seed,
        data=data,
        device=device,
        precision=arithmetic,
        jobs=jobs,
        plugins=plugins,
        storage=storage,
        recipe=chosen,
        space=wanted,
        plan=plan,
    )
    order.corpus()  # data that cannot be read or validated on is found out now
    say_dropped(order.search())
    codes = share_out(order, partial(work, order))
    code = max([*codes, tell(path)])
    if code:
        raise typer.Exit(code)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of a search.")],
    figure: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Draw it into this file; tune.png in the folder if not given."),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Put the table between <!-- tune --> and <!-- /tune --> in this file.")
    ] = None,
) -> None:
    """Print what a search found so far, or put it into a page, and draw it."""
    needs_optuna()
    if figure:
        check_name(figure)
    if code := tell(folder, figure, into):
        raise typer.Exit(code)


def tell(folder: Path, figure: Path | None = None, into: Path | None = None) -> int:
    """Print and draw what a search found; returns an exit code, of failure if that is nothing."""
    from ffrec.studies.tune.document import read
    from ffrec.studies.tune.figure import picture
    from ffrec.studies.tune.table import importances, remarks, results, rows

    found = read(folder)
    shares = importances(found)
    table, lines = results(found), remarks(found, shares)
    if into:
        put_between(into, "tune", "\n".join([table, "", *(f"- {line}" for line in lines)]))
    else:
        print(*filter(None, [table, *lines]), sep="\n")
    if rows(found):
        print(f"picture: {save(picture(found, shares), figure or folder / 'tune.png')}")
        return errors.DONE
    print("ffrec: no trial was completed: see the reasons, and change the space", file=sys.stderr)
    return errors.FAILED
