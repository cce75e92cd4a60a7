"""The import arrows of the house: each room imports only what stands to its left."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHAIN = ["learning", "networks", "training", "recipes", "studies"]  # each imports what stands to its left
BESIDE = {  # rooms beside the chain, and all that they may import of ffrec
    "config": set(),
    "data": set(),
    "storage": set(),
    "negatives": {"networks", "learning", "data"},
    "evaluation": {"networks", "learning", "data", "negatives"},
    "baselines": {"networks", "learning", "data", "config", "training"},
    "reports": {"storage"},
}
FILES = sorted((ROOT / "ffrec").rglob("*.py")) + sorted((ROOT / "corpora").rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Dotted names of every module a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(file: Path) -> str:
    return file.relative_to(ROOT / "ffrec").with_suffix("").parts[0]


def rooms_of_ffrec(names: set[str]) -> set[str]:
    there = {room(f) for f in (ROOT / "ffrec").rglob("*.py")} - {"__init__"}
    return {part[1] for name in names if (part := name.split("."))[0] == "ffrec" and len(part) > 1} & there


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_arrows(file):
    names = imported(file)
    tops = {name.split(".")[0] for name in names}
    assert "cli" not in tops
    assert not tops & {"typer", "rich"}, "only cli knows a terminal"
    if file.is_relative_to(ROOT / "corpora"):
        assert "ffrec" not in tops
        return
    assert "corpora" not in tops, "ffrec receives tensors; cli joins the two"
    here = room(file)
    used = rooms_of_ffrec(names) - {here}
    if here in BESIDE:
        assert used <= BESIDE[here]
    elif here in CHAIN:
        assert not used & set(CHAIN[CHAIN.index(here) + 1 :])
    else:
        assert here == "__init__", f"{here} has no place in the house: give it one here"


def test_autograd_appears_in_baselines_only():
    for file in FILES:
        uses = [
            node.attr
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in {"backward", "autograd", "enable_grad"}
        ]
        assert not uses or "baselines" in file.parts, f"{file.name} uses {uses}"
