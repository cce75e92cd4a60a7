"""The recurrent network: every update against autograd, one step by hand, and what must not matter."""

import pytest
import torch
from torch.nn.functional import one_hot

import corpora
from ffrec.baselines.reference import autograd_recurrent, autograd_update
from ffrec.config import RecurrentConfig
from ffrec.evaluation.images import label_goodness
from ffrec.learning.goodness import normalise
from ffrec.networks.recurrent import Recurrent

THRESHOLD = {"max": 1.0, "min": -1.0}
SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)
WHICH = {"both": slice(0, 2), "wake": slice(0, 1), "sleep": slice(1, 2)}
"""Which of a positive and a negative candidate a phase learns from."""


def gradients(network):
    return {name: p.grad.clone() for name, p in network.layers.named_parameters()}


def learn(network, images, labels, phase="both"):
    """Losses and accuracies of the candidates of a phase, whose gradients the network then has."""
    network.zero_grad()
    which = WHICH[phase]
    return network.learn(network.encode(images), labels[:, which], SIGNS[which].to(images.dtype))


@pytest.mark.parametrize("activity", ["max", "min"])
@pytest.mark.parametrize("damping", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("hidden", [(9,), (9, 7), (9, 7, 8)])
@pytest.mark.parametrize("loss", [(1, 1), (2, 2), (3, 6), (1, 6)])
def test_local_update_equals_autograd(tiny, cases, activity, damping, hidden, loss):
    """By a reference that is written without the network's own steps."""
    images, labels = cases
    network = tiny(
        hidden=hidden, activity=activity, threshold=THRESHOLD[activity], damping=damping, loss=loss
    )
    local_loss, _ = learn(network, images, labels)
    local = gradients(network)
    network.zero_grad()
    network.requires_grad_()
    expected_loss = autograd_recurrent(network, network.encode(images), labels)
    torch.testing.assert_close(local_loss.sum(), expected_loss)
    torch.testing.assert_close(local, gradients(network))


def test_local_update_of_perturbed_layers_equals_autograd(tiny, cases):
    images, labels = cases
    network = tiny(loss=(2, 4))
    encoding = network.encode(images)
    with network.perturbed(lambda x: x + 0.3 * torch.cos(7 * x)):
        network.learn(encoding, labels, SIGNS)
        steps = list(network.steps(encoding, labels, 4))[1:]
    local = gradients(network)
    network.zero_grad()
    network.requires_grad_()
    layers = {level: network.layer(level) for level in network.levels}
    autograd_update(layers, steps, SIGNS)
    torch.testing.assert_close(local, gradients(network))
    assert all(layer.perturb is None for layer in network.layers)


@pytest.mark.parametrize("hidden", [(9,), (9, 7)])
def test_wake_and_sleep_add_up_to_both(tiny, cases, hidden):
    images, labels = cases
    network = tiny(hidden=hidden, peer=0.1)
    parts = {}
    for phase in WHICH:
        for level in network.levels:
            network.layer(level).running_mean.fill_(0.5)
        learn(network, images, labels, phase)
        parts[phase] = gradients(network)
    for name, gradient in parts["both"].items():
        torch.testing.assert_close((parts["wake"][name] + parts["sleep"][name]) / 2, gradient)


@pytest.mark.parametrize("phase", ["both", "wake", "sleep"])
@pytest.mark.parametrize("last", [1, 4])
def test_centred_inputs_count_from_the_midpoint(tiny, cases, knowing, generator, last, phase):
    images, labels = cases
    network, plain = (tiny(loss=(last, last), centring=centring) for centring in (True, False))
    network.load_state_dict(plain.state_dict(), strict=False)
    sign = {"both": 0.0, "wake": 1.0, "sleep": -1.0}[phase]
    knowing(network, sign, generator)
    shown = labels[:, WHICH[phase]]
    for each in (network, plain):
        learn(each, images, labels, phase)
    *_, passed = plain.steps(plain.encode(images), shown, last)
    means = {"0": normalise(images).mean(0), "3": one_hot(shown.flatten(), 4).double().mean(0) * 2}
    for source in ("1", "2"):
        x = passed.inputs[source].expand(-1, shown.shape[1], -1)
        means[source] = x.flatten(0, 1).mean(0)
    for level in network.levels:
        layer, other = network.layer(level), plain.layer(level)
        for source in other.sources:
            midpoint = means[source] - sign / 2 * layer.source_midpoints[source].gap
            total = other.bias.grad  # Σ δ
            expected = other.connection(source).weight.grad - midpoint.outer(total)
            torch.testing.assert_close(layer.connection(source).weight.grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-4


@pytest.mark.parametrize("phase", ["wake", "sleep"])
def test_midpoints_of_goodness_follow_once_an_update_over_its_iterations(tiny, cases, phase):
    images, labels = cases
    network = tiny(loss=(2, 4), scaling=0.1)
    learn(network, images, labels, phase)
    shown = labels[:, WHICH[phase]]
    passed = [step for step in network.steps(network.encode(images), shown, 4) if step.number >= 2]
    for level in network.levels:
        midpoint = network.layer(level).goodness_midpoint
        mean = torch.stack([step.activities[level].square().mean() for step in passed]).mean()
        torch.testing.assert_close(midpoint.recent, mean)
        assert midpoint.sign == (1 if phase == "wake" else -1)


def test_local_update_with_skip_connections_equals_autograd(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8), skip=((0, 2), (1, 3), (4, 1)), loss=(2, 5))
    learn(network, images, labels)
    local = gradients(network)
    weights = {"1.connections.0.weight", "2.connections.1.weight", "0.connections.4.weight"}
    assert local.keys() >= weights
    network.zero_grad()
    network.requires_grad_()
    autograd_recurrent(network, network.encode(images), labels)
    torch.testing.assert_close(local, gradients(network))


def test_one_synchronous_step_by_hand(tiny, cases):
    images, labels = cases
    network = tiny(damping=0.3)
    w = {name: p.clone() for name, p in network.layers.named_parameters()}
    x = normalise(images)
    start1 = (x @ w["0.connections.0.weight"] + w["0.bias"]).clamp_min(0)
    start2 = (normalise(start1) @ w["1.connections.1.weight"] + w["1.bias"]).clamp_min(0)
    new1 = (
        x @ w["0.connections.0.weight"] + normalise(start2) @ w["0.connections.2.weight"] + w["0.bias"]
    ).clamp_min(0)
    code = torch.zeros(5, 4, dtype=torch.float64)
    code[torch.arange(5), labels[:, 1]] = 2.0  # four classes: a mean square of one
    new2 = (
        normalise(start1) @ w["1.connections.1.weight"] + code @ w["1.connections.3.weight"] + w["1.bias"]
    ).clamp_min(0)
    first, second = network.steps(network.encode(images), labels[:, 1:], 2)
    torch.testing.assert_close(first.activities[1][:, 0], new1)
    torch.testing.assert_close(first.activities[2][:, 0], new2)
    torch.testing.assert_close(second.inputs["1"][:, 0], normalise(0.3 * start1 + 0.7 * new1))
    torch.testing.assert_close(second.inputs["2"][:, 0], normalise(0.3 * start2 + 0.7 * new2))


def test_the_softmax_reads_the_normalised_activities_of_the_bottom_up_pass(tiny, cases):
    network = tiny()
    encoding = network.encode(cases[0])
    expected = [normalise(h.squeeze(1)) for h in encoding.step.activities.values()]
    torch.testing.assert_close(network.features(encoding), torch.cat(expected, dim=1))
    network.readout.weight.fill_(0.5)
    logits = torch.cat(expected, dim=1) @ network.readout.weight + network.readout.bias
    torch.testing.assert_close(network.logits(encoding), logits)


def test_alternating_update_feeds_new_even_layers_to_odd_ones(tiny, cases):
    images, labels = cases
    network = tiny(update="alternating", damping=0.0, iterations=10, loss=(3, 10))
    w = {name: p.clone() for name, p in network.layers.named_parameters()}
    first, *_ = network.steps(network.encode(images), labels[:, :1], 1)
    even = first.activities[2][:, 0]
    odd = (
        normalise(images) @ w["0.connections.0.weight"]
        + normalise(even) @ w["0.connections.2.weight"]
        + w["0.bias"]
    )
    torch.testing.assert_close(first.activities[1][:, 0], odd.clamp_min(0))


def test_alternating_local_update_uses_what_each_layer_was_sent(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8), update="alternating", damping=0.0, loss=(4, 4))
    learn(network, images, labels)
    local = gradients(network)
    encoding = network.encode(images)
    before, last = list(network.steps(encoding, labels, 4))[-2:]
    sent = {1: before.activities[1], 2: last.activities[2], 3: before.activities[3]}  # even layers go first
    x = {str(level): normalise(h) for level, h in sent.items()}
    x |= {"0": encoding.input, "4": one_hot(labels, 4).double() * 2.0}
    network.zero_grad()
    network.requires_grad_()
    for level in network.levels:
        layer = network.layer(level)
        h = sum((x[s] @ layer.connection(s).weight for s in layer.sources), start=layer.bias).relu()
        p = torch.sigmoid(3.0 * (h.square().mean(-1) - 1.0))
        (-(p[:, 0].log() + (1 - p[:, 1]).log()).mean() / 2).backward()
    torch.testing.assert_close(local, gradients(network))


def test_a_different_batch_order_permutes_the_results(tiny, cases):
    images, labels = cases
    network, order = tiny(), torch.tensor([3, 0, 4, 1, 2])
    history = label_goodness(network, network.encode(images), labels, 5)
    shuffled = label_goodness(network, network.encode(images[order]), labels[order], 5)
    torch.testing.assert_close(shuffled, history[:, order])


def test_a_labels_goodness_does_not_depend_on_the_others_tried(tiny, cases):
    images, _ = cases
    network = tiny(hidden=(9, 7, 8))
    every = torch.arange(4).expand(5, 4)
    together = label_goodness(network, network.encode(images), every, 8)
    for label in range(4):
        alone = label_goodness(network, network.encode(images), every[:, label : label + 1], 8)
        torch.testing.assert_close(together[:, :, label : label + 1], alone)


def test_the_label_climbs_down_one_level_an_iteration(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8))
    for step in network.steps(network.encode(images), labels, 4):
        for level, h in step.activities.items():
            reached = h.shape[1] == 2 and not torch.equal(h[:, 0], h[:, 1])
            assert reached == (step.number >= 4 - level)


def test_a_step_says_what_is_shared_and_what_is_fixed(tiny, cases):
    images, labels = cases
    network = tiny()
    steps = list(network.steps(network.encode(images), labels, 3))
    for step in steps:
        assert step.candidates == 2
        assert step.shared == {"0"}
        assert step.fixed == {"0", "3"}
        for source in step.fixed:
            assert torch.equal(step.inputs[source], steps[0].inputs[source])
    video = network.encode(images.unsqueeze(1).repeat(1, 3, 1))
    assert next(network.steps(video, labels, 3)).fixed == {"3"}


def test_permuted_pixels_with_permuted_weights_change_nothing(tiny, cases, generator):
    images, labels = cases
    network, order = tiny(), torch.randperm(12, generator=generator)
    before = label_goodness(network, network.encode(images), labels, 5)
    first = network.layer(1).connection("0").weight
    first.copy_(first[order].clone())
    after = label_goodness(network, network.encode(images[:, order]), labels, 5)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("loss", [(2, 8), (2, 5)])
def test_a_video_that_stands_still_is_an_image(tiny, cases, loss):
    images, labels = cases
    network = tiny(loss=loss)
    learn(network, images, labels)
    still = gradients(network)
    learn(network, images.unsqueeze(1).expand(-1, 8, -1), labels)
    torch.testing.assert_close(gradients(network), still)


def test_moving_digits_drive_the_network_and_teach_it(generator):
    digits = corpora.load("digits").train
    images, labels = digits.images[:60].float(), digits.labels[:60]
    video = torch.stack([images.roll(t // 2, dims=2).flatten(1) for t in range(8)], dim=1)  # they drift right
    wrong = (labels + torch.randint(1, 10, labels.shape, generator=generator)) % 10
    pairs = torch.stack([labels, wrong], dim=1)
    network = Recurrent(RecurrentConfig(hidden=(40, 30)), 64, 10, generator)
    moving = label_goodness(network, network.encode(video), pairs, 5)
    still = label_goodness(network, network.encode(video[:, 0]), pairs, 5)
    torch.testing.assert_close(moving[:2], still[:2])  # iterations 1 and 2 see the digit where it started
    assert not torch.allclose(moving[2], still[2])
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=1e-2)
    ranked = []
    for _ in range(60):
        ranked.append(learn(network, video, pairs).accuracy.min().item())
        optimiser.step()
    assert ranked[0] < 0.8
    assert ranked[-1] > 0.95


def test_a_video_of_the_wrong_length_is_refused(tiny, cases):
    images, labels = cases
    network = tiny()
    with pytest.raises(ValueError, match=r"expected 1 frame or 8.*found 3"):
        list(network.steps(network.encode(images.unsqueeze(1).repeat(1, 3, 1)), labels, 8))


def test_learning_stores_no_graph(tiny, cases):
    images, labels = cases
    network = tiny()
    learn(network, images, labels)
    assert all(p.grad.grad_fn is None and not p.requires_grad for p in network.layers.parameters())
