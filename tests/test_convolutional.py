"""Convolutional networks: the local rule against an independent one of torch's own layers, and its parts."""

import pytest
import torch
from einops import rearrange
from torch.nn.functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    conv2d,
    cosine_similarity,
    cross_entropy,
    logsigmoid,
    max_pool2d,
)

from ffrec.baselines.convolutions import Convolutions
from ffrec.baselines.reference import check_goodness
from ffrec.config import ConfigError, ConvolutionalBackpropConfig, ConvolutionalConfig
from ffrec.data.images import cut_out, mirror
from ffrec.learning.fields import Convolution
from ffrec.learning.goodness import MeanSquare
from ffrec.learning.scores import Grid, LearntScores, OnGrid, RandomScores
from ffrec.learning.transform import Direction, Standardise
from ffrec.networks.convolutional import Convolutional
from ffrec.networks.maps import write
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer
from ffrec.training.events import Epoch
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


def test_groups_of_channels_that_compete_learn_what_autograd_says(make, images):
    network = make(goodness="squares", blocks=CLASSES, hidden=(2 * CLASSES, 3 * CLASSES))
    with network.following():
        network.encode(images.flatten(1) * 0.7)
    encoding = network.encode(images.flatten(1))
    measured = network.learn(encoding, None, LABELS)
    local = {name: p.grad for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    found, x, moments = [], images, network.standardise
    for level in network.levels:
        layer = network.layer(level)
        x = batch_norm(x, moments.mean, moments.variance).detach()
        maps = conv2d(x, layer.connection(str(level - 1)).weight, padding=1) + layer.bias.view(-1, 1, 1)
        h = max_pool2d(maps.relu(), 2)
        found.append(h.square().unflatten(1, (CLASSES, -1)).mean((2, 3, 4)))
        x, moments = h / h.square().mean((1, 2, 3), keepdim=True).sqrt(), layer.standardise
    losses = torch.stack([cross_entropy(2.0 * goodness, LABELS) for goodness in found])
    losses.sum().backward()
    expected = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(local, expected)
    torch.testing.assert_close(measured.loss, losses.detach())
    (step,) = network.steps(encoding, LABELS.unsqueeze(1), 1)
    every = torch.arange(CLASSES).expand(5, -1)
    torch.testing.assert_close(network.scores(step, every), 2.0 * found[1])


def test_labels_are_scored_by_the_layers_that_are_read(make, images):
    network = make(hidden=(4, 6, 5), pool=(2, 2, 1), reads=(3, 1))
    encoding = network.encode(images.flatten(1))
    (step,) = network.steps(encoding, LABELS.unsqueeze(1), 1)
    every = torch.arange(CLASSES).expand(5, -1)
    first, _, third = (scores for _, scores in by_layer(network, images))
    torch.testing.assert_close(network.scores(step, every), 2.0 * (first + third))


LABELLED = {"label": "first", "objective": "logistic", "goodness": "squares"}


def written(images, candidates):
    """Images with labels in their first pixels, pixel by pixel."""
    shown = images[:, None].repeat(1, candidates.shape[1], 1, 1, 1)
    for image, labels in zip(shown, candidates, strict=True):
        brightest = image.max().item()
        for copy, label in zip(image, labels, strict=True):
            for pixel in range(CLASSES):
                copy[:, pixel // SIDE, pixel % SIDE] = brightest if pixel == label else 0.0
    return shown


def received(moments, x):
    """What becomes of maps before a layer receives them."""
    if isinstance(moments, Direction):
        return x / (x.square().sum(2, keepdim=True).sqrt() + 1e-4)
    return batch_norm(x.flatten(0, 1), moments.mean, moments.variance).unflatten(0, x.shape[:2])


def with_labels(network, images, candidates):
    """Every layer's goodness for candidate labels, `(batch, candidates, parts)`, written with torch's own
    functions; inputs are detached."""
    found, moments, config = [], network.standardise, network.config
    x = images[:, None].expand(-1, candidates.shape[1], -1, -1, -1)
    x = written(images, candidates) if config.label == "overwrite" else x
    for level, stride in zip(network.levels, config.each("stride"), strict=True):
        layer = network.layer(level)
        weight = layer.connection(str(level - 1)).weight
        maps = conv2d(received(moments, x).detach().flatten(0, 1), weight, padding=1, stride=stride)
        total = neutral = maps.unflatten(0, candidates.shape) + layer.bias.view(-1, 1, 1)
        if config.label in ("every", "apart") or (config.label, level) == ("first", 1):
            label = layer.connection("label").weight * CLASSES**0.5
            total = total + label[candidates][..., None, None]
            neutral = neutral + label.mean(0)[:, None, None]
        h = max_pool2d(total.relu().flatten(0, 1), 2).unflatten(0, candidates.shape)
        squares = h.square()
        parts = (
            squares.mean(2) if config.per_place else squares.unflatten(2, (config.blocks, -1)).mean((3, 4, 5))
        )
        found.append(parts.flatten(2))
        sent = max_pool2d(neutral.relu().flatten(0, 1), 2).unflatten(0, candidates.shape)
        sent = sent if config.label == "apart" else h
        size = sent.square().mean(2 if config.per_place else (2, 3, 4), keepdim=True)
        x, moments = sent / size.clamp_min(1e-16).sqrt(), layer.standardise
    return found


def loss_of(goodness, objective, candidates):
    """Of one layer: the mean over cases, candidates and parts; the first candidate is the right one."""
    if objective == "candidates":
        right = torch.zeros(goodness.shape[0], goodness.shape[2], dtype=torch.long)
        return cross_entropy(2.0 * goodness, right)
    signs = torch.tensor([1.0] + [-1.0] * (candidates.shape[1] - 1)).double().view(1, -1, 1)
    return -logsigmoid(2.0 * (goodness - 0.8) * signs).mean()


@pytest.mark.parametrize("label", ["overwrite", "first", "every", "apart"])
@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": 0.8},
        {"threshold": 0.8, "per_place": True},
        {"objective": "candidates", "blocks": 2},
        {"threshold": 0.8, "sends": "directions", "stride": (2, 1), "grid": 1},
    ],
)
def test_goodness_of_maps_learns_what_autograd_says(make, images, label, fields):
    network = make(**LABELLED | {"label": label} | fields)
    with network.following():
        network.encode(images.flatten(1) * 0.7)
    candidates = torch.stack([LABELS, (LABELS + 1) % CLASSES, (LABELS + 3) % CLASSES], 1)
    places = network.config.objective == "candidates"
    target = torch.zeros(5, dtype=torch.long) if places else torch.tensor([1.0, -1.0, -1.0]).double()
    encoding = network.encode(images.flatten(1))
    network.learn(encoding, candidates, target)
    local = {name: p.grad for name, p in network.layers.named_parameters()}
    network.zero_grad()
    network.requires_grad_()
    found = with_labels(network, images, candidates)
    sum(loss_of(goodness, network.config.objective, candidates) for goodness in found).backward()
    for name, parameter in network.layers.named_parameters():
        torch.testing.assert_close(local[name], parameter.grad, msg=name)
    (step,) = network.steps(encoding, candidates)
    torch.testing.assert_close(network.scores(step, candidates), found[1].mean(2))


def test_a_label_over_pixels_by_hand():
    image = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]])  # three places of two colours
    shown = write(image, 2, 2, torch.tensor([[[1], [0]]]))
    assert shown.tolist() == [[[0, 0, 6, 6, 5, 6], [6, 6, 0, 0, 5, 6]]]
    assert write(image, 2, 2).tolist() == [[[3, 3, 3, 3, 5, 6]]]


def test_directions_have_length_1_at_every_place(generator):
    x = torch.randn(3, 1, 4 * 5, generator=generator, dtype=torch.float64) * 7
    x[0, 0, :5] = 0
    sent = Direction(5)(x).unflatten(-1, (4, 5))
    assert not sent[0, 0, 0].any()
    lengths = sent.square().sum(-1).sqrt().flatten()[1:]
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-4, rtol=0)
    along = cosine_similarity(sent, x.unflatten(-1, (4, 5)), -1).flatten()[1:]
    torch.testing.assert_close(along, torch.ones_like(along))


def test_what_layers_that_are_apart_send_is_the_same_for_all_labels(make, images):
    """So the connections between layers compute, and learn from, one row an image."""
    network = make(**LABELLED | {"label": "apart"})
    encoding = network.encode(images.flatten(1))
    (step,) = network.steps(encoding, torch.tensor([[0, 1, 2]] * 5))
    assert step.shared == {"0", "1"}
    assert [step.inputs[source].shape[1] for source in ("0", "1")] == [1, 1]
    assert step.activities[2].shape[1] == 3
    assert torch.equal(step.inputs["1"], encoding.step.inputs["1"])


def test_layers_learn_in_turn(make, images):
    """Each for an equal share of the updates: what others learn from is there, and their weights stay."""
    network = make(**LABELLED | {"in_turn": True}, hidden=(4, 6, 5), pool=(2, 2, 1), grid=1)
    turns = []
    for done in torch.arange(0, 9).div(9).tolist():
        network.advance(done)
        network.zero_grad()
        measured = network.learn(network.encode(images.flatten(1)), LABELS[:, None], torch.ones(1).double())
        assert len(measured.loss) == 3
        turns.append([level for level in network.levels if network.layer(level).bias.grad is not None])
    assert turns == [[1]] * 3 + [[2]] * 3 + [[3]] * 3
    assert network.turn == 3


def test_only_the_layer_whose_turn_it_is_changes(generator):
    """Over a whole training: weight decay spares the others, too."""
    shown = torch.randint(256, (60, 8, 8), generator=generator)
    settings = LABELLED | {"in_turn": True, "negatives": "uniform", "weight_decay": 0.1}
    small = recipe("conv-digits").override(settings | {"hidden": [4, 4], "epochs": 2, "batch": 30})
    trainer = ImageTrainer(small, shown, torch.arange(60) % 10, 10)
    layers = trainer.network.layers
    weights = [layer.connection(source).weight for layer, source in zip(layers, "01", strict=True)]
    before, changed = [weight.clone() for weight in weights], []
    for event in trainer.run(None, None):
        if isinstance(event, Epoch):
            changed.append([not torch.equal(*pair) for pair in zip(before, weights, strict=True)])
            before = [weight.clone() for weight in weights]
    assert changed == [[True, False], [False, True]]


def test_layers_in_turn_have_no_gradient_of_another_phase():
    settings = LABELLED | {"in_turn": True, "wake": 1, "baseline": 0.9}
    with pytest.raises(ConfigError, match="baseline: layers that learn in turn"):
        recipe("conv-digits").override(settings | {"negatives": "hard"})


def test_the_size_of_labels(make):
    small, large = (make(**LABELLED, label_size=size).layer(1).connection("label") for size in (0.2, 1.0))
    assert small.weight.std() / large.weight.std() == pytest.approx(0.2, rel=0.5)
    assert not make(**LABELLED, label_size=0.0).layer(1).connection("label").weight.any()


@pytest.mark.parametrize("label", ["first", "every", "apart"])
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
        (
            LABELLED | {"label": "overwrite", "side": 2},
            "more pixels than classes, found 4 and 4",
        ),
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
            "label none: objective logistic expects overwrite, first, every or apart",
        ),
        (LABELLED | {"centring": True}, "centring: pooled maps share"),
        ({"per_place": True}, "per_place: class scores have a grid"),
        (LABELLED | {"blocks": 2, "per_place": True}, "blocks: a place's goodness is of all channels"),
        (LABELLED | {"label": "overwrite", "label_size": 0.3}, "label_size: label overwrite has no maps"),
        ({"stride": (2, 1, 1)}, "stride has 3 values for 2 hidden layers"),
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


SEES_LABELS = {"label": "apart", "objective": "candidates", "goodness": "squares", "negatives": "all"}


@pytest.mark.parametrize("fields", [{}, SEES_LABELS | {"sharpness": 30.0}])
def test_it_learns_to_tell_stripes_apart(generator, fields):
    """Images that differ in the direction of their stripes alone, which no mean over the image sees."""
    labels = torch.arange(200) % 2
    stripes = ((torch.arange(SIDE) // 2) % 2 * 200).float()
    across = stripes.expand(SIDE, SIDE)
    shown = torch.where(labels.view(-1, 1, 1).bool(), across, across.T)
    shown = shown + 40 * torch.randn(200, SIDE, SIDE, generator=generator)
    small = recipe("conv-digits").override({"hidden": [4, 4], "epochs": 6, "grid": 1} | fields)
    trainer = ImageTrainer(small, shown, labels, 2)
    *_, last = trainer.run(None, None)
    assert last.record["pairwise_accuracy"][1] > 0.95


@pytest.mark.parametrize(
    ("number", "maps"),
    [
        (7, {1: (64, 32, 32), 2: (128, 16, 16), 3: (256, 8, 8), 4: (10, 8, 8)}),
        (8, {2: (64, 16, 16), 4: (128, 8, 8), 7: (256, 4, 4), 10: (512, 2, 2), 13: (512, 2, 2)}),
        (9, {2: (128, 16, 16), 5: (1024, 2, 2), 6: (2048, 1, 1), 7: (10, 1, 1)}),
    ],
)
def test_the_trials_have_the_nets_of_the_slides(number, maps, generator):
    """Channels, height and width by level, counted from the slides' lists of layers for 32 × 32 pixels."""
    config = recipe(f"conv-cifar10-trial-{number}").network
    with torch.device("meta"):
        network = Convolutional(config, 3 * 32 * 32, 10, generator)
    assert len(network.layers) == max(maps)
    assert {level: network.maps[level] for level in maps} == maps


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
    for softmax in (network.readout, *network.readout.heads):
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
    logits = [logits, *(head(rows) for head, rows in zip(network.readout.heads, pooled, strict=False))]
    assert len(logits) == (3 if config.every_layer else 1)
    losses = [cross_entropy(each, LABELS, label_smoothing=config.label_smoothing) for each in logits]
    torch.testing.assert_close(network.loss(encoding, LABELS), sum(losses))


def test_losses_of_all_layers_are_learnt_with_and_reach_the_layers():
    """Where the softmaxes of the layers stay at zero, their losses say nothing, and nothing reaches a
    layer."""
    learnt = {}
    for kind in ("backprop", "deep"):
        made = recipe(f"{kind}-conv-mnist").override({"hidden": [4, 6, 8], "grid": 1, "batch": 20})
        drawn = torch.Generator().manual_seed(1)
        pixels = torch.randint(256, (40, 28, 28), generator=drawn, dtype=torch.uint8)
        trainer = new_trainer(made, pixels, torch.arange(40) % 10, 10)
        for start in (0, 20) * 6:
            trainer.update(trainer.part(torch.arange(start, start + 20)))
        learnt[kind] = trainer.network
    heads = learnt["deep"].readout.heads
    assert len(heads) == 3
    assert all(bool(head.weight.any()) and bool(head.bias.any()) for head in heads)
    layers = zip(learnt["backprop"].layers, learnt["deep"].layers, strict=True)
    assert all((one.weight - other.weight).abs().max() > 1e-4 for one, other in layers)


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
