"""`--plugin`: a user's own file, imported before the recipe is validated, and recorded with the run."""

import json
import shutil

import pytest
from commands import assert_refused, ffrec

from ffrec import registry
from ffrec.storage.run_folder import RunFolder

QUICK = ["--set", "hidden=[12,10]", "--set", "epochs=1", "--set", "batch=300"]
PLUGIN = """
from pathlib import Path
Path("imported").touch()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that was trained with a plugin, which leaves a file behind when it is imported."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "mine.py").write_text(PLUGIN)
    asked = ["train", "recurrent-digits", *QUICK, "--plugin", "mine.py", "--out", "run"]
    done = ffrec(*asked, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "imported").exists()
    return folder


def test_the_name_of_the_file_is_recorded(trained):
    assert RunFolder.open(trained / "run").config["plugins"] == ["mine.py"]


def test_evaluate_says_which_file_is_missing(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    done = ffrec("evaluate", "run", cwd=tmp_path / "copy")
    assert_refused(done, "run was trained with the plugin mine.py: give --plugin, with its path")
    done = ffrec("evaluate", "run", "--plugin", "mine.py", "--json", cwd=tmp_path / "copy")
    assert json.loads(done.stdout)["run"] == "run"


def test_a_plugin_that_fails_is_one_line(tmp_path):
    (tmp_path / "broken.py").write_text("def")
    for name in ("broken.py", "nowhere.py"):
        done = ffrec("train", "recurrent-digits", "--plugin", name, cwd=tmp_path)
        assert_refused(done, name)


def test_ls_lists_every_menu_with_its_entries(tmp_path, monkeypatch):
    menus = {"goodness": {"squares": object, "mine": object}, "objective": {"logistic": object}}
    monkeypatch.setattr(registry, "menus", lambda: menus)
    done = ffrec("ls", "--menus", cwd=tmp_path)
    assert done.stdout == "goodness: squares, mine\nobjective: logistic\n"
