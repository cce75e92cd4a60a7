"""Feed-forward networks: the local rule against autograd, labels, receptive fields, black boxes, one step."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from ffrec import one_shot, registry
from ffrec.baselines.reference import autograd_update
from ffrec.config import ConfigError, FeedForwardConfig
from ffrec.evaluation.images import label_goodness
from ffrec.learning.goodness import normalise
from ffrec.learning.transform import BlackBox
from ffrec.networks.feedforward import FeedForward

ACTIVATIONS = registry.menu("activation")
LOCAL = {"hidden": (4 * 3, 5), "local": ((2, 2, 3), (2, 1, 5)), "label": "none"}


@pytest.fixture
def make(generator):
    """A factory of small float64 networks for 16 pixels and 4 classes, biases not zero."""

    def make(boxes=None, **fields):
        network = FeedForward(
            FeedForwardConfig(**{"hidden": (8, 6, 10), "sharpness": 3.0} | fields), 16, 4, generator, boxes
        ).double()
        for level in network.levels:
            network.layer(level).bias.normal_(0, 0.3, generator=generator)
        return network

    return make


@pytest.fixture
def rows(generator):
    return torch.rand(5, 16, generator=generator, dtype=torch.float64)


@pytest.fixture
def twins(generator):
    return torch.rand(5, 2, 16, generator=generator, dtype=torch.float64)


LABELS = torch.tensor([[0, 1], [1, 3], [2, 0], [3, 2], [1, 0]])


SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)
WHICH = {"both": slice(0, 2), "wake": slice(0, 1), "sleep": slice(1, 2)}
"""Which of a positive and a negative candidate a phase learns from."""


def gradients(network):
    return {name: p.grad.clone() for name, p in network.layers.named_parameters()}


def learn(network, rows, labels=None, phase="both"):
    """Losses and accuracies of the candidates of a phase, whose gradients the network then has."""
    network.zero_grad()
    which = WHICH[phase]
    if labels is not None:
        labels = labels[:, which]
    return network.learn(network.encode(rows), labels, SIGNS[which])


def both_gradients(network, rows, labels):
    """What the local update and autograd make of the same cases."""
    loss, _ = learn(network, rows, labels)
    local = gradients(network)
    network.zero_grad()
    encoding = network.encode(rows)
    step = encoding.step if labels is None else next(network.steps(encoding, labels))
    network.layers.requires_grad_()
    expected_loss = autograd_update({level: network.layer(level) for level in network.levels}, [step], SIGNS)
    torch.testing.assert_close(loss.sum(), expected_loss)
    network.layers.requires_grad_(False)
    return local, gradients(network)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("goodness", ["squares", "activities"])
@pytest.mark.parametrize(("activity", "theta"), [("max", 0.7), ("min", -0.7)])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("label", ["overwrite", "append", "none"])
def test_local_update_equals_autograd(
    make, rows, twins, activation, goodness, activity, theta, blocks, label
):
    network = make(
        activation=activation,
        goodness=goodness,
        activity=activity,
        threshold=(theta, 2 * theta, theta / 2),
        sharpness=(3.0, 1.0, 2.0),
        blocks=blocks,
        label=label,
    )
    unlabelled = label == "none"
    torch.testing.assert_close(
        *both_gradients(network, twins if unlabelled else rows, None if unlabelled else LABELS)
    )


def test_one_update_by_hand(make, rows):
    """Without the network's own layers: a matrix product, a rectifier, σ of a mean square, and autograd."""
    network = make(label="append", hidden=(8, 6), threshold=0.7)
    learn(network, rows, LABELS)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    code = one_hot(LABELS, 4).double() * 2
    x = (rows / rows.square().mean(1, keepdim=True).sqrt()).unsqueeze(1)
    h1 = (x @ w["0.connections.0.weight"] + code @ w["0.connections.label.weight"] + w["0.bias"]).relu()
    sent = (h1 / h1.square().mean(2, keepdim=True).sqrt()).detach()
    h2 = (sent @ w["1.connections.1.weight"] + w["1.bias"]).relu()
    for h in (h1, h2):
        p = torch.sigmoid(3.0 * (h.square().mean(2) - 0.7))
        (-(p[:, 0].log() + (1 - p[:, 1]).log()).mean() / 2).backward()
    torch.testing.assert_close(gradients(network), {name: p.grad for name, p in w.items()})


def test_labelled_twins_learn_as_autograd_says(make, twins):
    network = make(label="append")
    torch.testing.assert_close(*both_gradients(network, twins, LABELS))
    alone, paired = network.encode(twins[:, 0]), network.encode(twins)
    torch.testing.assert_close(network.logits(paired), network.logits(alone))
    torch.testing.assert_close(network.features(paired), network.features(alone))
    assert paired.step.activities[1].shape[1] == 1  # no pass with the neutral label is wasted on the twin


@pytest.mark.parametrize("label", ["append", "twins", "none"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_wake_and_sleep_add_up_to_both(make, rows, twins, label, blocks):
    network = make(label="append" if label == "twins" else label, blocks=blocks)
    parts = {}
    for phase, which in WHICH.items():
        seen = rows if label == "append" else twins[:, which]
        learn(network, seen, None if label == "none" else LABELS, phase)
        parts[phase] = gradients(network)
    for name, gradient in parts["both"].items():
        torch.testing.assert_close((parts["wake"][name] + parts["sleep"][name]) / 2, gradient)


def test_what_is_right_in_a_sleep_phase_is_below_the_threshold(make, rows):
    network = make(threshold=0.7)
    for phase, sign in (("wake", 1), ("sleep", -1)):
        passed = next(network.steps(network.encode(rows), LABELS[:, WHICH[phase]]))
        _, right = learn(network, rows, LABELS, phase)
        for level, share in zip(network.levels, right, strict=True):
            goodness = network.layer(level).goodness_of(passed.activities[level])
            assert share == (sign * (goodness - 0.7) > 0).double().mean()


@pytest.mark.parametrize("phase", ["both", "wake", "sleep"])
@pytest.mark.parametrize("label", ["append", "twins", "none"])
def test_centred_inputs_count_from_the_midpoint(make, rows, twins, knowing, generator, label, phase):
    place = "append" if label == "twins" else label
    network, plain = make(label=place, centring=True, scaling=0.1), make(label=place)
    network.load_state_dict(plain.state_dict(), strict=False)
    sign = {"both": 0.0, "wake": 1.0, "sleep": -1.0}[phase]
    knowing(network, sign, generator)
    shown = None if label == "none" else LABELS[:, WHICH[phase]]
    seen = rows if label == "append" else twins[:, WHICH[phase]]
    for each in (network, plain):
        learn(each, seen, None if label == "none" else LABELS, phase)
    encoding = plain.encode(seen)
    passed = encoding.step if shown is None else next(plain.steps(encoding, shown))
    inputs = dict(passed.inputs)
    if shown is not None:
        inputs["label"] = one_hot(shown, plain.classes) * plain.classes**0.5
    for level in network.levels:
        layer, other = network.layer(level), plain.layer(level)
        for source in other.sources:
            gap, found = layer.source_midpoints[source].gap, other.connection(source).weight.grad
            if (level, source) == (1, "0") and shown is not None:  # a midpoint for every label
                x = encoding.input.expand(*shown.shape, -1)
                means = [x[shown == k].mean(0).nan_to_num(0) for k in range(plain.classes)]
                of_label = other.connection("label").weight.grad / plain.classes**0.5  # Σ δ of its cases
                expected = found - (torch.stack(means) - sign / 2 * gap).T @ of_label
            else:
                midpoint = inputs[source].flatten(0, 1).double().mean(0) - sign / 2 * gap
                expected = found - midpoint.outer(other.bias.grad)  # Σ δ
            torch.testing.assert_close(layer.connection(source).weight.grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-5
        followed = passed.activities[level].square().mean() - sign / 2 * layer.goodness_midpoint.gap
        torch.testing.assert_close(layer.goodness_midpoint.now, followed)


def test_the_label_starts_as_large_as_its_setting(make):
    def size(**fields):
        return make(**fields).label().weight.std()

    assert size(label="append", label_size=0.1) / size(label="append") == pytest.approx(0.1, rel=0.5)
    assert make(label_size=0.0).label().weight.abs().max() == 0


@pytest.mark.parametrize("blocks", [1, 4])
def test_local_fields_learn_like_masked_dense_ones(make, twins, blocks):
    fields = LOCAL | {"hidden": (12, 8), "local": ((2, 2, 3), (2, 1, 8)), "blocks": blocks}
    batched, masked = make(**fields), make(masked=True, **fields)
    for level in batched.levels:
        layer, other, source = batched.layer(level), masked.layer(level), str(level - 1)
        eye = torch.eye(layer.connection(source).source_units, dtype=torch.float64)
        other.connection(source).weight.copy_(layer.connection(source)(eye))
        other.bias.copy_(layer.bias)
    one, two = batched.encode(twins), masked.encode(twins)
    for level in batched.levels:
        torch.testing.assert_close(one.step.activities[level], two.step.activities[level])
    torch.testing.assert_close(learn(batched, twins), learn(masked, twins))
    torch.testing.assert_close(*both_gradients(batched, twins, None))
    torch.testing.assert_close(batched.layer(2).bias.grad, masked.layer(2).bias.grad)


SIZES = {
    "squares": lambda h: h.square().mean(1, keepdim=True).sqrt(),
    "activities": lambda h: h.mean(1, keepdim=True),
}


@pytest.mark.parametrize("goodness", ["squares", "activities"])
def test_one_pass_by_hand(make, rows, goodness):
    network, size = make(label="overwrite", goodness=goodness), SIZES[goodness]
    w = dict(network.layers.named_parameters())
    label = torch.tensor([[2], [0], [1], [1], [3]])
    code = torch.nn.functional.one_hot(label.squeeze(1), 4).double() * 2  # unit mean square
    torch.testing.assert_close(code.square().mean(1), torch.ones(5, dtype=torch.float64))
    image = rows[:, 4:] / SIZES["squares"](rows[:, 4:])
    h1 = (
        image @ w["0.connections.0.weight"] + code @ w["0.connections.label.weight"] + w["0.bias"]
    ).clamp_min(0)
    h2 = (h1 / size(h1) @ w["1.connections.1.weight"] + w["1.bias"]).clamp_min(0)
    encoding = network.encode(rows)
    passed = next(network.steps(encoding, label))
    torch.testing.assert_close(passed.activities[1].squeeze(1), h1)
    torch.testing.assert_close(passed.activities[2].squeeze(1), h2)
    neutral = [encoding.step.activities[level].squeeze(1) for level in (2, 3)]
    features = network.features(encoding)  # note 21: unsquared activities are normalised by their mean
    torch.testing.assert_close(features, torch.cat([h / size(h) for h in neutral], dim=1))


@pytest.mark.parametrize(("x", "expected"), [(0.0, 0.0), (1.0, math.log(2)), (-3.0, math.log(10))])
def test_student_t_by_hand(x, expected):
    h, _ = ACTIVATIONS["student-t"](torch.tensor([x], dtype=torch.float64))
    assert h.item() == pytest.approx(expected)


def test_the_softmax_reads_activities_and_not_what_a_box_makes_of_them(make, rows):
    network = make(boxes={2: lambda x: x.flip(-1) > 1})
    encoding = network.encode(rows)
    expected = [normalise(encoding.step.activities[level].squeeze(1)) for level in (2, 3)]
    torch.testing.assert_close(network.features(encoding), torch.cat(expected, dim=1))
    boxed = (normalise(encoding.step.activities[2]).flip(-1) > 1).double()
    torch.testing.assert_close(encoding.step.inputs["2"], normalise(boxed))


@pytest.mark.parametrize("goodness", ["squares", "activities"])
def test_a_box_that_changes_nothing_changes_nothing(make, rows, goodness):
    network = make(goodness=goodness)
    before = network.encode(rows).step.activities[3].clone()
    layer = network.layer(1)
    layer.transform = BlackBox(lambda x: x.numpy().tolist(), layer.goodness.normalise, "hidden layer 1")
    torch.testing.assert_close(network.encode(rows).step.activities[3], before)


@pytest.mark.parametrize("level", [0, 3, 4])
def test_a_box_behind_a_layer_that_sends_to_none_is_refused(make, level):
    with pytest.raises(ValueError, match=rf"boxes: expected hidden levels .* 1 to 2, found {level}"):
        make(boxes={level: lambda x: x})


def test_the_neutral_label_is_a_tenth_of_every_label(make, rows):
    network = make(label="append")
    every = torch.arange(4).expand(5, 4)
    encoding = network.encode(rows)
    labelled = encoding.drive[1] + network.label()(every.unsqueeze(2))
    neutral = encoding.step.activities[1]
    torch.testing.assert_close(labelled.mean(1, keepdim=True).clamp_min(0), neutral)


def test_an_overwritten_pixel_is_not_seen_and_an_appended_label_covers_none(make, rows):
    for label, covered in (("overwrite", 4), ("append", 0)):
        network = make(label=label)
        changed = rows.clone()
        changed[:, :4] += 1
        same = torch.equal(network.encode(changed).input, network.encode(rows).input)
        assert same == (covered > 0)
        assert network.encode(rows).input.shape[-1] == 16 - covered


def test_permuting_pixels_and_weights_together_changes_nothing(make, rows, generator):
    network = make(label="append")
    before = network.encode(rows).step.activities[3].clone()
    order = torch.randperm(16, generator=generator)
    weights = network.layer(1).connection("0").weight
    weights.copy_(weights[order].clone())
    torch.testing.assert_close(network.encode(rows[:, order]).step.activities[3], before)


def test_a_candidate_does_not_depend_on_the_others(make, rows):
    network = make()
    encoding = network.encode(rows)
    both = next(network.steps(encoding, LABELS)).activities[3]
    torch.testing.assert_close(both[:, 1:], next(network.steps(encoding, LABELS[:, 1:])).activities[3])


@pytest.mark.parametrize(("reads", "expected"), [((), [2, 3]), ((1, 2, 3), [1, 2, 3]), ((3,), [3])])
def test_the_softmax_sees_the_normalised_activities_it_is_to_read(make, rows, reads, expected):
    network = make(reads=reads)
    encoding = network.encode(rows)
    features = network.features(encoding)
    wanted = [normalise(encoding.step.activities[level].squeeze(1)) for level in expected]
    torch.testing.assert_close(features, torch.cat(wanted, dim=1))
    assert list(network.scored) == expected


def test_the_softmax_sees_nothing_of_the_negative_twin(make, twins):
    network = make(label="none")
    both, alone = network.encode(twins), network.encode(twins[:, :1])
    torch.testing.assert_close(network.features(both), network.features(alone))


@pytest.mark.parametrize(("reads", "scored"), [((), (2, 3)), ((1, 2, 3), (1, 2, 3)), ((1,), (1,))])
def test_a_label_scores_the_mean_of_the_blocks_of_the_levels_that_are_read(make, rows, reads, scored):
    network = make(blocks=2, reads=reads)
    encoding = network.encode(rows)
    passed = next(network.steps(encoding, LABELS))
    expected = sum(
        (h[..., : h.shape[-1] // 2].square().mean(-1) + h[..., h.shape[-1] // 2 :].square().mean(-1)) / 2
        for h in (passed.activities[level] for level in scored)
    )
    torch.testing.assert_close(label_goodness(network, encoding, LABELS, 1), expected.unsqueeze(0))


def test_peer_normalisation_brings_a_dead_unit_back(make, twins):
    network = make(label="none", peer=0.1)
    layer = network.layer(1)
    layer.bias[0] = -100.0
    optimiser = torch.optim.SGD(network.layers.parameters(), lr=50.0)
    assert network.encode(twins).step.activities[1][..., 0].max() == 0
    for _ in range(200):
        learn(network, twins)
        optimiser.step()
        if network.encode(twins).step.activities[1][..., 0].max() > 0:
            return
    raise AssertionError("the unit is still dead")


def test_learning_goes_on_above_and_below_a_black_box(make, twins):
    def noise(x):  # neither differentiable nor the same twice
        return torch.where(torch.rand_like(x) < 0.9, (x > 1).to(x.dtype), 1.0)

    torch.manual_seed(0)
    network = make(boxes={1: noise, 2: lambda x: x.flip(-1)}, label="none")
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=0.02)
    first = learn(network, twins).loss.clone()
    for _ in range(200):
        last = learn(network, twins).loss
        optimiser.step()
    assert (last < 0.7 * first).all(), (first, last)


@pytest.mark.parametrize(
    ("box", "found"),
    [
        (lambda x: x / 0 * 0, "found NaN or infinity"),
        (lambda x: x[..., :-1], r"found shape \(5, 1, 5\)"),
        (lambda x: None, "found NoneType"),
    ],
)
def test_a_black_box_that_breaks_is_named(make, rows, box, found):
    network = make(boxes={2: box})
    with pytest.raises(ValueError, match=f"black box behind hidden layer 2.*{found}"):
        network.encode(rows)


@pytest.mark.parametrize(("label", "shown"), [("append", 2), ("none", None)])
@pytest.mark.parametrize(("activity", "wanted"), [("max", 2.5), ("min", -0.3)])
def test_one_step_reaches_a_goodness_and_leaves_what_is_sent_alone(
    make, rows, label, shown, activity, wanted
):
    network = make(label=label, activity=activity, threshold=1.0 if activity == "max" else -1.0)

    def passed():
        encoding = network.encode(rows[:1])
        return encoding.step if shown is None else next(network.steps(encoding, torch.tensor([[shown]])))

    before = passed()
    one_shot(network, rows[0], wanted, shown)
    after = passed()
    for level in network.levels:
        value = network.layer(level).goodness_of(after.activities[level])
        torch.testing.assert_close(value, torch.full_like(value, wanted))
        assert not torch.allclose(after.activities[level], before.activities[level])
        torch.testing.assert_close(
            normalise(after.activities[level]), normalise(before.activities[level])
        )  # equation 3


@pytest.mark.parametrize(
    ("fields", "arguments", "words"),
    [
        ({}, {"goodness": 1.0}, "label: expected 0 to 3, found None"),
        ({}, {"goodness": 1.0, "label": 4}, "label: expected 0 to 3, found 4"),
        ({"label": "none"}, {"goodness": float("nan")}, "expected a finite one"),
        (
            {"label": "none", "activation": "student-t"},
            {"goodness": 1.0},
            "rectifiers with the mean of their squares",
        ),
        ({"label": "none"}, {"goodness": 1.0, "label": 1}, "label: expected none, found 1"),
        ({"label": "none"}, {"goodness": -1.0}, "of the network's sign"),
        ({"label": "none", "goodness": "activities"}, {"goodness": 1.0}, "with the mean of their squares"),
        (LOCAL, {"goodness": 1.0}, "fully connected"),
    ],
)
def test_one_step_says_what_it_cannot_do(make, rows, fields, arguments, words):
    with pytest.raises(ValueError, match=words):
        one_shot(make(**fields), rows[0], **arguments)


@pytest.mark.parametrize("level", [1, 3])
def test_one_step_changes_nothing_if_a_layer_is_silent(make, rows, level):
    network = make(label="none")
    network.layer(level).bias.fill_(-100.0)
    before = {name: p.clone() for name, p in network.named_parameters()}
    with pytest.raises(ValueError, match=f"hidden layer {level} is sent something and not silent"):
        one_shot(network, rows[0], 1.0)
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())
    network.layer(level).bias.fill_(1.0)
    with pytest.raises(ValueError, match="hidden layer 1 is sent something"):
        one_shot(network, torch.zeros(16, dtype=torch.float64), 1.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hidden": (11, 5)}, "4 locations of 3 channels make 12 units in layer 1, found 11"),
        ({"local": ((3, 2, 3), (2, 1, 5))}, "expected fields that tile a side of 4, found 3"),
    ],
)
def test_receptive_fields_that_do_not_fit_are_refused(make, fields, words):
    with pytest.raises(ConfigError, match=words):
        make(**LOCAL | fields)


def test_class_scores_need_no_candidates(make, rows):
    """What other classes are tried changes no score; layers count by their sharpness."""
    network = make(label="none", objective="classes", goodness="scores", sharpness=(3.0, 1.0, 2.0))
    assert network.scored == (2, 3)
    encoding = network.encode(rows)
    every = torch.arange(4).expand(5, 4)
    history = label_goodness(network, encoding, every, 1)
    a = [
        (normalise(encoding.step.activities[level]) @ network.layer(level).goodness.weight)
        for level in (2, 3)
    ]
    torch.testing.assert_close(history, (a[0] + 2 * a[1]).squeeze(1).unsqueeze(0))
    alone = label_goodness(network, encoding, LABELS[:, 1:], 1)
    torch.testing.assert_close(alone[0], history[0].gather(1, LABELS[:, 1:]))


def test_groups_of_units_may_be_the_scores_of_classes(make, rows):
    network = make(label="none", objective="classes", blocks=4, hidden=(8, 12))
    h = network.encode(rows).step.activities[2].squeeze(1)
    history = label_goodness(network, network.encode(rows), torch.arange(4).expand(5, 4), 1)
    torch.testing.assert_close(history[0], 3 * h.view(5, 4, 3).square().mean(2))


def test_a_class_without_a_score_of_its_own_is_refused(make):
    with pytest.raises(ConfigError, match=r"expected a goodness for each of 4 classes, found parts \(2,\)"):
        make(label="none", objective="classes", blocks=2)


def test_learnt_scores_belong_to_the_network(make):
    network = make(label="none", objective="classes", goodness="scores")
    names = [name for name, _ in network.named_parameters() if "goodness" in name]
    assert names == [f"layers.{index}.goodness.weight" for index in range(3)]
    assert set(names) <= set(network.state_dict())
