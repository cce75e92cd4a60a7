"""What a GPU needs of an update, as far as a machine without one can tell: `fake_cuda` says how it can."""

import json
import subprocess
import sys

import pytest
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
