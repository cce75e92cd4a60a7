"""The recurrent network: every update against autograd, one step by hand, and what must not matter."""

import pytest
import torch
from torch.nn.functional import one_hot

import corpora
from ffrec.baselines.baselines import autograd_learn
from ffrec.config import RecurrentConfig
from ffrec.evaluation.images import label_goodness
from ffrec.learning.layer import SIDES, normalise
from ffrec.networks.recurrent import Recurrent

THRESHOLD = {"max": 1.0, "min": -1.0}


def gradients(network):
    return {name: p.grad.clone() for name, p in network.layers.named_parameters()}


@pytest.mark.parametrize("objective", ["max", "min"])
@pytest.mark.parametrize("damping", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("hidden", [(9,), (9, 7), (9, 7, 8)])
@pytest.mark.parametrize("loss", [(1, 1), (2, 2), (3, 6), (1, 6)])
def test_local_update_equals_autograd(tiny, cases, objective, damping, hidden, loss):
    images, labels = cases
    network = tiny(
        hidden=hidden, objective=objective, threshold=THRESHOLD[objective], damping=damping, loss=loss
    )
    seen = network.look(images)
    local_loss, _ = network.learn(seen, labels)
    local = gradients(network)
    network.zero_grad()
    network.requires_grad_()
    expected_loss = autograd_learn(network, seen, labels)
    torch.testing.assert_close(local_loss.sum(), expected_loss)
    torch.testing.assert_close(local, gradients(network))


@pytest.mark.parametrize("hidden", [(9,), (9, 7)])
def test_day_and_night_add_up_to_both(tiny, cases, hidden):
    images, labels = cases
    network = tiny(hidden=hidden, peer=0.1)
    seen = network.look(images)
    parts = []
    for phase, shown in (("wake", labels[:, :1]), ("sleep", labels[:, 1:]), ("both", labels)):
        for level in network.levels:
            network.layer(level).running_mean.fill_(0.5)
        network.learn(seen, shown, phase)
        parts.append(gradients(network))
    day, night, both = parts
    for name, gradient in both.items():
        torch.testing.assert_close((day[name] + night[name]) / 2, gradient)


@pytest.mark.parametrize("phase", ["both", "wake", "sleep"])
@pytest.mark.parametrize("last", [1, 4])
def test_centred_inputs_count_from_the_midpoint(tiny, cases, knowing, generator, last, phase):
    images, labels = cases
    network, plain = (tiny(loss=(last, last), centring=centring) for centring in (True, False))
    network.load_state_dict(plain.state_dict(), strict=False)
    sign = {"both": 0.0, "wake": 1.0, "sleep": -1.0}[phase]
    knowing(network, sign, generator)
    shown = SIDES[phase](labels.T).T
    for each in (network, plain):
        each.learn(each.look(images), shown, phase)
    *_, passed = plain.iterate(plain.look(images), shown, last)
    means = {"0": normalise(images).mean(0), "3": one_hot(shown.flatten(), 4).double().mean(0) * 2}
    means |= {
        str(s): x.expand(-1, shown.shape[1], -1).flatten(0, 1).mean(0) for s, x in passed.sources.items()
    }
    for level in network.levels:
        layer, other = network.layer(level), plain.layer(level)
        for source, mean in means.items():
            if source in other.weights:
                midpoint = mean - sign / 2 * layer.source_midpoints[source].gap
                expected = other.weights[source].grad - midpoint.outer(other.bias.grad)  # which is −Σ δ / n
                torch.testing.assert_close(layer.weights[source].grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-4


@pytest.mark.parametrize("phase", ["wake", "sleep"])
def test_goodness_is_noted_once_an_update_over_its_iterations(tiny, cases, phase):
    images, labels = cases
    network = tiny(loss=(2, 4), scaling=0.1)
    shown = SIDES[phase](labels.T).T
    network.learn(seen := network.look(images), shown, phase)
    passed = [it for it in network.iterate(seen, shown, 4) if it.number >= 2]
    for level in network.levels:
        midpoint = network.layer(level).goodness_midpoint
        mean = torch.stack([it.activities[level].square().mean() for it in passed]).mean()
        torch.testing.assert_close(midpoint.recent, mean)
        assert midpoint.sign == (1 if phase == "wake" else -1)


def test_local_update_with_skip_connections_equals_autograd(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8), skip=((0, 2), (1, 3), (4, 1)), loss=(2, 5))
    seen = network.look(images)
    network.learn(seen, labels)
    local = gradients(network)
    assert local.keys() >= {"1.weights.0", "2.weights.1", "0.weights.4"}
    network.zero_grad()
    network.requires_grad_()
    autograd_learn(network, seen, labels)
    torch.testing.assert_close(local, gradients(network))


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_chunks_change_no_gradient(tiny, cases, chunk):
    images, labels = cases
    network = tiny(loss=(2, 8))
    seen = network.look(images)
    network.learn(seen, labels)
    whole = gradients(network)
    object.__setattr__(network.config, "chunk", chunk)
    network.learn(seen, labels)
    torch.testing.assert_close(gradients(network), whole)


def test_one_synchronous_step_by_hand(tiny, cases):
    images, labels = cases
    network = tiny(damping=0.3)
    w = {name: p.clone() for name, p in network.layers.named_parameters()}
    x = normalise(images)
    start1 = (x @ w["0.weights.0"] + w["0.bias"]).clamp_min(0)
    start2 = (normalise(start1) @ w["1.weights.1"] + w["1.bias"]).clamp_min(0)
    new1 = (x @ w["0.weights.0"] + normalise(start2) @ w["0.weights.2"] + w["0.bias"]).clamp_min(0)
    code = torch.zeros(5, 4, dtype=torch.float64)
    code[torch.arange(5), labels[:, 1]] = 2.0  # four classes: a mean square of one
    new2 = (normalise(start1) @ w["1.weights.1"] + code @ w["1.weights.3"] + w["1.bias"]).clamp_min(0)
    first, second = network.iterate(network.look(images), labels[:, 1:], 2)
    torch.testing.assert_close(first.activities[1][:, 0], new1)
    torch.testing.assert_close(first.activities[2][:, 0], new2)
    torch.testing.assert_close(second.sources[1][:, 0], normalise(0.3 * start1 + 0.7 * new1))
    torch.testing.assert_close(second.sources[2][:, 0], normalise(0.3 * start2 + 0.7 * new2))


def test_alternating_update_feeds_new_even_layers_to_odd_ones(tiny, cases):
    images, labels = cases
    network = tiny(update="alternating", damping=0.0, iterations=10, loss=(3, 10))
    w = {name: p.clone() for name, p in network.layers.named_parameters()}
    first, *_ = network.iterate(network.look(images), labels[:, :1], 1)
    even = first.activities[2][:, 0]
    odd = normalise(images) @ w["0.weights.0"] + normalise(even) @ w["0.weights.2"] + w["0.bias"]
    torch.testing.assert_close(first.activities[1][:, 0], odd.clamp_min(0))


def test_alternating_local_update_uses_what_each_layer_was_sent(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8), update="alternating", damping=0.0, loss=(4, 4))
    seen = network.look(images)
    network.learn(seen, labels)
    local = gradients(network)
    before, last = list(network.iterate(seen, labels, 4))[-2:]
    sent = {1: before.activities[1], 2: last.activities[2], 3: before.activities[3]}  # even layers go first
    x = {level: normalise(h) for level, h in sent.items()}
    x |= {0: seen.image, 4: torch.nn.functional.one_hot(labels, 4).double() * 2.0}
    network.zero_grad()
    network.requires_grad_()
    correct = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for level in network.levels:
        layer = network.layer(level)
        h = sum((x[s] @ layer.weights[str(s)] for s in network.sources(level)), start=layer.bias).relu()
        (-layer.logistic.log_p_correct(network.goodness.value(h), correct).mean()).backward()
    torch.testing.assert_close(local, gradients(network))


def test_a_different_batch_order_permutes_the_results(tiny, cases):
    images, labels = cases
    network, order = tiny(), torch.tensor([3, 0, 4, 1, 2])
    history = label_goodness(network, network.look(images), labels, 5)
    shuffled = label_goodness(network, network.look(images[order]), labels[order], 5)
    torch.testing.assert_close(shuffled, history[:, order])


def test_a_labels_goodness_does_not_depend_on_the_others_tried(tiny, cases):
    images, _ = cases
    network = tiny(hidden=(9, 7, 8))
    every = torch.arange(4).expand(5, 4)
    together = label_goodness(network, network.look(images), every, 8)
    for label in range(4):
        alone = label_goodness(network, network.look(images), every[:, label : label + 1], 8)
        torch.testing.assert_close(together[:, :, label : label + 1], alone)


def test_the_label_climbs_down_one_level_an_iteration(tiny, cases):
    images, labels = cases
    network = tiny(hidden=(9, 7, 8))
    for iteration in network.iterate(network.look(images), labels, 4):
        for level, h in iteration.activities.items():
            told = h.shape[1] == 2 and not torch.equal(h[:, 0], h[:, 1])
            assert told == (iteration.number >= 4 - level)


def test_permuted_pixels_with_permuted_weights_change_nothing(tiny, cases, generator):
    images, labels = cases
    network, order = tiny(), torch.randperm(12, generator=generator)
    before = label_goodness(network, network.look(images), labels, 5)
    first = network.layer(1).weights["0"]
    first.copy_(first[order].clone())
    torch.testing.assert_close(label_goodness(network, network.look(images[:, order]), labels, 5), before)


@pytest.mark.parametrize(("loss", "chunk"), [((2, 8), 0), ((2, 8), 3), ((2, 5), 0)])
def test_a_video_that_stands_still_is_an_image(tiny, cases, loss, chunk):
    images, labels = cases
    network = tiny(loss=loss, chunk=chunk)
    network.learn(network.look(images), labels)
    still = gradients(network)
    network.learn(network.look(images.unsqueeze(1).expand(-1, 8, -1)), labels)
    torch.testing.assert_close(gradients(network), still)


def test_moving_digits_drive_the_network_and_teach_it(generator):
    digits = corpora.load("digits").train
    images, labels = digits.images[:60].float(), digits.labels[:60]
    video = torch.stack([images.roll(t // 2, dims=2).flatten(1) for t in range(8)], dim=1)  # they drift right
    wrong = (labels + torch.randint(1, 10, labels.shape, generator=generator)) % 10
    pairs = torch.stack([labels, wrong], dim=1)
    network = Recurrent(RecurrentConfig(hidden=(40, 30)), 64, 10, generator)
    moving = label_goodness(network, network.look(video), pairs, 5)
    still = label_goodness(network, network.look(video[:, 0]), pairs, 5)
    torch.testing.assert_close(moving[:2], still[:2])  # iterations 1 and 2 see the digit where it started
    assert not torch.allclose(moving[2], still[2])
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=1e-2)
    ranked = []
    for _ in range(100):
        ranked.append(network.learn(network.look(video), pairs)[1].min().item())
        optimiser.step()
    assert ranked[0] < 0.8
    assert ranked[-1] > 0.95


def test_a_video_of_the_wrong_length_is_refused(tiny, cases):
    images, labels = cases
    network = tiny()
    with pytest.raises(ValueError, match=r"expected 1 frame or 8.*found 3"):
        list(network.iterate(network.look(images.unsqueeze(1).repeat(1, 3, 1)), labels, 8))


def test_learning_stores_no_graph(tiny, cases):
    images, labels = cases
    network = tiny()
    network.learn(network.look(images), labels)
    assert all(p.grad.grad_fn is None and not p.requires_grad for p in network.layers.parameters())
