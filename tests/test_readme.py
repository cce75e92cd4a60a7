"""What the README shows works as it stands."""

import json
import re
from pathlib import Path

import pytest

import ffrec

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs/results.md").read_text()


EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


def test_the_classifier_of_the_example_learns(capsys):
    exec(
        EXAMPLES["classifier"].replace(
            "random_state=0).fit", "epochs=3, hidden=(100, 100), random_state=0).fit"
        ),
        {},
    )
    assert float(capsys.readouterr().out.split()[0]) > 0.5


def test_the_model_of_the_example_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES["model"].replace("epochs=5", "epochs=1, progress=False"), {})
    assert "(4, 3, 10)" in capsys.readouterr().out


def test_every_command_it_shows_exists():
    from cli.__main__ import COMMANDS

    shown = set(re.findall(r"^ffrec (\w+)", SHELL, re.MULTILINE))
    assert shown >= {"ls", "train", "evaluate", "plot", "predict", "sample", "perplexity"}
    assert shown <= set(COMMANDS)


def test_every_option_it_shows_exists(capsys):
    from cli.__main__ import run

    for line in SHELL.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["ffrec"]:
            run([words[1], "--help"])
            known = capsys.readouterr().out
            assert all(word in known for word in words if word.startswith("--")), line


def test_it_fits_on_a_screen_and_a_half():
    assert len(README.splitlines()) <= 140


def test_every_recipe_it_shows_exists():
    for name in re.findall(r"ffrec train ([\w-]+)", README):
        assert name in ffrec.RECIPES


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name
)
def test_every_file_a_page_links_to_exists(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), target


def test_what_the_results_say_of_hard_negatives_is_what_the_runs_recorded():
    said = re.search(
        r"first reach ([\d.]+) % on validation images in epoch (\d+), uniform ones in epoch (\d+)", RESULTS
    )
    for name, epoch in zip(("hard", "uniform"), said.groups()[1:], strict=True):
        file = ROOT / f"results/supervised-mnist-500-{name}-0/metrics.jsonl"
        errors = [json.loads(line)["validation"]["error_goodness"] for line in file.read_text().splitlines()]
        assert next(i for i, error in enumerate(errors, 1) if error <= float(said[1])) == int(epoch)
