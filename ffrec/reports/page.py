"""One HTML file that holds what a run reached, its pictures and its configuration."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ffrec.reports.figures import FIGURES
from ffrec.reports.summary import Summary, flat
from ffrec.storage.files import write_atomic

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:3em auto;padding:0 1em;color:#222}
img{max-width:100%}table{border-collapse:collapse}td,th{padding:.15em 1em .15em 0;vertical-align:top}
.counts td,.counts th{text-align:right;padding:.15em .5em}"""


def outcome(result: Mapping[str, Any]) -> str:
    """A result in a sentence."""
    test, epochs = result["test"], result["epochs"]
    spent = f"after {epochs} epoch{'s' * (epochs != 1)} in {result['seconds'] / 60:.1f} minutes."
    if "perplexity" in test:
        counted = ", ".join(
            f"{name} {found['test']['perplexity']:.2f}" for name, found in result["baselines"].items()
        )
        alone = (
            f"; {test['softmax_perplexity']:.2f} without the memory" if "softmax_perplexity" in test else ""
        )
        return f"Test perplexity {test['perplexity']:.2f}{alone}, {spent} On the same strings: {counted}."
    by_goodness = f"{test['error_goodness']:.2f} % by goodness, " if "error_goodness" in test else ""
    return f"Test error {by_goodness}{test['error_softmax']:.2f} % by softmax, {spent}"


def rows(cells: Iterable[Sequence[Any]], head: int = 0) -> str:
    """Lines of an HTML table, escaped; the first `head` cells of each are headings."""
    lines = []
    for line in cells:
        kinds = ["th" if place < head else "td" for place in range(len(line))]
        pairs = zip(kinds, line, strict=True)
        lines.append("".join(f"<{kind}>{html.escape(str(cell))}</{kind}>" for kind, cell in pairs))
    return "".join(f"<tr>{line}</tr>" for line in lines)


def confusion(run: Summary) -> str:
    """How often each true class (down) was predicted as each class (across); "" if the run has no counts."""
    counts = run.result["test"].get("confusion") if run.result else None
    if not counts:
        return ""
    names = run.class_names(len(counts))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ["", *names])
    body = rows(([name, *line] for name, line in zip(names, counts, strict=True)), head=1)
    title = "<h2>confusion of classes</h2><p>Test images by true class (rows) and predicted class.</p>"
    return f'{title}<table class="counts"><tr>{head}</tr>{body}</table>'


def picture(path: Path) -> str:
    """One picture with its caption, its bytes in the page itself."""
    title = html.escape(path.stem.replace("_", " "))
    caption = html.escape(FIGURES[path.stem].caption) if path.stem in FIGURES else ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>{title}</h2><p>{caption}</p><img alt="{title}" src="data:image/png;base64,{data}">'


def page(run: Summary, pictures: Iterable[Path]) -> Path:
    """Write a run's report.html, which needs no other file; returns its path."""
    recipe = run.recipe
    parts = [f"<h1>{html.escape(recipe['name'])}, seed {html.escape(str(run.config['seed']))}</h1>"]
    if run.result:
        parts.append(f"<p>{html.escape(outcome(run.result))}</p>")
    parts += [picture(path) for path in pictures]
    parts.append(confusion(run))
    top = {"paper": recipe["paper"], "data": recipe["data"], "precision": run.config["precision"]}
    held = {**top, **flat(recipe), **run.environment}
    parts.append(f"<h2>configuration</h2><table>{rows(held.items())}</table>")
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>ffrec run</title><style>{STYLE}</style>'
    )
    write_atomic(run.path / "report.html", (head + "".join(parts) + "</html>\n").encode())
    return run.path / "report.html"
