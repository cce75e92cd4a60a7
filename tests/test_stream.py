"""The video that never stops: what `steps` makes of a finite one, in memory that does not grow."""

import copy
import gc
from itertools import islice

import pytest
import torch
from torch import Tensor

from ffrec.config import RecurrentConfig
from ffrec.learning.update import local_update
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.stream import Stream

SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)


@pytest.fixture
def video(generator):
    """Frames `(5, 6, 12)` in float64."""
    return torch.rand(5, 6, 12, generator=generator, dtype=torch.float64)


def camera(generator):
    """Frames without an end."""
    while True:
        yield torch.rand(5, 12, generator=generator, dtype=torch.float64)


def tensors_held() -> tuple[int, int]:
    """How many tensors there are, and how many numbers are in them."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) is Tensor]
    return len(found), sum(tensor.numel() for tensor in found)


@pytest.mark.parametrize("update", ["synchronous", "alternating"])
def test_every_frame_is_the_iteration_that_steps_makes_of_it(tiny, cases, video, update):
    network, labels = tiny(update=update), cases[1]
    expected = list(network.steps(network.encode(video), labels, 6))
    found = list(Stream(network, labels).steps(video.unbind(1)))
    assert [step.number for step in found] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(found, expected, strict=True):
        assert one.inputs.keys() == other.inputs.keys()
        assert all(torch.equal(one.inputs[s], x) for s, x in other.inputs.items())
        assert all(torch.equal(one.activities[level], h) for level, h in other.activities.items())


@pytest.mark.parametrize("keep", [1, 3])
def test_layers_learn_from_the_recent_frames_what_an_update_teaches(tiny, cases, video, keep):
    network, labels = tiny(), cases[1]
    layers = {level: network.layer(level) for level in network.levels}
    network.zero_grad()
    last = list(network.steps(network.encode(video), labels, 6))[-keep:]
    loss, accuracy = local_update(layers, last, SIGNS, keep)
    expected = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    stream = Stream(network, labels, keep)
    list(stream.steps(video.unbind(1)))
    measured = stream.learn(SIGNS)
    for name, p in network.layers.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(measured.loss, loss)
    torch.testing.assert_close(measured.accuracy, accuracy)


def test_weights_that_changed_count_from_the_next_frame_on(tiny, cases, video):
    """By the equation of one iteration, with the new weights and the old states."""
    network, labels = tiny(), cases[1]
    frames, stream = video.unbind(1), Stream(network, labels)
    stream.show(frames[0])
    states, sent = copy.deepcopy((stream.states, stream.sent))
    for p in network.layers.parameters():
        p.mul_(1.1)
    step = stream.show(frames[1])
    for level in network.levels:
        layer = network.layer(level)
        image = frames[1] / frames[1].square().mean(1, keepdim=True).sqrt()
        total: Tensor = layer.unit_bias()
        for source in layer.sources:
            x = {"0": image.unsqueeze(1), str(network.top): labels.unsqueeze(2)}.get(source)
            total = total + layer.connection(source)(sent[source] if x is None else x)
        h = total.relu()
        torch.testing.assert_close(step.activities[level], h.expand_as(step.activities[level]))
        damping = network.config.damping
        torch.testing.assert_close(stream.states[level], damping * states[level] + (1 - damping) * h)


def test_scores_are_the_mean_goodness_of_the_recent_frames(tiny, cases, video):
    network, labels = tiny(), cases[1]
    stream = Stream(network, labels, keep=2)
    one, other = list(stream.steps(video.unbind(1)))[-2:]
    wanted = sum(
        step.activities[level].square().mean(-1) / 2 for step in (one, other) for level in network.levels
    )
    torch.testing.assert_close(stream.scores(), wanted.expand(labels.shape))


def test_nothing_grows(tiny, cases, generator):
    network, labels = tiny(), cases[1]
    stream, held = Stream(network, labels, keep=2), []
    optimiser = torch.optim.SGD(network.layers.parameters(), lr=1e-3)
    for step in islice(stream.steps(camera(generator)), 300):
        stream.learn(SIGNS)
        optimiser.step()
        network.recast()
        if step.number in (10, 300):
            held.append(tensors_held())
    assert held[0] == held[1]


def test_bad_frames_are_named(tiny, cases):
    stream = Stream(tiny(), cases[1])
    with pytest.raises(ValueError, match=r"frame: expected shape \(5, inputs\), .* found \(3, 12\)"):
        stream.show(torch.rand(3, 12, dtype=torch.float64))
    with pytest.raises(ValueError, match="keep: expected at least the last step, found 0"):
        Stream(tiny(), cases[1], keep=0)


@pytest.mark.parametrize("ask", [lambda s: s.scores(), lambda s: s.learn(torch.tensor([1.0, -1.0]))])
def test_nothing_can_be_asked_before_the_first_frame(ask):
    network = Recurrent(RecurrentConfig(hidden=(5,)), 4, 3, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="expected a frame first"):
        ask(Stream(network, torch.tensor([[0, 1]])))


@pytest.mark.parametrize("labels", [[0, 1], [[0, 3]], [[-1, 1]]])
def test_candidates_are_rows_of_labels(labels):
    network = Recurrent(RecurrentConfig(hidden=(5,)), 4, 3, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="expected labels"):
        Stream(network, torch.tensor(labels))
