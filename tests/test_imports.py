"""The import arrows of the house: each room imports only what it names here, and there is no circle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEFT = {"registry", "config", "data", "learning", "networks"}
ROOMS = {  # every room of ffrec, and all the rooms that it may import
    "registry": set(),
    "config": {"registry"},
    "data": set(),
    "storage": set(),
    "learning": {"registry"},
    "parallel": {"config", "learning"},
    "networks": {"registry", "config", "data", "learning"},
    "negatives": {"registry", "data"},
    "evaluation": LEFT | {"negatives", "parallel"},
    "baselines": LEFT,
    "training": LEFT | {"negatives", "evaluation", "baselines", "storage", "parallel"},
    "recipes": {"registry", "config"},
    "bench": LEFT | {"negatives", "evaluation", "baselines", "training", "recipes"},
    "tasks": LEFT | {"negatives", "evaluation", "baselines", "storage", "training", "parallel"},
    "pipeline": LEFT | {"negatives", "storage", "training", "tasks", "parallel"},
    "studies": {"config", "storage", "bench", "recipes", "tasks", "reports"},
    "reports": {"storage"},
    "estimator": {"config", "networks", "evaluation", "training", "tasks"},
    "models": {"config", "data", "networks", "evaluation", "storage", "training", "recipes", "tasks"},
}
JOINT = "models"  # the one room of the package that may import corpora, and only when it is asked for data
AUTOGRAD = {"backward", "autograd", "enable_grad"}
FILES = sorted((ROOT / "ffrec").rglob("*.py"))
READERS = sorted((ROOT / "corpora").rglob("*.py"))


def imported(node: ast.AST) -> set[str]:
    """Dotted names of every module that a file, or a part of it, imports."""
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            names |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, "relative import"
            names |= {part.module} | {f"{part.module}.{alias.name}" for alias in part.names}
    return names


def tops(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(ast.parse(file.read_text()))}


def room(file: Path) -> str:
    return file.relative_to(ROOT / "ffrec").with_suffix("").parts[0]


def rooms_used(file: Path) -> set[str]:
    parts = [name.split(".") for name in imported(ast.parse(file.read_text()))]
    return {part[1] for part in parts if part[0] == "ffrec" and len(part) > 1} & set(ROOMS)


def test_every_room_is_named_and_every_name_is_a_room():
    assert {room(file) for file in FILES} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_arrows(file):
    used = tops(file)
    assert not used & {"cli", "typer", "rich"}, "only cli knows a terminal"
    here = room(file)
    assert "corpora" not in used or here == JOINT, "ffrec receives tensors; models and cli join the two"
    if here != "__init__":
        assert rooms_used(file) - {here} <= ROOMS[here]


@pytest.mark.parametrize("file", READERS, ids=lambda f: str(f.relative_to(ROOT)))
def test_corpora_know_nothing_of_ffrec(file):
    assert not tops(file) & {"ffrec", "cli", "typer", "rich"}


def test_there_is_no_circle():
    left = {name: set(may) for name, may in ROOMS.items()}
    while left:
        free = {name for name, may in left.items() if not may & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: may for name, may in left.items() if name not in free}


def test_corpora_are_imported_only_when_asked_for():
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not {name for name in imported(node) if name.split(".")[0] == "corpora"}, file


def test_autograd_appears_in_baselines_only():
    for file in FILES:
        nodes = ast.walk(ast.parse(file.read_text()))
        uses = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & AUTOGRAD
        assert not uses or room(file) == "baselines" or "backprop" in file.parts, f"{file} uses {uses}"


def test_gradients_of_hidden_layers_come_from_one_place():
    """`write_grad` of a goodness forms δ, and `add_weight_grad` a gradient: only learning calls them."""
    for file in [file for file in FILES if room(file) != "learning"]:
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
        assert not names & {"write_grad", "add_weight_grad"}, file


def test_a_room_stays_small():
    for folder in {file.parent for file in FILES} | {ROOT / "cli"}:
        files = [f for f in folder.glob("*.py") if f.name != "__init__.py"]
        assert len(files) <= (24 if folder.name == "cli" else 12), f"{folder}: split it"
