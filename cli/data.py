"""`ffrec data`: what data sets there are, where they lie, and whether they are whole."""

from typing import Annotated

import typer

import corpora
from cli import options
from corpora.files import check, data_folder, find, locate
from corpora.menu import named

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="A data set that `ffrec data ls` lists.")]


@app.command("ls")
def list_data(data: options.Data = None) -> None:
    """List the data sets: size of an image or string, licence, and where their files are."""

    for name, dataset in corpora.DATASETS.items():
        about, where = dataset.description, "embedded"
        if dataset.source:
            paths = [locate(dataset.source, file, data_folder(data)) for file in dataset.source.sha256]
            there = [str(path.parent) for path in paths if path]
            where = there[0] if len(there) == len(paths) else "not here: downloads on first use"
        size = "×".join(map(str, about.shape)) + (" pixels" if len(about.shape) > 1 else " characters")
        print(f"{name:<14} {size:<18} {about.licence:<14} {about.title}; {where}")


@app.command()
def fetch(name: Name, data: options.Data = None) -> None:
    """Find a data set's files or download them, and say where they are."""

    source = named(name).source
    if source is None:
        print(f"{name} is embedded: nothing to fetch")
        return
    for file in source.sha256:
        print(find(source, file, data_folder(data)))


@app.command()
def verify(name: Name, data: options.Data = None) -> None:
    """Compare every file's uncompressed content with its SHA-256."""

    source = named(name).source
    if source is None:
        print(f"{name} is embedded: nothing to verify")
        return
    faults = []
    for file in source.sha256:
        path = locate(source, file, data_folder(data))
        if path is None:
            faults.append(f"{file} is not here: `ffrec data fetch {name}` downloads it")
            continue
        try:
            check(source, file, path)
            print(f"{path}: ok")
        except corpora.DataError as error:
            faults.append(str(error))
    if faults:
        raise corpora.DataError("; ".join(faults))
