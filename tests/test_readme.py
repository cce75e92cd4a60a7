"""What the README shows works as it stands."""

import json
import re
from pathlib import Path

import pytest

import ffrec

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs/results.md").read_text()


def test_the_python_examples_run(monkeypatch, capsys):
    example, one_shot = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(one_shot, {})
    assert json.loads(capsys.readouterr().out) == pytest.approx([2.0, 2.0])
    brief = ffrec.recipe("recurrent-digits").override({"epochs": 1})
    monkeypatch.setattr(ffrec, "recipe", lambda name: brief if name == brief.name else None)
    exec(example, {})
    assert 0 <= float(capsys.readouterr().out) < 90


def test_every_command_it_shows_exists():
    from typer.testing import CliRunner

    from cli.__main__ import app

    shown = set(re.findall(r"^ffrec (\w+)", README, re.MULTILINE))
    assert {"ls", "train", "evaluate", "plot"} <= shown
    for command in shown:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_recipe_it_shows_exists():
    for name in re.findall(r"ffrec train ([\w-]+)", README):
        assert name in ffrec.RECIPES


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name
)
def test_every_file_a_page_links_to_exists(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_what_the_results_say_of_hard_negatives_is_what_the_runs_recorded():
    said = re.search(
        r"first reach ([\d.]+) % on validation images in epoch (\d+), uniform ones in epoch (\d+)", RESULTS
    )
    for name, epoch in zip(("hard", "uniform"), said.groups()[1:], strict=True):
        file = ROOT / f"results/supervised-mnist-small-{name}-0/metrics.jsonl"
        errors = [json.loads(line)["validation"]["error_goodness"] for line in file.read_text().splitlines()]
        assert next(i for i, error in enumerate(errors, 1) if error <= float(said[1])) == int(epoch)
