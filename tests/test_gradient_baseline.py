"""The stored mean gradient of the other phase."""

import io

import pytest
import torch

from ffrec.training.gradient_baseline import GradientBaseline


@pytest.fixture
def weight():
    return torch.nn.Parameter(torch.zeros(2), requires_grad=False)


def gradients(baseline, weight, *batches):
    """What each batch's gradient becomes: (phase, gradient) in."""
    found = []
    for phase, gradient in batches:
        weight.grad = torch.tensor(gradient)
        baseline.begin(phase)
        baseline.add(phase)
        found.append(weight.grad.tolist())
    return found


def test_the_mean_of_the_last_phase_of_the_other_kind_is_added(weight):
    baseline = GradientBaseline({"w": weight}, 0.5)
    found = gradients(
        baseline,
        weight,
        ("wake", [2.0, 0.0]),
        ("wake", [4.0, 2.0]),
        ("sleep", [-1.0, -1.0]),
        ("sleep", [-3.0, -1.0]),
        ("wake", [0.0, 8.0]),
        ("sleep", [0.0, 0.0]),
    )
    assert found[:2] == [[2.0, 0.0], [4.0, 2.0]]  # nothing is stored yet
    assert found[2:4] == [[0.5, -0.5], [-1.5, -0.5]]  # and half of the wake phase's mean, (3, 1)
    assert found[4] == [-1.0, 7.5]  # and half of the sleep phase's own mean, (-2, -1)
    assert found[5] == [0.0, 4.0]  # and half of the second wake phase's, (0, 8)


def test_it_goes_on_from_its_state(weight):
    first, second = GradientBaseline({"w": weight}, 1.0), GradientBaseline({"w": weight}, 1.0)
    before = [("wake", [1.0, 2.0]), ("sleep", [0.5, 0.0]), ("sleep", [1.5, 0.0])]
    after = [("sleep", [1.0, 1.0]), ("wake", [0.0, 0.0])]
    gradients(first, weight, *before)
    state = torch.load(saved(first), weights_only=True)
    second.load_state_dict(state)
    assert gradients(second, weight, *after) == gradients(first, weight, *after)


def saved(baseline):
    file = io.BytesIO()
    torch.save(baseline.state_dict(), file)
    file.seek(0)
    return file


def test_a_parameter_without_a_gradient_is_named(weight):
    with pytest.raises(ValueError, match="w: expected a gradient, found none"):
        GradientBaseline({"w": weight}, 0.5).add("wake")


def test_repeats_of_a_batch_count_as_batches(weight):
    baseline = GradientBaseline({"w": weight}, 1.0)
    weight.grad = torch.tensor([3.0, 6.0])
    baseline.begin("wake", 3)
    for _ in range(3):
        baseline.add("wake")
    assert gradients(baseline, weight, ("sleep", [0.0, 0.0])) == [[3.0, 6.0]]
