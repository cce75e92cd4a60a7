"""Feed-forward networks: the local rule against autograd, labels, receptive fields, black boxes, one step."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from ffrec import one_shot
from ffrec.baselines.baselines import autograd_learn_feedforward
from ffrec.config import ConfigError, FeedForwardConfig
from ffrec.evaluation.images import label_goodness
from ffrec.learning.activation import ACTIVATIONS
from ffrec.learning.goodness import GOODNESS
from ffrec.learning.layer import SIDES, normalise
from ffrec.networks.feedforward import FeedForward

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


def both_gradients(network, rows, labels):
    """What the local rule and autograd make of the same cases."""
    seen = network.look(rows)
    loss, _ = network.learn(seen, labels)
    local = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    expected_loss = autograd_learn_feedforward(network, seen, labels)
    torch.testing.assert_close(loss.sum(), expected_loss)
    return local, {name: p.grad.clone() for name, p in network.layers.named_parameters()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("goodness", GOODNESS)
@pytest.mark.parametrize(("objective", "theta"), [("max", 0.7), ("min", -0.7)])
@pytest.mark.parametrize(("scale", "blocks"), [("mean", 1), ("sum", 1), ("mean", 2), ("sum", 2)])
@pytest.mark.parametrize("label", ["overwrite", "append", "none"])
def test_local_update_equals_autograd(
    make, rows, twins, activation, goodness, objective, theta, scale, blocks, label
):
    network = make(
        activation=activation,
        goodness=goodness,
        objective=objective,
        threshold=(theta, 2 * theta, theta / 2),
        sharpness=(3.0, 1.0, 2.0),
        scale=scale,
        blocks=blocks,
        label=label,
    )
    unlabelled = label == "none"
    torch.testing.assert_close(
        *both_gradients(network, twins if unlabelled else rows, None if unlabelled else LABELS)
    )


def test_labelled_twins_learn_as_autograd_says(make, twins):
    network = make(label="append")
    torch.testing.assert_close(*both_gradients(network, twins, LABELS))
    alone, paired = network.look(twins[:, 0]), network.look(twins)
    torch.testing.assert_close(network.classify(paired)[1], network.classify(alone)[1])
    assert paired.activities[1].shape[1] == 1  # no pass with the neutral label is wasted on the twin


@pytest.mark.parametrize("label", ["append", "twins", "none"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_day_and_night_add_up_to_both(make, rows, twins, label, blocks):
    network = make(label="append" if label == "twins" else label, blocks=blocks)
    parts = {}
    for phase, place in (("wake", slice(0, 1)), ("sleep", slice(1, 2)), ("both", slice(0, 2))):
        shown = None if label == "none" else LABELS[:, place]
        network.learn(network.look(rows if label == "append" else twins[:, place]), shown, phase)
        parts[phase] = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    for name, gradient in parts["both"].items():
        torch.testing.assert_close((parts["wake"][name] + parts["sleep"][name]) / 2, gradient)


def test_the_share_judged_rightly_asleep_is_below_the_threshold(make, rows):
    network = make(threshold=0.7)
    for phase, place, sign in (("wake", slice(0, 1), 1), ("sleep", slice(1, 2), -1)):
        passed = next(network.iterate(seen := network.look(rows), LABELS[:, place]))
        _, right = network.learn(seen, LABELS[:, place], phase)
        for level, share in zip(network.levels, right, strict=True):
            goodness = network.layer(level).judge(passed.activities[level])
            assert share == (sign * (goodness - 0.7) > 0).double().mean()


@pytest.mark.parametrize("phase", ["both", "wake", "sleep"])
@pytest.mark.parametrize("label", ["append", "none"])
def test_centred_inputs_count_from_the_midpoint(make, rows, twins, knowing, generator, label, phase):
    network, plain = make(label=label, centring=True, scaling=0.1), make(label=label)
    network.load_state_dict(plain.state_dict(), strict=False)
    sign = {"both": 0.0, "wake": 1.0, "sleep": -1.0}[phase]
    knowing(network, sign, generator)
    shown = SIDES[phase](LABELS.T).T if label == "append" else None
    seen = plain.look(rows if label == "append" else SIDES[phase](twins.transpose(0, 1)).transpose(0, 1))
    for each in (network, plain):
        each.learn(seen, shown, phase)
    passed = seen.bottom_up if shown is None else next(plain.iterate(seen, shown))
    inputs = {"0": seen.image} | {str(level): x for level, x in passed.sources.items()}
    if shown is not None:
        inputs["label"] = one_hot(shown, plain.classes) * plain.classes**0.5
    for level in network.levels:
        layer, other = network.layer(level), plain.layer(level)
        for source in other.weights:
            gap = layer.source_midpoints[source].gap
            if (level, source) == (1, "0") and shown is not None:  # a midpoint for every label
                x = seen.image.expand(*shown.shape, -1)
                means = [x[shown == k].mean(0).nan_to_num(0) for k in range(plain.classes)]
                taught = other.weights["label"].grad / plain.classes**0.5  # −Σ δ / n of each label's cases
                expected = other.weights[source].grad - (torch.stack(means) - sign / 2 * gap).T @ taught
            else:
                midpoint = inputs[source].flatten(0, 1).double().mean(0) - sign / 2 * gap
                expected = other.weights[source].grad - midpoint.outer(other.bias.grad)  # −Σ δ / n
            torch.testing.assert_close(layer.weights[source].grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-5
        noted = passed.activities[level].square().mean() - sign / 2 * layer.goodness_midpoint.gap
        torch.testing.assert_close(layer.goodness_midpoint.now, noted)


def test_the_label_starts_as_large_as_it_is_told(make):
    ratio = make(label="append", label_size=0.1).code_rows().std() / make(label="append").code_rows().std()
    assert ratio == pytest.approx(0.1, rel=0.5)
    assert make(label_size=0.0).code_rows().abs().max() == 0


@pytest.mark.parametrize("blocks", [1, 4])
def test_local_fields_learn_like_masked_dense_ones(make, twins, blocks):
    fields = LOCAL | {"hidden": (12, 8), "local": ((2, 2, 3), (2, 1, 8)), "blocks": blocks}
    batched, masked = make(**fields), make(masked=True, **fields)
    source = 16
    for level in batched.levels:
        wires, other = batched.layer(level), masked.layer(level)
        name = str(level - 1)
        dense = torch.zeros_like(other.weights[name])
        eye = torch.eye(source, dtype=torch.float64)
        dense.copy_(wires.wires(name).product(eye, wires.weights[name]))
        other.weights[name].copy_(dense)
        other.bias.copy_(wires.bias)
        source = wires.wires(name).units
    one, two = batched.look(twins), masked.look(twins)
    for level in batched.levels:
        torch.testing.assert_close(one.activities[level], two.activities[level])
    torch.testing.assert_close(batched.learn(one), masked.learn(two))
    torch.testing.assert_close(*both_gradients(batched, twins, None))
    torch.testing.assert_close(batched.layer(2).bias.grad, masked.layer(2).bias.grad)


SIZES = {
    "squares": lambda h: h.square().mean(1, keepdim=True).sqrt(),
    "activities": lambda h: h.mean(1, keepdim=True),
}


@pytest.mark.parametrize("goodness", GOODNESS)
def test_one_pass_by_hand(make, rows, goodness):
    network, size = make(label="overwrite", goodness=goodness), SIZES[goodness]
    w = dict(network.layers.named_parameters())
    label = torch.tensor([[2], [0], [1], [1], [3]])
    code = torch.nn.functional.one_hot(label.squeeze(1), 4).double() * 2  # unit mean square
    torch.testing.assert_close(code.square().mean(1), torch.ones(5, dtype=torch.float64))
    image = rows[:, 4:] / SIZES["squares"](rows[:, 4:])
    h1 = (image @ w["0.weights.0"] + code @ w["0.weights.label"] + w["0.bias"]).clamp_min(0)
    h2 = (h1 / size(h1) @ w["1.weights.1"] + w["1.bias"]).clamp_min(0)
    seen = network.look(rows)
    passed = next(network.iterate(seen, label))
    torch.testing.assert_close(passed.activities[1].squeeze(1), h1)
    torch.testing.assert_close(passed.activities[2].squeeze(1), h2)
    neutral = [seen.activities[level].squeeze(1) for level in (2, 3)]
    features, _ = network.classify(seen)  # note 21: unsquared activities are normalised by their mean
    torch.testing.assert_close(features, torch.cat([h / size(h) for h in neutral], dim=1))


@pytest.mark.parametrize(("x", "expected"), [(0.0, 0.0), (1.0, math.log(2)), (-3.0, math.log(10))])
def test_student_t_by_hand(x, expected):
    h, _ = ACTIVATIONS["student-t"](torch.tensor([x], dtype=torch.float64))
    assert h.item() == pytest.approx(expected)


def test_the_softmax_reads_activities_and_not_what_a_box_makes_of_them(make, rows):
    network = make(boxes={2: lambda x: x.flip(-1) > 1})
    seen = network.look(rows)
    expected = [normalise(seen.activities[level].squeeze(1)) for level in (2, 3)]
    torch.testing.assert_close(network.classify(seen)[0], torch.cat(expected, dim=1))
    boxed = (normalise(seen.activities[2]).flip(-1) > 1).double()
    torch.testing.assert_close(seen.bottom_up.sources[2], normalise(boxed))


@pytest.mark.parametrize("goodness", GOODNESS)
def test_a_box_that_changes_nothing_changes_nothing(make, rows, goodness):
    network = make(goodness=goodness)
    before = network.look(rows).activities[3].clone()
    network.boxes[1] = lambda x: x.numpy().tolist()
    torch.testing.assert_close(network.look(rows).activities[3], before)


@pytest.mark.parametrize("level", [0, 3, 4])
def test_a_box_behind_a_layer_that_sends_to_none_is_refused(make, level):
    with pytest.raises(ValueError, match=r"boxes: expected hidden levels .* 1 to 2, found \["):
        make(boxes={level: lambda x: x})


def test_the_neutral_label_is_a_tenth_of_every_label(make, rows):
    network = make(label="append")
    every = torch.arange(4).expand(5, 4)
    told = network.look(rows).drive + network.code_rows()[every]
    neutral = network.look(rows).activities[1]
    torch.testing.assert_close(told.mean(1, keepdim=True).clamp_min(0), neutral)


def test_an_overwritten_pixel_is_not_seen_and_an_appended_label_covers_none(make, rows):
    for label, covered in (("overwrite", 4), ("append", 0)):
        network = make(label=label)
        changed = rows.clone()
        changed[:, :4] += 1
        same = torch.equal(network.look(changed).image, network.look(rows).image)
        assert same == (covered > 0)
        assert network.look(rows).image.shape[-1] == 16 - covered


def test_permuting_pixels_and_weights_together_changes_nothing(make, rows, generator):
    network = make(label="append")
    before = network.look(rows).activities[3].clone()
    order = torch.randperm(16, generator=generator)
    weights = network.layer(1).weights["0"]
    weights.copy_(weights[order].clone())
    torch.testing.assert_close(network.look(rows[:, order]).activities[3], before)


def test_candidates_are_judged_alone(make, rows):
    network = make()
    seen = network.look(rows)
    both = next(network.iterate(seen, LABELS)).activities[3]
    torch.testing.assert_close(both[:, 1:], next(network.iterate(seen, LABELS[:, 1:])).activities[3])


@pytest.mark.parametrize(("reads", "expected"), [((), [2, 3]), ((1, 2, 3), [1, 2, 3]), ((3,), [3])])
def test_the_softmax_sees_the_normalised_activities_it_is_to_read(make, rows, reads, expected):
    network = make(reads=reads)
    seen = network.look(rows)
    features, _ = network.classify(seen)
    wanted = [normalise(seen.activities[level].squeeze(1)) for level in expected]
    torch.testing.assert_close(features, torch.cat(wanted, dim=1))
    assert list(network.judging) == expected


def test_the_softmax_sees_nothing_of_the_negative_twin(make, twins):
    network = make(label="none")
    both, alone = network.look(twins), network.look(twins[:, :1])
    torch.testing.assert_close(network.classify(both)[0], network.classify(alone)[0])


@pytest.mark.parametrize(("reads", "judges"), [((), (2, 3)), ((1, 2, 3), (1, 2, 3)), ((1,), (1,))])
def test_a_label_is_judged_by_the_mean_of_the_blocks_of_the_levels_that_are_read(make, rows, reads, judges):
    network = make(blocks=2, reads=reads)
    seen = network.look(rows)
    passed = next(network.iterate(seen, LABELS))
    expected = sum(
        (h[..., : h.shape[-1] // 2].square().mean(-1) + h[..., h.shape[-1] // 2 :].square().mean(-1)) / 2
        for h in (passed.activities[level] for level in judges)
    )
    torch.testing.assert_close(label_goodness(network, seen, LABELS, 1), expected.unsqueeze(0))


def test_peer_normalisation_brings_a_dead_unit_back(make, twins):
    network = make(label="none", peer=0.1)
    layer = network.layer(1)
    layer.bias[0] = -100.0
    optimiser = torch.optim.SGD(network.layers.parameters(), lr=50.0)
    assert network.look(twins).activities[1][..., 0].max() == 0
    for _ in range(200):
        network.learn(network.look(twins))
        optimiser.step()
        if network.look(twins).activities[1][..., 0].max() > 0:
            return
    raise AssertionError("the unit is still dead")


def test_learning_goes_on_above_and_below_a_black_box(make, twins):
    def noise(x):  # neither differentiable nor the same twice
        return torch.where(torch.rand_like(x) < 0.9, (x > 1).to(x.dtype), 1.0)

    torch.manual_seed(0)
    network = make(boxes={1: noise, 2: lambda x: x.flip(-1)}, label="none")
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=0.02)
    first = network.learn(network.look(twins))[0].clone()
    for _ in range(200):
        last = network.learn(network.look(twins))[0]
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
        network.look(rows)


@pytest.mark.parametrize(("label", "told"), [("append", 2), ("none", None)])
@pytest.mark.parametrize(("objective", "wanted"), [("max", 2.5), ("min", -0.3)])
def test_one_step_reaches_a_goodness_and_leaves_what_is_sent_alone(
    make, rows, label, told, objective, wanted
):
    network = make(label=label, objective=objective, threshold=1.0 if objective == "max" else -1.0)

    def passed():
        seen = network.look(rows[:1])
        return seen.bottom_up if told is None else next(network.iterate(seen, torch.tensor([[told]])))

    before = passed()
    one_shot(network, rows[0], wanted, told)
    after = passed()
    for level in network.levels:
        value = network.layer(level).judge(after.activities[level])
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
            "rectifiers judged by their squares",
        ),
        ({"label": "none"}, {"goodness": 1.0, "label": 1}, "label: expected none, found 1"),
        ({"label": "none"}, {"goodness": -1.0}, "of the network's sign"),
        ({"label": "none", "goodness": "activities"}, {"goodness": 1.0}, "judged by their squares"),
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
