"""Convolutional networks: the local rule against an independent one of torch's own layers, and its parts."""

import pytest
import torch
from einops import rearrange
from torch.nn.functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    conv2d,
    cross_entropy,
    logsigmoid,
    max_pool2d,
    one_hot,
)

from ffrec.baselines.convolutions import Convolutions
from ffrec.baselines.reference import check_goodness
from ffrec.config import ConfigError, ConvolutionalBackpropConfig, ConvolutionalConfig
from ffrec.data.images import cut_out, mirror
from ffrec.learning.fields import Convolution
from ffrec.learning.goodness import MeanSquare
from ffrec.learning.scores import Grid, LearntScores, OnGrid, RandomScores
from ffrec.learning.transform import Standardise
from ffrec.networks.convolutional import Convolutional
from ffrec.recipes import recipe
from ffrec.training.images import ImageTrainer

COLOURS, SIDE, CLASSES = 3, 8, 4


@pytest.fixture
def make(generator):
    """A factory of small float64 networks for images of three colours, biases not zero."""

    def make(side=SIDE, **fields):
        config = ConvolutionalConfig(**{"hidden": (4, 6), "sharpness": 2.0} | fields)
        network = Convolutional(config, COLOURS * side**2, CLASSES, generator).double()
        for level in network.levels:
            network.layer(level).bias.normal_(0, 0.3, generator=generator)
        return network

    return make


@pytest.fixture
def images(generator):
    return torch.rand(5, COLOURS, SIDE, SIDE, generator=generator, dtype=torch.float64) * 255


LABELS = torch.tensor([0, 3, 2, 1, 0])


def by_layer(network, images):
    """Every layer's maps and scores, written with torch's own functions; inputs are detached."""
    found, x, moments = [], images, network.standardise
    for level in network.levels:
        layer = network.layer(level)
        connection = layer.connection(str(level - 1))
        x = batch_norm(x, moments.mean, moments.variance).detach()
        maps = conv2d(x, connection.weight, padding=connection.weight.shape[2] // 2) + layer.bias.view(
            -1, 1, 1
        )
        h = max_pool2d(maps.relu(), connection.pool)
        pooled = adaptive_avg_pool2d(h, network.config.each("grid")[level - 1]).permute(0, 2, 3, 1)
        size = pooled.flatten(1).square().mean(1, keepdim=True).sqrt()
        found.append((h, pooled.flatten(1) / size @ layer.goodness.whole.weight))
        x, moments = h / h.square().mean((1, 2, 3), keepdim=True).sqrt(), layer.standardise
    return found


@pytest.mark.parametrize("goodness", ["scores", "random-scores"])
@pytest.mark.parametrize(
    "fields", [{}, {"kernel": (5, 1), "pool": (1, 2), "grid": (4, 1)}, {"pool": 3, "grid": 1}]
)
def test_the_local_update_is_that_of_autograd_layer_by_layer(make, images, goodness, fields):
    network = make(goodness=goodness, hidden=(4, 6) if fields.get("pool") != 3 else (4,), **fields)
    with network.following():
        network.encode(images.flatten(1) * 0.7)
    encoding = network.encode(images.flatten(1))
    measured = network.learn(encoding, None, LABELS)
    local = {name: p.grad for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    found = by_layer(network, images)
    losses = torch.stack([cross_entropy(2.0 * scores, LABELS) for _, scores in found])
    losses.sum().backward()
    expected = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(local, expected)
    torch.testing.assert_close(measured.loss, losses.detach())
    right = torch.stack([(scores.argmax(1) == LABELS).double().mean() for _, scores in found])
    torch.testing.assert_close(measured.accuracy, right)


def test_labels_are_scored_by_the_layers_that_are_read(make, images):
    network = make(hidden=(4, 6, 5), pool=(2, 2, 1), reads=(3, 1))
    encoding = network.encode(images.flatten(1))
    (step,) = network.steps(encoding, LABELS.unsqueeze(1), 1)
    every = torch.arange(CLASSES).expand(5, -1)
    first, _, third = (scores for _, scores in by_layer(network, images))
    torch.testing.assert_close(network.scores(step, every), 2.0 * (first + third))


LABELLED = {"label": "first", "objective": "logistic", "goodness": "squares"}


def with_labels(network, images, candidates):
    """Every layer's goodness for candidate labels, `(batch, candidates)` or with places, written with torch's
    own functions; inputs are detached."""
    found, moments = [], network.standardise
    x = images[:, None].expand(-1, candidates.shape[1], -1, -1, -1)
    for level in network.levels:
        layer = network.layer(level)
        x = batch_norm(x.flatten(0, 1), moments.mean, moments.variance).detach()
        total = conv2d(x, layer.connection(str(level - 1)).weight, padding=1) + layer.bias.view(-1, 1, 1)
        if level == 1 or network.config.label == "every":
            codes = one_hot(candidates.flatten(), CLASSES).double() * CLASSES**0.5
            total = total + (codes @ layer.connection("label").weight)[:, :, None, None]
        h = max_pool2d(total.relu(), 2)
        axes = 1 if network.config.per_place else (1, 2, 3)
        mean = h.square().mean(axes, keepdim=True)
        found.append(mean.flatten(1).view(*candidates.shape, -1))
        x = (h / mean.clamp_min(1e-16).sqrt()).unflatten(0, candidates.shape)
        moments = layer.standardise
    return found


@pytest.mark.parametrize("label", ["first", "every"])
@pytest.mark.parametrize("per_place", [False, True])
def test_goodness_of_maps_learns_what_autograd_says(make, images, label, per_place):
    network = make(**LABELLED | {"label": label, "per_place": per_place}, threshold=0.8)
    with network.following():
        network.encode(images.flatten(1) * 0.7)
    candidates, signs = torch.stack([LABELS, (LABELS + 1) % CLASSES], 1), torch.tensor([1.0, -1.0]).double()
    encoding = network.encode(images.flatten(1))
    network.learn(encoding, candidates, signs)
    local = {name: p.grad for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    found = with_labels(network, images, candidates)
    logits = [2.0 * (goodness - 0.8) * signs[:, None] for goodness in found]
    torch.stack([-logsigmoid(logit).mean() for logit in logits]).sum().backward()
    for name, parameter in network.layers.named_parameters():
        torch.testing.assert_close(local[name], parameter.grad, msg=name)
    (step,) = network.steps(encoding, candidates)
    torch.testing.assert_close(network.scores(step, candidates), found[1].mean(2))


@pytest.mark.parametrize("label", ["first", "every"])
def test_the_neutral_label_is_the_mean_of_all(make, images, label):
    """In the first layer's total input; the rest of the pass is what labels' passes are."""
    network = make(**LABELLED | {"label": label})
    encoding = network.encode(images.flatten(1))
    codes = network.layer(1).connection("label")
    every = codes(torch.arange(CLASSES).view(1, -1, 1))
    torch.testing.assert_close(codes.neutral(), every[0].mean(0))
    total = encoding.drive[1] + every.mean(1, keepdim=True)
    torch.testing.assert_close(encoding.step.activities[1], total.relu())


def test_the_softmax_reads_pooled_activities(make, images):
    network = make(reads=(2,))
    (_, (h, _)) = by_layer(network, images)
    pooled = rearrange(avg_pool2d(h, h.shape[2] // 2), "b c y x -> b (y x c)")
    expected = pooled / pooled.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(network.features(network.encode(images.flatten(1))), expected)


def test_channels_are_standardised_by_running_moments(generator):
    z = Standardise(3).double()
    batches = torch.randn(40, 20, 4 * 3, generator=generator, dtype=torch.float64) * 5 + 2
    assert torch.equal(z(batches[0]), z(batches[0]))  # nothing follows
    mean, variance = z.mean.clone(), z.variance.clone()
    assert (mean.tolist(), variance.tolist()) == ([0] * 3, [1] * 3)
    z.following = True
    for number, batch in enumerate(batches, 1):
        rows, rate = batch.view(-1, 3), max(1 / number, 0.1)
        mean += rate * (rows.mean(0) - mean)
        variance += rate * (rows.var(0, correction=0) - variance)
        expected = batch_norm(rows, mean, variance, eps=1e-5).view(20, -1)
        torch.testing.assert_close(z(batch), expected)


@pytest.mark.parametrize("make_scores", [LearntScores, RandomScores])
def test_scores_on_a_grid_have_the_gradient_of_autograd(make_scores, generator):
    whole = make_scores(2 * 2 * 3, CLASSES, generator)
    check_goodness(OnGrid(whole, Grid((3, 4, 6), 2)).double(), 3 * 4 * 6)


def test_a_grid_by_hand():
    maps = torch.arange(8.0)  # four places of two channels
    grid = Grid((2, 2, 2), 1)
    assert grid.mean(maps.view(1, -1)).tolist() == [[3.0, 4.0]]
    assert grid.spread(torch.tensor([[3.0, 4.0]])).tolist() == [[3.0, 4.0] * 4]
    assert OnGrid(MeanSquare(), grid).value(maps.view(1, -1)).item() == 12.5
    with pytest.raises(ValueError, match="grid: expected one that divides 2 × 2 places, found 3"):
        Grid((2, 2, 2), 3)


@pytest.mark.parametrize(
    ("stride", "padding", "side"), [(1, 1, 8), (1, 1, 9), (2, 0, 8), (2, 1, 24), (1, 0, 12)]
)
def test_few_places_learn_as_many_do(stride, padding, side, generator):
    """Products of patches and torch's own gradient: both sides of the number of places where one gives way to
    the other."""
    connection = Convolution((2, side, side), 3, 3, generator, stride, padding).double()
    x = torch.randn(4, connection.source_units, generator=generator, dtype=torch.float64)
    delta = torch.randn(4, connection.units, generator=generator, dtype=torch.float64)
    connection.add_weight_grad(x, delta)
    local = connection.weight.grad
    connection.weight.grad = None
    connection.requires_grad_()
    (connection(x) * delta).sum().backward()
    torch.testing.assert_close(local, connection.weight.grad)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"side": 9, "grid": 3}, "hidden layer 1: grid: expected one that divides 4 × 4 places, found 3"),
        ({"pool": (2, 5)}, "hidden layer 2: pool: expected at most 4, found 5"),
    ],
)
def test_what_does_not_fit_the_image_is_refused(make, fields, words):
    with pytest.raises(ConfigError, match=words):
        make(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kernel": 2}, "kernel: expected odd numbers"),
        ({"pool": (2, 2, 2)}, "pool has 3 values for 2 hidden layers"),
        ({"goodness": "score"}, "unknown goodness 'score': did you mean scores"),
        ({"reads": (3,)}, "reads names level 3 but there are 2"),
        ({"label": "first"}, "label first: objective classes expects none"),
        (
            {"objective": "logistic", "goodness": "squares"},
            "label none: objective logistic expects first or every",
        ),
        (LABELLED | {"centring": True}, "centring: pooled maps share"),
        ({"per_place": True}, "per_place: class scores have a grid"),
        (LABELLED | {"blocks": 2}, "blocks: a map's goodness is of all channels"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        ConvolutionalConfig(hidden=(4, 6), **fields)


def test_images_that_are_not_square_are_refused(generator):
    with pytest.raises(
        ConfigError, match="expected square images, grey or of three colours, found 50 pixels"
    ):
        Convolutional(ConvolutionalConfig(), 50, CLASSES, generator)


def test_it_learns_to_tell_stripes_apart(generator):
    """Images that differ in the direction of their stripes alone, which no mean over the image sees."""
    labels = torch.arange(200) % 2
    stripes = ((torch.arange(SIDE) // 2) % 2 * 200).float()
    across = stripes.expand(SIDE, SIDE)
    shown = torch.where(labels.view(-1, 1, 1).bool(), across, across.T)
    shown = shown + 40 * torch.randn(200, SIDE, SIDE, generator=generator)
    small = recipe("conv-digits").override({"hidden": [4, 4], "epochs": 6, "grid": 1})
    trainer = ImageTrainer(small, shown, labels, 2)
    *_, last = trainer.run(None, None)
    assert last.record["pairwise_accuracy"][1] > 0.95


@pytest.mark.parametrize("colours", [(), (3,)])
def test_mirrored_images_are_turned_half_of_the_times(colours, generator, draws):
    images = torch.randint(256, (2000, 5, 6, *colours), generator=generator, dtype=torch.uint8)
    shown = mirror(images, draws)
    turned = torch.tensor([not torch.equal(one, other) for one, other in zip(shown, images, strict=True)])
    assert turned.double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(shown[turned], images[turned].flip(2))


@pytest.mark.parametrize("colours", [(), (3,)])
def test_a_square_is_cut_out_of_every_image(colours, draws):
    shown = cut_out(torch.ones(3000, 9, 7, *colours), 3, draws)
    holes = (shown == 0).flatten(3).all(3) if colours else shown == 0
    sizes = holes.sum((1, 2))
    assert sizes.max() == 9
    assert sizes.min() == 4  # a corner is the least that is left of a square
    assert (sizes == 9).double().mean().item() == pytest.approx(7 * 5 / (9 * 7), abs=0.03)
    down, right = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(sizes, down * right)
    assert holes.double().mean(0).min() > 0.04  # every pixel is hidden at times


@pytest.mark.parametrize("fields", [{}, {"every_layer": True, "label_smoothing": 0.1}, {"reads": (2, 1)}])
def test_backpropagation_has_the_same_layers(fields, images, generator):
    config = ConvolutionalBackpropConfig(hidden=(4, 6), **fields)
    network = Convolutions(config, COLOURS * SIDE**2, CLASSES, generator).double()
    for moments in network.moments:
        moments.running_mean.normal_(0, 1, generator=generator)
    for softmax in (network.readout, *network.heads):
        softmax.weight.data.normal_(generator=generator)
    x, pooled = images, []
    for layer, moments in zip(network.layers, network.moments, strict=True):
        z = (x - moments.running_mean.view(-1, 1, 1)) / (1 + 1e-5) ** 0.5
        x = max_pool2d(conv2d(z, layer.weight, layer.bias, padding=1).relu(), 2)
        mean = avg_pool2d(x, x.shape[2] // 2).flatten(1)
        pooled.append(mean / mean.square().mean(1, keepdim=True).sqrt())
    encoding = network.encode(images.flatten(1))
    logits = network.readout(torch.cat([pooled[level - 1] for level in config.read], dim=1))
    torch.testing.assert_close(network.logits(encoding), logits)
    logits = [logits, *(head(rows) for head, rows in zip(network.heads, pooled, strict=False))]
    assert len(logits) == (3 if config.every_layer else 1)
    losses = [cross_entropy(each, LABELS, label_smoothing=config.label_smoothing) for each in logits]
    torch.testing.assert_close(network.loss(encoding, LABELS), sum(losses))


def test_backpropagation_reaches_what_it_is_told_to(images, draws, generator):
    """The moments of a batch while it learns, gradients in every layer, or in the softmax alone."""
    for learns in ("all", "softmax"):
        config = ConvolutionalBackpropConfig(hidden=(4, 6), learns=learns)
        network = Convolutions(config, COLOURS * SIDE**2, CLASSES, generator).double()
        network.readout.weight.data.normal_(generator=generator)
        network.loss(network.encode(images.flatten(1), draws), LABELS).backward()
        reached = [
            layer.weight.grad is not None and bool(layer.weight.grad.any()) for layer in network.layers
        ]
        assert reached == [learns == "all"] * 2
        assert network.readout.weight.grad.any()
        mean = images.mean((0, 2, 3))
        torch.testing.assert_close(network.moments[0].running_mean, 0.1 * mean)
