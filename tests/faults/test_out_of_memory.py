"""More units than memory holds: one line, before anything is allocated."""

import pytest
import torch
from commands import assert_refused, ffrec

from cli import errors
from ffrec.config import ConfigError
from ffrec.recipes import recipe
from ffrec.training import memory
from ffrec.training.images import make_network
from ffrec.training.memory import check_memory, estimate, in_words, planned


@pytest.mark.parametrize(
    ("name", "hidden", "words"),
    [
        ("recurrent-digits", "[1000000,1000000]", "2,000,096,000,010 parameters, 32 TB"),
        ("fables", "[1000000000]", "TB with gradients and optimiser"),
        ("supervised-digits", "[4611686018427387904]", "2⁶³ bytes"),
        ("backprop-mnist", "[1000000,1000000]", "expected"),
    ],
)
def test_a_network_that_cannot_fit_is_refused(name, hidden, words, tmp_path):
    more = ["--images", "digits.npz"] if name.startswith("backprop") else []
    if more:
        import numpy as np

        images, labels = np.zeros((60, 8, 8), np.uint8), np.arange(60) % 3
        np.savez(tmp_path / "digits.npz", x=images, y=labels)
    done = ffrec(
        *["train", name, *more, "--set", f"hidden={hidden}", "--precision", "fp32", "--out", "new"],
        cwd=tmp_path,
    )
    assert_refused(done, "hidden: expected", words)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["recurrent-digits", "supervised-digits", "local-mnist", "backprop-mnist"])
def test_the_plan_has_the_shapes_of_the_network(name):
    config = recipe(name).network

    def make(generator):
        return make_network(config, 784, 10, generator)

    plan, real = planned(make), make(torch.Generator())
    assert {n: w.shape for n, w in plan.state_dict().items()} == {
        n: w.shape for n, w in real.state_dict().items()
    }
    assert all(weight.is_meta for weight in plan.parameters())


@pytest.mark.parametrize(
    ("optimiser", "arithmetic", "bytes_each"),
    [("AdamW", "fp32", 16), ("AdamW", "bf16", 18), ("SGD", "fp32", 8)],
)
def test_the_estimate_counts_weights_gradients_and_states(optimiser, arithmetic, bytes_each):
    training = recipe("recurrent-digits").override({"optimiser": optimiser}).training
    found = estimate(torch.nn.Linear(9, 11), training, arithmetic)
    assert (found.parameters, found.bytes) == (110, 110 * bytes_each)


def test_what_is_left_decides(monkeypatch):
    training = recipe("recurrent-digits").training
    arguments = (lambda _: torch.nn.Linear(9, 11), training, torch.device("cpu"), "fp32")
    monkeypatch.setattr(memory, "free", lambda _: 110 * 16)
    check_memory(*arguments)
    monkeypatch.setattr(memory, "free", lambda _: 110 * 16 - 1)
    with pytest.raises(ConfigError, match=r"fits into the 1\.76 kB that cpu has left, found 110 parameters"):
        check_memory(*arguments)


def test_a_container_may_have_less_than_its_machine(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    7 kB\n")
    (tmp_path / "max").write_text("5000\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(memory, "MEMINFO", str(tmp_path / "meminfo"))
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "none"),))
    assert memory.free(torch.device("cpu")) == 7 * 1024
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "none"), str(tmp_path / "max")))
    assert memory.free(torch.device("cpu")) == 5000


def test_running_out_in_the_middle_is_one_line():
    error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes.")
    assert errors.exit_code(error) == 2
    assert errors.one_line(error).startswith("ffrec: memory: expected enough, tried to have 4000 bytes more")
    assert errors.exit_code(torch.OutOfMemoryError("CUDA out of memory.")) == 2
    assert errors.exit_code(RuntimeError("a defect")) is None


def test_bytes_are_said_in_words():
    assert [in_words(n) for n in (7, 1500, 36 * 10**12)] == ["7 B", "1.5 kB", "36 TB"]


def test_the_recipe_shows_the_same_estimate(tmp_path):
    done = ffrec("recipe", "recurrent-digits", "--set", "epochs=7", "--precision", "fp32", cwd=tmp_path)
    assert done.returncode == 0
    assert "  epochs = 7" in done.stdout
    assert (
        "149,010 parameters, 2.39 MB with gradients and optimiser, activities on top; cpu has" in done.stdout
    )
