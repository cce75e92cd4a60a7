"""The planted defects still have a place to be planted (running them all takes minutes: tests/mutants.py)."""

import pytest
from mutants import MUTANTS, ROOT, files_of


@pytest.mark.parametrize(("file", "right", "wrong", "rooms"), MUTANTS)
def test_a_mutant_can_be_planted(file, right, wrong, rooms):
    assert right != wrong
    assert right in (ROOT / file).read_text()
    assert all((ROOT / test).is_file() for test in files_of(rooms))
