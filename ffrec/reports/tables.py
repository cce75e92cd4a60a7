"""What run folders say: summaries, the table of results, and a page. It sees only what a folder holds."""

import base64
import html
import json
import shlex
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrec.storage.checkpoint import UNLEARNT, RunFolder, write_atomic


@dataclass(frozen=True)
class Summary:
    """A run as its folder records it; `result` is None until it has read the test set."""

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any] | None
    baselines: dict[str, Any] | None = None
    """What `ffrec perplexity --baselines` trained beside a run on a text."""


def summaries(runs: Path) -> list[Summary]:
    """Every run folder directly under `runs`, by name; what is no run folder is passed over."""
    folders = [RunFolder(path.parent) for path in sorted(runs.glob("*/config.json"))]
    return [
        Summary(
            run.path,
            run.config,
            run.environment,
            run.metrics(),
            run.read_json("result.json"),
            run.read_json("baselines.json"),
        )
        for run in folders
    ]


def flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe's network and training that `--set` can change."""
    return {**recipe["network"], **recipe["training"]}


def toml(value: Any) -> str:
    """A JSON value in the TOML that `--set` reads."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(part)}" for key, part in value.items()) + "}"
    if value is None:
        return "none"
    if isinstance(value, list):
        return "[" + ",".join(toml(part) for part in value) + "]"
    return json.dumps(value)


def options(run: Summary, default: Mapping[str, Any] | None) -> str:
    """What turns `ffrec train RECIPE` into a run with this one's numbers, but for its seed; "" if nothing.

    A recipe that has no default any more is told by all of its settings.
    """
    base = flat(default) if default else {}
    changed = {
        key: value
        for key, value in flat(run.config["recipe"]).items()
        if key not in UNLEARNT and (key not in base or base[key] != value)
    }
    words = [f" --set {shlex.quote(f'{key}={toml(value)}')}" for key, value in changed.items()]
    if default and run.config["recipe"]["data"] != default["data"]:
        words.append(f" --text {shlex.quote(Path(run.config['recipe']['data']).name)}")
    if run.config["precision"] != "fp32":
        words.append(f" --precision {run.config['precision']}")
    return "".join(words)


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation, the latter only where there are several values."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def finished(
    runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str, str, str], list[Summary]]:
    """Runs with a result, by recipe name, options that change it, device with torch's version, and text."""
    groups: dict[tuple[str, str, str, str], list[Summary]] = defaultdict(list)
    for run in runs:
        if run.result:
            name = run.config["recipe"]["name"]
            changed = options(run, defaults.get(name))
            where = f"{run.result['device']}, torch {run.environment.get('torch')}"
            groups[name, changed, where, run.config.get("text", "")].append(run)
    return groups


def on_text(run: Summary) -> bool:
    """Whether a run is one on a text, and not on images."""
    return "text" in run.config


def judged_by(run: Summary) -> str:
    """The number that a run on the test set is judged by."""
    test = run.result["test"] if run.result else {}
    return next(name for name in ("perplexity", "error_goodness", "error_softmax") if name in test)


def told(judged: str, found: str) -> str:
    """The number that a run is judged by, by its name, as it is written in a sentence."""
    return f"perplexity {found}" if judged == "perplexity" else f"{found} %"


def of_test(runs: list[Summary], key: str) -> str:
    """Mean ± standard deviation of one number measured on the test set."""
    return spread([run.result["test"][key] for run in runs if run.result])


def expected(runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What every recipe was measured to reach, as it is, by name; one entry may speak of several devices."""
    reached: dict[str, list[str]] = defaultdict(list)
    for (name, changed, where, _), members in finished(runs, defaults).items():
        precision = members[0].config["precision"]
        if changed in ("", f" --precision {precision}"):
            judged = judged_by(members[0])
            found = told(judged, of_test(members, judged))
            arithmetic = "" if precision == "fp32" else f", {precision}"
            reached[name].append(f"{found} (n = {len(members)}; {where}{arithmetic})")
    return {name: "; ".join(found) for name, found in reached.items()}


def row(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def image_cells(recipe: dict[str, Any], members: list[Summary]) -> list[str]:
    return [
        str(recipe["training"]["epochs"]),
        of_test(members, "error_goodness") if judged_by(members[0]) == "error_goodness" else "–",
        of_test(members, "error_softmax"),
    ]


def text_cells(_recipe: dict[str, Any], members: list[Summary]) -> list[str]:
    results = [run.result for run in members if run.result]
    counted = list(results[0]["baselines"].items())[-1]
    return [
        str(results[0]["updates"]),
        of_test(members, "perplexity"),
        spread([r["test"].get("softmax_perplexity", r["test"]["perplexity"]) for r in results]),
        spread([result["validation"]["perplexity"] for result in results]),
        f"{counted[1]['test']['perplexity']:.2f} ({counted[0]})",
    ]


IMAGES = ["epochs", "test error by goodness, %", "by one-pass softmax, %"], image_cells
TEXTS = (
    ["batches", "test perplexity", "by the softmax alone", "validation perplexity", "best count model, test"],
    text_cells,
)


def results_table(runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown tables of finished runs, images first: one row per recipe, options and device, averaged over
    seeds. `defaults` holds the plain configuration of every recipe by name.
    """
    tables = []
    for (columns, cells), texts in ((IMAGES, False), (TEXTS, True)):
        head = ["command", "layers", "seeds", *columns, "paper", "minutes a run", "device"]
        rows = [row(head), "|" + "---|" * len(head)]
        for (name, changed, where, _), members in finished(runs, defaults).items():
            if on_text(members[0]) != texts:
                continue
            recipe, results = members[0].config["recipe"], [run.result for run in members if run.result]
            line = [
                f"`ffrec train {name}{changed} --seed S`",
                " × ".join(str(units) for units in recipe["network"]["hidden"]) or "–",
                f"{len(results)} ({', '.join(str(result['seed']) for result in results)})",
                *cells(recipe, members),
                defaults.get(name, recipe)["paper"],
                f"{statistics.mean(result['seconds'] for result in results) / 60:.1f}",
                where,
            ]
            rows.append(row(line))
        if len(rows) > 2:
            tables.append("\n".join(rows))
    rivals = rivals_table(runs)
    return "\n\n".join([*tables, rivals] if rivals else tables)


def rivals_table(runs: list[Summary]) -> str:
    """A Markdown table of what else predicts the same strings, for runs whose baselines were trained."""
    rows = [row(["same strings", "model", "validation perplexity", "test perplexity"]), "|---|---|---|---|"]
    for run in runs:
        if run.result and run.baselines:
            own = {part: run.result[part] for part in ("validation", "test")}
            models = {"the run itself": own}
            if "softmax_perplexity" in own["test"]:
                alone = {part: {"perplexity": own[part]["softmax_perplexity"]} for part in own}
                models["its softmax alone"] = alone
            for name, found in (models | run.result["baselines"] | run.baselines).items():
                reached = [f"{found[part]['perplexity']:.2f}" for part in ("validation", "test")]
                rows.append(row([run.path.name, name, *reached]))
    return "\n".join(rows) if len(rows) > 2 else ""


STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:3em auto;padding:0 1em;color:#222}
img{max-width:100%}table{border-collapse:collapse}td{padding:.15em 1em .15em 0;vertical-align:top}"""


def outcome(result: Mapping[str, Any]) -> str:
    """A result in a sentence."""
    test, epochs = result["test"], result["epochs"]
    spent = f"after {epochs} epoch{'s' * (epochs != 1)} in {result['seconds'] / 60:.1f} minutes."
    if "perplexity" in test:
        counted = ", ".join(
            f"{name} {found['test']['perplexity']:.2f}" for name, found in result["baselines"].items()
        )
        alone = (
            f"; {test['softmax_perplexity']:.2f} by the softmax alone" if "softmax_perplexity" in test else ""
        )
        return f"Test perplexity {test['perplexity']:.2f}{alone}, {spent} On the same strings: {counted}."
    by_goodness = f"{test['error_goodness']:.2f} % by goodness, " if "error_goodness" in test else ""
    return f"Test error {by_goodness}{test['error_softmax']:.2f} % by softmax, {spent}"


def page(run: RunFolder, pictures: list[Path]) -> Path:
    """One self-contained HTML file with a run's result, pictures and configuration; returns its path."""
    recipe, result = run.config["recipe"], run.read_json("result.json")
    parts = [f"<h1>{html.escape(recipe['name'])}, seed {html.escape(str(run.config['seed']))}</h1>"]
    if result:
        parts.append(f"<p>{html.escape(outcome(result))}</p>")
    for picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        caption = html.escape(picture.stem.replace("_", " "))
        parts.append(f'<h2>{caption}</h2><img alt="{caption}" src="data:image/png;base64,{data}">')
    top = {"paper": recipe["paper"], "data": recipe["data"], "precision": run.config["precision"]}
    held = {**top, **flat(recipe), **run.environment}
    cells = (f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in held.items())
    parts.append(f"<h2>configuration</h2><table>{''.join(cells)}</table>")
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>ffrec run</title><style>{STYLE}</style>'
    )
    write_atomic(run.path / "report.html", (head + "".join(parts) + "</html>\n").encode())
    return run.path / "report.html"
