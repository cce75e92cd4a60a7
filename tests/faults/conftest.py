"""Fixtures of the tests that inject faults."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What takes minutes is slow, too: `-m "not slow"` leaves it out."""
    for item in items:
        if item.get_closest_marker("faults"):
            item.add_marker("slow")
