"""What run folders say: summaries, the table of results, and a page. It sees only what a folder holds."""

import base64
import html
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrec.checkpoint import RunFolder, write_atomic


@dataclass(frozen=True)
class Summary:
    """A run as its folder records it; `result` is None until it has read the test set."""

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any] | None


def summaries(runs: Path) -> list[Summary]:
    """Every run folder directly under `runs`, by name; what is no run folder is passed over."""
    folders = [RunFolder(path.parent) for path in sorted(runs.glob("*/config.json"))]
    return [
        Summary(run.path, run.config, run.environment, run.metrics(), run.read_json("result.json"))
        for run in folders
    ]


def flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe's network and training that `--set` can change."""
    return {**recipe["network"], **recipe["training"]}


def overrides(recipe: Mapping[str, Any], default: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields in which a run's recipe differs from the recipe of that name."""
    base = flat(default) if default else {}
    return {key: value for key, value in flat(recipe).items() if base and base.get(key) != value}


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation, the latter only where there are several values."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def finished(
    runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str, str], list[Summary]]:
    """Runs that have a result, by recipe name, overrides (as JSON), and device with torch's version."""
    groups: dict[tuple[str, str, str], list[Summary]] = defaultdict(list)
    for run in runs:
        if run.result:
            recipe = run.config["recipe"]
            changed = json.dumps(overrides(recipe, defaults.get(recipe["name"])))
            where = f"{run.result['device']}, torch {run.environment.get('torch')}"
            groups[recipe["name"], changed, where].append(run)
    return groups


def test_error(runs: list[Summary], key: str) -> str:
    """Mean ± standard deviation of one kind of test error, in percent."""
    return spread([run.result["test"][key] for run in runs if run.result])


def expected(runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What every recipe was measured to reach, as it is, by name."""
    return {
        name: f"{test_error(members, 'error_goodness')} % (n = {len(members)}; {where})"
        for (name, changed, where), members in finished(runs, defaults).items()
        if changed == "{}"
    }


def results_table(runs: list[Summary], defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of finished runs: one row per recipe, overrides and device, averaged over seeds.

    `defaults` holds the plain configuration of every recipe by name.
    """
    rows = [
        "| command | layers | epochs | seeds | test error by goodness, % | by one-pass softmax, % | paper "
        "| minutes a run | device |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, changed, where), members in finished(runs, defaults).items():
        recipe, results = members[0].config["recipe"], [run.result for run in members if run.result]
        settings = "".join(
            f" --set {key}={json.dumps(value, separators=(',', ':'))}"
            for key, value in json.loads(changed).items()
        )
        cells = [
            f"`ffrec train {name}{settings} --seed S`",
            " × ".join(str(units) for units in recipe["network"]["hidden"]),
            str(recipe["training"]["epochs"]),
            f"{len(results)} ({', '.join(str(result['seed']) for result in results)})",
            test_error(members, "error_goodness"),
            test_error(members, "error_softmax"),
            defaults.get(name, recipe)["paper"],
            f"{statistics.mean(result['seconds'] for result in results) / 60:.1f}",
            where,
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:3em auto;padding:0 1em;color:#222}
img{max-width:100%}table{border-collapse:collapse}td{padding:.15em 1em .15em 0;vertical-align:top}"""


def page(run: RunFolder, pictures: list[Path]) -> Path:
    """One self-contained HTML file with a run's result, pictures and configuration; returns its path."""
    recipe, result = run.config["recipe"], run.read_json("result.json")
    parts = [f"<h1>{html.escape(recipe['name'])}, seed {html.escape(str(run.config['seed']))}</h1>"]
    if result:
        test = result["test"]
        parts.append(
            f"<p>Test error {test['error_goodness']:.2f} % by goodness, {test['error_softmax']:.2f} % by "
            f"one-pass softmax, after {result['epochs']} epochs in {result['seconds'] / 60:.1f} minutes.</p>"
        )
    for picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        caption = html.escape(picture.stem.replace("_", " "))
        parts.append(f'<h2>{caption}</h2><img alt="{caption}" src="data:image/png;base64,{data}">')
    held = {"paper": recipe["paper"], **flat(recipe), **run.environment}
    cells = (f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in held.items())
    parts.append(f"<h2>configuration</h2><table>{''.join(cells)}</table>")
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>ffrec run</title><style>{STYLE}</style>'
    )
    write_atomic(run.path / "report.html", (head + "".join(parts) + "</html>\n").encode())
    return run.path / "report.html"
