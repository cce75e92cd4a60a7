"""The planted defects still have a place to be planted (running them all takes minutes: tests/mutants.py)."""

import pytest
from mutants import MUTANTS, ROOT, files_of
from planted import PARTS


@pytest.mark.parametrize(("file", "right", "wrong", "rooms"), MUTANTS)
def test_a_mutant_can_be_planted(file, right, wrong, rooms):
    assert right != wrong
    source = (ROOT / file).read_text()
    assert right in source
    compile(source.replace(right, wrong, 1), file, "exec")
    assert all((ROOT / test).is_file() for test in files_of(rooms))


def test_every_file_has_its_defects_in_one_place():
    files = [file for part in PARTS for file in part.DEFECTS]
    assert len(files) == len({*files})
