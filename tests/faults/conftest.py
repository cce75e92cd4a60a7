"""Fixtures of the tests that inject faults."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from commands import ffrec
from PIL import Image
from small_runs import STORY, TEXT, train

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path():
    """A folder in memory, where there is one: a process that is killed loses nothing that it has written."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(dir=place))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def one_environment(monkeypatch):
    """No process asks git each time."""
    found = {"ffrec": "1", "torch": "1", "command": ["ffrec"], "launch": None}
    monkeypatch.setattr("ffrec.storage.run_folder.environment", lambda: found)


@pytest.fixture(scope="session")
def finished():
    """A folder of finished runs, with all that commands write into them: one on images, which was measured,
    one on a text, which has baselines, and another one on images; and an image, the text and a page."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    assert train(folder / "run") == 0
    shutil.copytree(folder / "run", folder / "other")
    for measure, *options in (("confidence",), ("robustness", "--iterations", "3"), ("layers",), ("views",)):
        assert ffrec(measure, "run", *options, cwd=folder).returncode == 0
    (folder / "story.txt").write_text(STORY)
    assert ffrec(*TEXT, "--out", "text", cwd=folder).returncode == 0
    baselines = json.loads((folder / "text/result.json").read_text())["baselines"]
    (folder / "text/baselines.json").write_text(json.dumps(baselines))
    Image.new("L", (8, 8)).save(folder / "image.png")
    names = ("confidence", "robustness", "layers", "views")
    (folder / "page.md").write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in names))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What takes minutes is slow, too: `-m "not slow"` leaves it out."""
    for item in items:
        if item.get_closest_marker("faults"):
            item.add_marker("slow")
