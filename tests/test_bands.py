"""Local receptive fields band by band: against loops, dense weights and autograd; and networks of them."""

import copy
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from commands import ffrec

from ffrec import registry
from ffrec.baselines.perceptron import Perceptron
from ffrec.baselines.reference import autograd_recurrent
from ffrec.config import BackpropConfig, ConfigError, FeedForwardConfig, RecurrentConfig, TrainingConfig
from ffrec.evaluation.images import label_goodness
from ffrec.learning.connection import Masked
from ffrec.learning.fields import Bands
from ffrec.learning.goodness import normalise
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.stream import Stream
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer

SIDE, BELOW, ABOVE = 6, 3, 2
SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)
TRUTH = torch.tensor([0, 1, 2, 0, 1])


@pytest.fixture
def make(generator):
    """A factory of float64 networks with fields on maps of 6 × 6 places for images of three colours, and
    three classes."""

    def network(**fields):
        fields = {"hidden": (72, 108), "field": 3, "sharpness": 3.0} | fields
        made = Recurrent(RecurrentConfig(**fields), SIDE**2 * 3, 3, generator).double()
        for level in made.levels:
            made.layer(level).bias.normal_(0, 0.3, generator=generator)
        return made

    return network


@pytest.fixture
def images(generator):
    return torch.rand(5, 3 * SIDE**2, generator=generator, dtype=torch.float64)


def pairs():
    return torch.stack([TRUTH, (TRUTH + 1) % 3], dim=1)


def sees(field):
    """Which source unit each unit sees, `(source units, units)`, one pair of places at a time."""
    places = list(product(range(SIDE), repeat=2))
    mask = torch.zeros(SIDE**2, BELOW, SIDE**2, ABOVE)
    for (one, (y, x)), (other, (down, right)) in product(enumerate(places), repeat=2):
        if max(abs(y - down), abs(x - right)) <= field // 2:
            mask[one, :, other] = 1
    return mask.view(SIDE**2 * BELOW, -1)


def as_dense(bands, weight):
    """The dense weights that weights of bands stand for."""
    rows = torch.eye(bands.source_units, dtype=weight.dtype)
    return bands.product(rows, weight)


@pytest.mark.parametrize("most", [1, 2, 4, 6])
@pytest.mark.parametrize("field", [1, 3, 5, 13])
def test_every_unit_sees_the_places_around_its_own(field, most, generator):
    bands = Bands(SIDE, field, BELOW, ABOVE, generator, most).double()
    assert len(bands.weight) == {1: 6, 2: 3, 4: 2, 6: 1}[most]
    dense, mask = as_dense(bands, bands.weight), sees(field)
    assert torch.equal(dense != 0, mask.bool())
    masked = Masked(mask, generator).double()
    masked.weight.copy_(dense)
    for shape in ((6,), (3, 2)):
        x = torch.randn(*shape, SIDE**2 * BELOW, generator=generator, dtype=torch.float64)
        delta = torch.randn(*shape, SIDE**2 * ABOVE, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(bands(x), masked(x))
        for each in (bands, masked):
            each.add_weight_grad(x.view(6, -1), delta.view(6, -1))
        torch.testing.assert_close(as_dense(bands, bands.weight.grad), masked.weight.grad)
        assert torch.equal(bands.weight.grad != 0, bands.weight != 0)


def test_new_weights_keep_the_size_of_what_they_send_up_to_the_border(generator):
    bands = Bands(6, 3, 20, 40, generator)
    x = torch.randn(400, bands.source_units, generator=generator)
    size = bands(x).square().view(400, 36, 40).mean((0, 2))
    torch.testing.assert_close(size, torch.ones(36), atol=0.1, rtol=0)


@pytest.mark.parametrize("optimiser", ["AdamW", "SGD", "Rprop"])
def test_weights_that_are_not_there_stay_zero(optimiser, generator):
    bands = Bands(SIDE, 3, BELOW, ABOVE, generator)
    there = bands.weight != 0
    assert there.sum() == sees(3).sum()
    options = {} if optimiser == "Rprop" else {"weight_decay": 0.1}
    steps = getattr(torch.optim, optimiser)([bands.weight], lr=0.1, **options)
    for _ in range(3):
        x = torch.rand(4, bands.source_units, generator=generator)
        bands.weight.grad = None
        bands.add_weight_grad(x, torch.randn(4, bands.units, generator=generator))
        steps.step()
    assert torch.equal(bands.weight != 0, there)


def test_bfloat16_products_are_those_of_float32_rounded(generator):
    bands = Bands(SIDE, 3, BELOW, ABOVE, generator)
    low = copy.deepcopy(bands)
    low.arithmetic = torch.bfloat16
    x = torch.randn(7, bands.source_units, generator=generator)
    delta = torch.randn(7, bands.units, generator=generator)
    near = {"atol": 0.05, "rtol": 0.05}
    torch.testing.assert_close(low(x.bfloat16()).float(), bands(x), **near)
    for each in (bands, low):
        for _ in range(2):
            each.add_weight_grad(x.to(each.dtype), delta.to(each.dtype))
    assert low.weight.grad.dtype is torch.float32
    torch.testing.assert_close(low.weight.grad, bands.weight.grad, **near)
    assert torch.equal(low.weight.grad != 0, bands.weight != 0)


@pytest.mark.parametrize("activity", ["max", "min"])
@pytest.mark.parametrize("hidden", [(36,), (72, 108), (72, 108, 36)])
@pytest.mark.parametrize("loss", [(1, 1), (2, 4)])
def test_local_update_equals_autograd(make, images, activity, hidden, loss):
    threshold = {"max": 1.0, "min": -1.0}[activity]
    network = make(hidden=hidden, activity=activity, threshold=threshold, loss=loss)
    encoding = network.encode(images)
    local_loss, _ = network.learn(encoding, pairs(), SIGNS)
    local = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    expected_loss = autograd_recurrent(network, network.encode(images), pairs())
    torch.testing.assert_close(local_loss.sum(), expected_loss)
    torch.testing.assert_close(local, {name: p.grad for name, p in network.layers.named_parameters()})


def test_the_image_is_a_map_whose_colours_lie_together_and_count_from_their_mean(make, images):
    network = make()
    colours = normalise(images - images.mean(1, keepdim=True)).view(5, 3, SIDE, SIDE)
    shown = network.encode(images).input.view(5, SIDE, SIDE, 3)
    torch.testing.assert_close(shown, colours.permute(0, 2, 3, 1))


def test_a_pixel_reaches_the_next_layer_through_its_own_field_and_the_last_by_two(make, images):
    """A change of one pixel, at the border, as far as it gets in a single pass; sizes of maps are not its
    business here."""
    network = make()
    network.shown = lambda frames: frames
    for level in network.levels:
        network.layer(level).send = lambda h: h
    network.layer(1).bias.fill_(9.0)
    network.layer(2).bias.fill_(99.0)
    pushed = images.clone()
    pushed[:, 0] += 1.0
    one, other = (network.encode(x).step.activities for x in (images, pushed))
    for level, reach in ((1, 2), (2, 3)):
        moved = (one[level] != other[level]).view(5, SIDE, SIDE, -1).any(3)
        assert moved[:, :reach, :reach].all()
        assert moved.sum() == 5 * reach**2


def test_a_stream_shows_the_same_maps(make, images):
    network = make(loss=(2, 4))
    stream = Stream(network, pairs())
    for step in network.steps(network.encode(images), pairs(), 3):
        shown = stream.show(images)
        torch.testing.assert_close(shown.activities, step.activities)


def test_labels_reach_all_places_of_the_last_map(make, images):
    network = make()
    goodness = label_goodness(network, network.encode(images), torch.arange(3).expand(5, 3), 3)
    assert goodness.shape == (3, 5, 3)
    assert network.layer(2).connection("3").weight.shape == (3, 108)
    assert goodness.var(2).min() > 0


UNLABELLED = partial(FeedForwardConfig, label="none", objective="classes", goodness="scores")


@pytest.mark.parametrize(
    ("kind", "network"),
    [(RecurrentConfig, Recurrent), (BackpropConfig, Perceptron), (UNLABELLED, FeedForward)],
)
def test_settings_that_cannot_be_are_refused(kind, network, generator):
    wrong = "none" if kind is UNLABELLED else "hard"
    with pytest.raises(ValueError, match=r"field: expected an odd number.*found 4"):
        kind(hidden=(36,), field=4)
    with pytest.raises(ValueError, match="permute: receptive fields need pixels in their places"):
        kind(hidden=(36,), field=3).suits(TrainingConfig(permute=1, negatives=wrong))
    kind(hidden=(36,)).suits(TrainingConfig(permute=1, negatives=wrong))
    with pytest.raises(ConfigError, match=r"6 × 6 places of the image, found 50 units: .* multiple of 36"):
        network(kind(hidden=(36, 50), field=3), 36, 3, generator)
    with pytest.raises(ConfigError, match="expected square images, grey or of three colours, found 40 pix"):
        network(kind(hidden=(36,), field=3), 40, 3, generator)
    network(kind(hidden=(36,), field=11), 36, 3, generator)
    with pytest.raises(ConfigError, match=r"field: expected at most 11, .*, found 13"):
        network(kind(hidden=(36,), field=13), 36, 3, generator)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("recurrent-digits", {"field": 3, "hidden": [36, 36]}),
        ("conv-digits", {"pool": 1, "grid": 1}),
        ("local-mnist", {"hidden": [4], "local": [[5, 1, 1]], "reads": [1]}),
    ],
)
def test_images_that_only_have_the_pixels_of_a_square_are_refused(name, fields):
    made, labels = recipe(name).override({"batch": 2, **fields}), torch.arange(4) % 2
    new_trainer(made, torch.zeros(4, 6, 6, dtype=torch.uint8), labels, 2)
    with pytest.raises(ConfigError, match="expected square images, found 4 × 9 pixels"):
        new_trainer(made, torch.zeros(4, 4, 9, dtype=torch.uint8), labels, 2)


def test_fields_are_a_connection_of_their_own(monkeypatch):
    monkeypatch.setitem(registry.ENTRIES, "connection", registry.menu("connection") | {"sparse": None})
    with pytest.raises(ValueError, match="field is a connection of its own, found connection sparse too"):
        RecurrentConfig(field=3, connection="sparse")


def test_the_baseline_by_backpropagation_has_the_same_fields(images, generator):
    """One step of it is one step of dense layers whose weights are masked."""
    config = BackpropConfig(hidden=(72, 108), field=3)
    network = Perceptron(config, 3 * SIDE**2, 3, generator).double()
    network.readout.weight.data.normal_(generator=generator)
    network.loss(network.encode(images), TRUTH).backward()
    x, weights = normalise(images - images.mean(1, keepdim=True)).view(5, 3, -1).mT.flatten(1), []
    for layer in network.layers:
        fields = layer.fields
        weights.append(as_dense(fields, fields.weight.detach()).requires_grad_())
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
        x = (x @ weights[-1]).relu()
    torch.testing.assert_close(network.encode(images).step.activities[2], x)
    torch.nn.functional.cross_entropy(network.readout(x), TRUTH).backward()
    for layer, dense in zip(network.layers, weights, strict=True):
        found = as_dense(layer.fields, layer.fields.weight.grad)
        torch.testing.assert_close(found, dense.grad * (dense != 0))


@pytest.mark.parametrize("reads", [(1, 2), (2,)])
def test_layers_with_fields_that_score_classes_learn_what_autograd_says(images, generator, reads):
    config = FeedForwardConfig(
        hidden=(72, 108),
        field=3,
        label="none",
        objective="classes",
        goodness="scores",
        sharpness=2.0,
        reads=reads,
    )
    network = FeedForward(config, 3 * SIDE**2, 3, generator).double()
    for level in network.levels:
        network.layer(level).bias.normal_(0, 0.3, generator=generator)
    encoding = network.encode(images)
    measured = network.learn(encoding, None, TRUTH)
    x, losses, scores = normalise(images - images.mean(1, keepdim=True)).view(5, 3, -1).mT.flatten(1), [], []
    for level in network.levels:
        layer = network.layer(level)
        fields = layer.connection(str(level - 1))
        dense = as_dense(fields, fields.weight.detach()).requires_grad_()
        bias, own = layer.bias.detach().requires_grad_(), layer.goodness.weight.detach().requires_grad_()
        h = (x.detach() @ dense + bias).relu()
        x = h / h.square().mean(1, keepdim=True).sqrt()
        scores.append(2.0 * x @ own)
        losses.append(torch.nn.functional.cross_entropy(scores[-1], TRUTH))
        losses[-1].backward()
        torch.testing.assert_close(as_dense(fields, fields.weight.grad), dense.grad * (dense != 0))
        torch.testing.assert_close(layer.bias.grad, bias.grad)
        torch.testing.assert_close(layer.goodness.weight.grad, own.grad)
    torch.testing.assert_close(measured.loss, torch.stack(losses).detach())
    found = label_goodness(network, encoding, torch.arange(3).expand(5, 3), 1)[0]
    torch.testing.assert_close(found, sum(scores[level - 1] for level in reads).detach())


def test_a_label_reaches_every_place_of_the_first_map(images, generator):
    network = FeedForward(
        FeedForwardConfig(hidden=(72, 108), field=3, label="append"), 3 * SIDE**2, 3, generator
    ).double()
    assert network.layer(1).connection("label").weight.shape == (3, 72)
    goodness = label_goodness(network, network.encode(images), torch.arange(3).expand(5, 3), 1)
    assert goodness.var(2).min() > 0
    with pytest.raises(ValueError, match="the label would cover places of the map"):
        FeedForwardConfig(hidden=(72,), field=3)
    with pytest.raises(ValueError, match="field is a connection of its own"):
        FeedForwardConfig(hidden=(72,), field=3, label="none", local=((3, 1, 2),))


def test_the_baseline_starts_with_the_variance_that_rectifiers_need(generator):
    network = Perceptron(BackpropConfig(hidden=(1440,), field=3), 36, 3, generator)
    x = torch.randn(300, 36, generator=generator)
    size = network.layers[0](x).square().view(300, 36, 40).mean((0, 2))
    torch.testing.assert_close(size, torch.full((36,), 2.0), atol=0.6, rtol=0)


@pytest.mark.parametrize("name", ["recurrent-local-digits", "scores-cifar10-2", "backprop-cifar10-2"])
def test_runs_are_trained_stored_and_read_again(name, tmp_path, generator):
    colours = () if "digits" in name else (3,)
    x = torch.randint(256, (60, 8, 8, *colours), generator=generator, dtype=torch.uint8).numpy()
    y = np.arange(60) % 3
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    small = ["epochs=2", "batch=10", "hidden=[64, 64]", "field=3", "weight_decay=0.1"]
    line = ["train", name, "--images", "own.npz", "--out", "run", *(f"--set={each}" for each in small)]
    done = ffrec(*line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read = ffrec("evaluate", "run", cwd=tmp_path)
    assert read.returncode == 0, read.stderr
    assert "by softmax" in read.stdout
    assert ("by goodness" in read.stdout) == ("backprop" not in name)
    wrong = ffrec(*line, "--force", "--set=field=4", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "expected an odd number" in wrong.stderr


def test_the_papers_network_has_the_papers_connections():
    """363 inputs to a unit within the map, cut off at the border; ten labels to the last layer."""
    config = recipe("recurrent-cifar10-2").network
    bands = Bands(32, config.field, 3, config.hidden[0] // 32**2, torch.Generator())
    fan_in = as_dense(bands, bands.weight.detach()).ne(0).sum(0).view(32, 32, 3)
    assert (fan_in[5:-5, 5:-5] == 363).all()
    assert fan_in[0, 0].tolist() == [36 * 3] * 3
