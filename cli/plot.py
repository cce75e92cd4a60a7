"""`ffrec plot`: pictures of a run, and a page that holds them."""

from cli import options


def plot(run: options.Run) -> None:
    """Draw a finished run: its mind over iterations, learning curve, receptive fields, goodness."""
    from ffrec.checkpoint import RunFolder
    from ffrec.pictures import draw
    from ffrec.report import page

    folder = RunFolder.open(run)
    pictures = draw(folder)
    for path in [*pictures, page(folder, pictures)]:
        print(path)
