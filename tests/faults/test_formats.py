"""Files of a newer ffrec are refused by name; those of every older one are read by today's names."""

import json
import shutil
from pathlib import Path

import pytest
from commands import assert_refused, ffrec
from small_runs import CONFIG, TRAIN, fill, train

from ffrec.config import recipe_from
from ffrec.models.saved import Saved
from ffrec.reports.summary import read_all
from ffrec.storage.files import FORMAT, RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import completed

ROOT = Path(__file__).parent.parent.parent
STORED = sorted({file.parent.parent for file in (ROOT / "results").rglob("config.json")})


def newer(file: Path) -> None:
    held = json.loads(file.read_text())
    assert held["format"] == FORMAT
    changed = {name: {"of": "another shape"} for name in held} | {"format": FORMAT + 1}
    file.write_text(json.dumps(changed))


def test_a_newer_run_is_refused_by_name(tmp_path):
    assert train(tmp_path / "run") == 0
    shutil.copytree(tmp_path / "run", tmp_path / "weights")
    newer(tmp_path / "run/config.json")
    newer(max((tmp_path / "weights/checkpoints").glob("step-*")) / "manifest.json")
    says = f"is of format {FORMAT + 1}, which a newer ffrec wrote: expected at most format {FORMAT}"
    for name, file in {"run": "config.json", "weights": "manifest.json"}.items():
        for command in (("evaluate", name), (*TRAIN, "--out", name, "--resume")):
            assert_refused(ffrec(*command, cwd=tmp_path), file, says)
    done = ffrec("ls", "--runs", ".", cwd=tmp_path)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert says in line


def test_a_run_without_a_format_is_an_older_one(tmp_path):
    fill(tmp_path / "run")
    for file in (tmp_path / "run").rglob("*.json"):
        held = json.loads(file.read_text())
        held.pop("format", None)
        file.write_text(json.dumps(held))
    assert RunFolder.open(tmp_path / "run").config == CONFIG
    assert RunFolder.open(tmp_path / "run").load()[0] == 3


@pytest.mark.parametrize("folder", STORED, ids=lambda folder: folder.name)
def test_every_stored_run_is_read_by_todays_names(folder):
    found, faults = read_all(folder, completed)
    assert faults == []
    assert len(found) == len(list(folder.glob("*/config.json")))
    for run in found:
        assert recipe_from(run.recipe).name == run.name


def test_a_newer_file_of_a_model_is_refused_by_name(tmp_path):
    assert train(tmp_path / "run") == 0
    saved = Saved.of_folder(tmp_path / "run")
    saved.to_file(tmp_path / "model")
    assert Saved.of_file(tmp_path / "model").config == saved.config
    config = {"format": FORMAT + 1, "recipe": "another shape"}
    newest = Saved(saved.source, config, saved.weights, saved.data, saved.calibration)
    newest.to_file(tmp_path / "newer")
    with pytest.raises(RunError, match="which a newer ffrec wrote"):
        Saved.of_file(tmp_path / "newer")
