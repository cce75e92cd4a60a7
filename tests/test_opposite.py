"""The remembered mean gradient of the other phase."""

import pytest
import torch

from ffrec.learning.gradient_baseline import Opposite


@pytest.fixture
def weight():
    return torch.nn.Parameter(torch.zeros(2), requires_grad=False)


def gradients(opposite, weight, *batches):
    """What each batch's gradient becomes: (phase, gradient) in."""
    found = []
    for phase, gradient in batches:
        weight.grad = torch.tensor(gradient)
        opposite.add(phase)
        found.append(weight.grad.tolist())
    return found


def test_the_mean_of_the_last_phase_of_the_other_kind_is_added(weight):
    opposite = Opposite({"w": weight}, 0.5)
    found = gradients(
        opposite,
        weight,
        ("wake", [2.0, 0.0]),
        ("wake", [4.0, 2.0]),
        ("sleep", [-1.0, -1.0]),
        ("sleep", [-3.0, -1.0]),
        ("wake", [0.0, 8.0]),
        ("sleep", [0.0, 0.0]),
    )
    assert found[:2] == [[2.0, 0.0], [4.0, 2.0]]  # nothing is remembered yet
    assert found[2:4] == [[0.5, -0.5], [-1.5, -0.5]]  # and half of the day's mean, (3, 1)
    assert found[4] == [-1.0, 7.5]  # and half of the night's own mean, (-2, -1)
    assert found[5] == [0.0, 4.0]  # and half of the second day's, (0, 8)


def test_it_goes_on_from_its_state(weight):
    first, second = Opposite({"w": weight}, 1.0), Opposite({"w": weight}, 1.0)
    before = [("wake", [1.0, 2.0]), ("sleep", [0.5, 0.0]), ("sleep", [1.5, 0.0])]
    after = [("sleep", [1.0, 1.0]), ("wake", [0.0, 0.0])]
    gradients(first, weight, *before)
    state = torch.load(saved(first), weights_only=True)
    second.load_state_dict(state)
    assert gradients(second, weight, *after) == gradients(first, weight, *after)


def saved(opposite):
    import io

    file = io.BytesIO()
    torch.save(opposite.state_dict(), file)
    file.seek(0)
    return file
