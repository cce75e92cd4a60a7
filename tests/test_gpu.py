"""What a GPU needs of an update, as far as a machine without one can tell: `fake_cuda` says how it can."""

import importlib.util
import json
import subprocess
import sys

import pytest
import torch
from commands import ROOT, environment

FAULTS = {  # planted in an update, and what is said of them
    "item": "DataDependent",
    "condition": "DataDependent",
    "list": "DataDependent",
    "nonzero": "the size of its result depends on the data",
    "mask": "an index of torch.bool",
    "host index": "on cpu for a tensor on cuda",
    "fresh tensor": "a fresh tensor for cuda",
    "copy to the device": "a copy from cpu to cuda",
    "copy to the host": "a copy from cuda:0 to cpu",
    "mixed devices": "found at least two devices",
}


@pytest.fixture(scope="module")
def found():
    """A process of its own: it changes torch."""
    command = [sys.executable, str(ROOT / "tests" / "fake_updates.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_no_kind_of_update_waits_for_the_device_or_mixes_devices(found):
    assert {kind: fault for kind, fault in found["kinds"].items() if fault} == {}
    assert len(found["kinds"]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault, found):
    assert FAULTS[fault] in found["planted"][fault]


@pytest.fixture(scope="module")
def benchmark():
    """`benchmarks/gpu.py`, which is no part of the package."""
    about = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    return module


def run(benchmark, monkeypatch, out):
    told = ["gpu.py", "--device", "cpu", "--tiny", "--seconds", "0", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", told)
    code = benchmark.main()
    return code, json.loads(out.read_text())


def test_the_benchmark_of_a_gpu_runs_on_a_cpu(benchmark, monkeypatch, tmp_path):
    code, found = run(benchmark, monkeypatch, tmp_path / "gpu.json")
    assert code == 0
    assert found["failures"] == []
    assert {"device", "torch", "commit", "command"} <= found.keys()
    for errors in found["gradients"].values():
        assert errors["fp32"] < 1e-5
        assert 1e-4 < errors["bf16"] < 0.1  # rounded, and yet the same gradient
    plain = found["recurrent 3 × 2000"]["fp32"]["plain"]
    assert plain["seconds_an_epoch"] == pytest.approx(50_000 / plain["images_per_second"])
    assert found["rollouts of 20 strings"]["fp32"]["per_second"] > 0


def test_a_part_that_fails_is_written_down_and_the_others_go_on(benchmark, monkeypatch, tmp_path):
    def broken(*_):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(benchmark, "evaluation", broken)
    monkeypatch.setitem(benchmark.FURTHEST, "bf16", 1e-9)
    code, found = run(benchmark, monkeypatch, tmp_path / "gpu.json")
    assert code == 1
    assert found["ten labels, recurrent 3 × 2000"] == {"error": "RuntimeError: no kernel"}
    assert found["recurrent 3 × 2000"]["fp32"]["plain"]["seconds_an_update"] > 0
    assert any("gradients of supervised 4 × 2000 in bf16" in line for line in found["failures"])


def test_a_graph_that_differs_is_a_failure(benchmark):
    runs = {"fp32": {"plain": {}, "captured": {"differs_by": 0.5}}}
    found = {"gradients": {}, "recurrent 3 × 2000": runs}
    assert benchmark.failures(found) == ["recurrent 3 × 2000 in fp32: a graph differs by 5.0e-01"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_a_gpu_it_says_so_in_one_line(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert benchmark.main() == 2
    assert "expected one this machine has" in capsys.readouterr().err
