"""The local update against autograd in float64: every objective, goodness, connection and kind of step."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from ffrec import registry
from ffrec.baselines.reference import autograd_update
from ffrec.config import CharacterConfig, FeedForwardConfig, RecurrentConfig
from ffrec.learning.connection import Codes, Dense, Masked
from ffrec.learning.fields import Bands, Convolution, Local, square_fields
from ffrec.learning.goodness import Blocks, MeanSquare, Minus, Places, normalise
from ffrec.learning.layer import Layer
from ffrec.learning.objective import CandidateSoftmax, ClassSoftmax, Logistic, Pairwise
from ffrec.learning.scores import LearntScores, Prototypes, RandomScores
from ffrec.learning.transform import BlackBox, Pool
from ffrec.learning.update import Buffers, Step, local_update
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.text.character import Character
from ffrec.networks.text.network import windows_of

OBJECTIVES, GOODNESS = registry.menu("objective"), registry.menu("goodness")
ACTIVATIONS = registry.menu("activation")
CASES, UNITS, CLASSES = 5, 12, 4
INSIDE = {
    "whole": lambda whole: whole,
    "minus": Minus,
    "blocks": lambda whole: Blocks(whole, 4),
}
MENU = [
    (objective, goodness, inside) for objective in OBJECTIVES for goodness in GOODNESS for inside in INSIDE
]


def parts_of(goodness):
    """How many numbers a goodness gives of a layer of so many units; none if it is one number."""
    value = goodness.value(torch.rand(2, UNITS, dtype=torch.float64))
    return value.shape[1] if value.ndim == 2 else None


def make_step(layers, inputs, shared=(), fixed=(), number=1):
    """A step in which layers are sent what `inputs` say, written without the network's own arithmetic."""
    activities, slopes = {}, {}
    for level, layer in layers.items():
        total = layer.unit_bias() + sum(layer.connection(s)(inputs[s]) for s in layer.sources)
        activities[level], slopes[level] = layer.activation(total)
    return Step(inputs, activities, slopes, frozenset(shared), frozenset(fixed), number)


def gradients(layers):
    return {
        f"{level} {name}": p.grad.clone() for level, at in layers.items() for name, p in at.named_parameters()
    }


def oracle(layers, steps, target):
    """Gradients by autograd, losses and accuracies of every layer: the definitions, step by step."""
    losses, accuracies = {level: [] for level in layers}, {level: [] for level in layers}
    for layer in layers.values():
        layer.zero_grad(set_to_none=True)
        layer.requires_grad_()
    for step in steps:
        inputs = {name: x.expand(-1, step.candidates, -1) for name, x in step.inputs.items()}
        goodness = {level: layer.goodness.value(layer(inputs)) for level, layer in layers.items()}
        per_case = {level: (g if g.ndim == 2 else g.mean(2)).detach() for level, g in goodness.items()}
        for level, layer in layers.items():
            others = torch.zeros_like(per_case[level])
            for at in layers:
                if (at < level and layer.context != "own") or (at > level and layer.context == "all"):
                    others = others + per_case[at]
                if at < level and layer.context == "below":  # what layers below have left over
                    others = others - getattr(layers[at].objective, "threshold", 0.0)
            own = goodness[level]
            if layer.objective.compete == "parts":
                rows = own.flatten(0, 1)
                losses[level].append(layer.objective.loss(rows, target).mean())
            else:
                parts = [own] if own.ndim == 2 else own.unbind(2)
                found = [layer.objective.loss(part + others, target).mean() for part in parts]
                losses[level].append(torch.stack(found).mean())
                rows = per_case[level] + others
            accuracies[level].append(layer.objective.accuracy(rows.detach(), target))
    per_layer = torch.stack([torch.stack(found).mean() for found in losses.values()])
    per_layer.sum().backward()
    accuracy = torch.stack([torch.stack(found).mean() for found in accuracies.values()])
    expected = gradients({level: layer.requires_grad_(False) for level, layer in layers.items()})
    return expected, per_layer.detach(), accuracy


def check(layers, steps, target, buffers=None):
    """The local update of these steps has the gradients, losses and accuracies that autograd has."""
    for layer in layers.values():
        layer.zero_grad()
    measured = local_update(layers, steps, target, len(steps), buffers)
    local = gradients(layers)
    expected, loss, accuracy = oracle(layers, steps, target)
    assert loss.max() == 0 or max(g.abs().max() for g in expected.values()) > 1e-6
    torch.testing.assert_close(local, expected)
    torch.testing.assert_close(measured.loss, loss)
    torch.testing.assert_close(measured.accuracy, accuracy)


def target_of(objective, candidates, parts, generator):
    if objective.compete == "parts":
        return torch.randint(parts, (CASES * candidates,), generator=generator)
    if objective.target == "places":
        return torch.randint(candidates, (CASES,), generator=generator)
    return torch.tensor([1.0] + [-1.0] * (candidates - 1), dtype=torch.float64)


def randomise(layers, generator):
    for layer in layers.values():
        layer.double()
        layer.bias.normal_(0, 0.3, generator=generator)
    return layers


@pytest.mark.parametrize("context", ["own", "below", "all"])
@pytest.mark.parametrize(("objective", "goodness", "inside"), MENU)
def test_every_objective_on_every_goodness(objective, goodness, inside, context, generator):
    """With one candidate to four, one step to three, sources that are shared or fixed, or neither."""

    def new_goodness():
        made = INSIDE[inside](GOODNESS[goodness].for_layer(UNITS, CLASSES, generator))
        return made.double() if isinstance(made, torch.nn.Module) else made

    try:
        parts = parts_of(new_goodness())
    except RuntimeError:
        pytest.skip(f"goodness {goodness} has a part for each class already: it has no blocks")
    made = OBJECTIVES[objective].for_layer(0.7, 3.0)
    if made.compete == "parts" and parts is None:
        pytest.skip(f"goodness {goodness} is one number, and classes need one each")
    counts = [1, 2, 4] if objective != "pairwise" else [2, 4]  # which compares at least two
    for activation in ACTIVATIONS.values():
        common = {"objective": made, "activation": activation, "context": context}
        layers = {
            1: Layer(
                {"0": Dense(6, UNITS, generator), "code": Codes(3, UNITS, generator)},
                new_goodness(),
                **common,
            ),
            2: Layer({"below": Dense(5, UNITS, generator)}, new_goodness(), **common),
            3: Layer(
                {"below": Dense(5, UNITS, generator), "0": Dense(6, UNITS, generator)},
                new_goodness(),
                **common,
            ),
        }
        randomise(layers, generator)
        buffers = Buffers()
        for candidates in counts:
            target = target_of(made, candidates, parts, generator)
            image = torch.randn(CASES, 1, 6, generator=generator, dtype=torch.float64)
            code = torch.randint(3, (CASES, candidates, 1), generator=generator)
            for count in (1, 3):
                steps = []
                for number in range(1, count + 1):
                    below = torch.randn(CASES, candidates, 5, generator=generator, dtype=torch.float64)
                    inputs = {"0": image, "below": below, "code": code}
                    steps.append(make_step(layers, inputs, {"0"}, {"0", "code"}, number))
                check(layers, steps, target, buffers)


def masked(generator):
    return Masked(torch.rand(16, UNITS, generator=generator) < 0.5, generator)


CONNECTIONS = {
    "masked": masked,
    "local": lambda g: Local(square_fields(4, 2, 2), 3, g),
    "bands": lambda g: Bands(4, 3, 1, 3, g, most=2),
    "codes of 1": lambda g: Codes(3, UNITS, g),
    "codes of 3": lambda g: Codes(3, UNITS, g, positions=3),
    "codes of 3, one missing": lambda g: Codes(3, UNITS, g, positions=3),
    "convolution 1 0": lambda g: Convolution((1, 4, 4), 3, 3, g),
    "convolution 2 0": lambda g: Convolution((1, 4, 4), 3, 2, g, stride=2),
    "convolution 1 1": lambda g: Convolution((1, 4, 4), 3, 5, g, padding=1),
    "convolution 2 1": lambda g: Convolution((1, 4, 4), 3, 4, g, stride=2, padding=1),
    "convolution 3 1": lambda g: Convolution((1, 4, 4), 3, 3, g, stride=3, padding=1),
    **{name: lambda g, make=make: make(16, UNITS, g) for name, make in registry.menu("connection").items()},
}


def source(name, connection, candidates, generator):
    if not isinstance(connection, Codes):
        return torch.randn(CASES, candidates, 16, generator=generator, dtype=torch.float64)
    positions = connection.positions - ("missing" in name)
    return torch.randint(3, (CASES, candidates, positions), generator=generator)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("candidates", ["own", "shared", "alike"])
@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_connection_and_every_way_to_share_its_source(name, candidates, fixed, generator):
    """A source that all candidates share may be declared so, or be left to be expanded."""
    connection = CONNECTIONS[name](generator)
    if isinstance(connection, Masked | Bands):
        connection.weight.requires_grad_(False)
    places = connection.units // 3
    for goodness in (MeanSquare(), Blocks(MeanSquare(), 3), Places(MeanSquare(), places)):
        other = Dense(5, connection.units, generator)
        layers = randomise({1: Layer({"0": connection, "1": other}, goodness, Logistic(0.7, 3.0))}, generator)
        for count in (1, 2):
            steps, x = [], None
            for number in range(1, count + 1):
                if x is None or not fixed:
                    x = source(name, connection, 2 if candidates == "own" else 1, generator)
                label = torch.randn(CASES, 2, 5, generator=generator, dtype=torch.float64)
                shared = {"0"} if candidates == "shared" else set()
                steps.append(
                    make_step(layers, {"0": x, "1": label}, shared, {"0"} if fixed else set(), number)
                )
            signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
            if isinstance(
                connection, Masked | Bands
            ):  # autograd knows no mask: its gradient is compared where it is 1
                layers[1].zero_grad()
                local_update(layers, steps, signs, count)
                local = gradients(layers)
                expected, *_ = oracle(layers, steps, signs)
                expected["1 connections.0.weight"] *= connection.mask
                torch.testing.assert_close(local, expected)
            else:
                check(layers, steps, signs)


@pytest.mark.parametrize("rows", [3, 100])
@pytest.mark.parametrize("side", [6, 7])
def test_a_pooled_convolution_learns_from_the_places_that_were_largest(side, rows, generator):
    pooled = Convolution((2, side, 6), 4, 3, generator, padding=1, pool=2)
    pooled.rows = rows  # at once, of ten
    layers = {1: Layer({"0": pooled}, Places(MeanSquare(), 9), Logistic(0.7, 3.0))}
    randomise(layers, generator)
    x = torch.randn(CASES, 2, 2 * side * 6, generator=generator, dtype=torch.float64)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    check(layers, [make_step(layers, {"0": x})], signs)
    pooled(x[:1])
    with pytest.raises(ValueError, match="pool: expected the rows of the last forward, 2, found 10"):
        pooled.add_weight_grad(x.flatten(0, 1), torch.zeros(2 * CASES, pooled.units, dtype=torch.float64))


@pytest.mark.parametrize("objective", [Logistic(0.7, 3.0), Pairwise(3.0), CandidateSoftmax(3.0)])
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_layers_of_maps_with_pools_and_black_boxes_between_them(objective, kind, generator):
    """Goodness by place, by block, and of scores; each layer learns from what it is sent, and no further."""
    first = Convolution((2, 6, 6), 4, 3, generator, padding=1)
    pool = Pool(first.map, 2, kind)
    second = Convolution(pool.map, 6, 2, generator)
    by_place = Places(MeanSquare(), 4)
    box = BlackBox(lambda x: (x > 0.5).to(x.dtype) + 0.1, by_place.normalise, "layer 2")
    layers = {
        1: Layer({"0": first}, Places(MeanSquare(), 36), objective, transform=pool),
        2: Layer({"1": second}, by_place, objective, transform=box),
        3: Layer({"2": Dense(24, 9, generator)}, Blocks(MeanSquare(), 3), objective),
        4: Layer({"2": Dense(24, 9, generator)}, LearntScores(9, 3, generator), objective),
        5: Layer({"2": Dense(24, 9, generator)}, Minus(RandomScores(9, 3, generator)), objective),
    }
    randomise(layers, generator)
    x = {"0": torch.randn(CASES, 3, 72, generator=generator, dtype=torch.float64)}
    for level in (1, 2):
        x[str(level)] = layers[level].send(layers[level](x))
    assert x["1"].shape == (CASES, 3, 4 * 3 * 3)
    assert x["2"].shape == (CASES, 3, 24)
    check(layers, [make_step(layers, x)], target_of(objective, 3, None, generator))


@pytest.mark.parametrize(
    "goodness",
    [Blocks(MeanSquare(), CLASSES), "scores", "random-scores", "prototypes", "minus scores"],
    ids=["blocks", "scores", "random-scores", "prototypes", "minus scores"],
)
def test_class_scores_learn_from_labels_alone(goodness, generator):
    """Groups of units, or scores that are learnt or drawn: the gradient of A is one of those compared."""
    if isinstance(goodness, str):
        goodness, minus = GOODNESS[goodness.split()[-1]].for_layer(UNITS, CLASSES, generator), goodness
        goodness = Minus(goodness) if "minus" in minus else goodness
    layers = randomise({1: Layer({"0": Dense(6, UNITS, generator)}, goodness, ClassSoftmax(2.0))}, generator)
    learns = [name for name, _ in layers[1].named_parameters()]
    assert any("goodness" in name for name in learns) == any(
        isinstance(m, LearntScores | Prototypes) for m in layers[1].modules()
    )
    x = {"0": torch.randn(CASES, 1, 6, generator=generator, dtype=torch.float64)}
    check(layers, [make_step(layers, x)], torch.randint(CLASSES, (CASES,), generator=generator))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("shared", [False, True])
def test_inputs_of_a_label_count_from_that_labels_midpoint(count, shared, generator):
    """Of data of both kinds that is the mean over all its cases in all steps; δ is what it was."""
    connections = {"0": Dense(6, 7, generator), "label": Codes(3, 7, generator)}
    centred, plain = Layer(connections, centring=True).double(), Layer(connections).double()
    label = torch.randint(3, (CASES, 2, 1), generator=generator)
    signs, steps, moved = torch.tensor([1.0, -1.0], dtype=torch.float64), [], []
    for number in range(1, count + 1):
        x = torch.randn(CASES, 1 if shared else 2, 6, generator=generator, dtype=torch.float64)
        sent = {"0": x, "label": label}
        steps.append(make_step({1: centred}, sent, {"0"} if shared else (), {"label"}, number))
    rows = torch.stack([step.inputs["0"].expand(-1, 2, -1) for step in steps])
    means = torch.stack([rows[:, (label == k).squeeze(2)].flatten(0, 1).mean(0) for k in range(3)])
    for step in steps:
        x = step.inputs["0"] - means[label.squeeze(2)]
        moved.append(step._replace(inputs={"0": x, "label": label}, shared=frozenset()))
    found = []
    for layer, some in ((centred, steps), (plain, moved)):
        layer.zero_grad()
        local_update({1: layer}, some, signs, count)
        found.append(layer.connection("0").weight.grad.clone())
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("given", "words"), [(1, "expected 2 steps, found 1"), (3, "expected 2 steps, found")]
)
def test_another_number_of_steps_is_refused(given, words, generator):
    layers = {1: Layer({"0": Dense(6, 7, generator)})}
    step = make_step(layers, {"0": torch.rand(CASES, 1, 6)})
    with pytest.raises(ValueError, match=words):
        local_update(layers, [step] * given, torch.ones(1), 2)


def test_an_update_is_a_mean_over_cases_candidates_and_steps(generator):
    """Twice the same cases, steps or negative candidates change nothing."""
    layers = randomise({1: Layer({"0": Dense(6, 7, generator)}, objective=Pairwise(2.0))}, generator)
    x = torch.randn(CASES, 2, 6, generator=generator, dtype=torch.float64)
    found = []
    for rows, count in ((x, 1), (x.repeat(2, 1, 1), 1), (x, 2), (x[:, [0, 1, 1, 1]], 1)):
        layers[1].zero_grad()
        signs = torch.tensor([1.0] + [-1.0] * (rows.shape[1] - 1))
        local_update(layers, [make_step(layers, {"0": rows})] * count, signs, count)
        found.append(gradients(layers))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])


def test_nothing_travels_between_layers(generator):
    """A layer's gradient is the same whatever the layers beside it are, unless its loss sees them."""
    for context in ("own", "below", "all"):
        layers = {
            level: Layer({"0": Dense(6, 7, generator)}, objective=Logistic(0.7, 3.0), context=context)
            for level in (1, 2, 3)
        }
        randomise(layers, generator)
        inputs = {"0": torch.randn(CASES, 2, 6, generator=generator, dtype=torch.float64)}
        signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
        found = []
        for bias in (0.0, 1.0):
            layers[1].bias.add_(bias)
            for layer in layers.values():
                layer.zero_grad()
            local_update(layers, [make_step(layers, inputs)], signs)
            found.append(layers[2].bias.grad.clone())
        assert torch.equal(*found) == (context == "own")
        layers[3].bias.add_(1.0)
        layers[2].zero_grad()
        local_update(layers, [make_step(layers, inputs)], signs)
        assert torch.equal(found[1], layers[2].bias.grad) == (context != "all")


def both(network, encoding, candidates, target):
    """Gradients of a network's local update, and those of `autograd_update` of the same steps."""
    first, last = network.loss_steps
    network.zero_grad()
    measured = network.learn(encoding, candidates, target)
    local = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    network.zero_grad()
    if candidates is None:
        steps = [encoding.step]
    else:
        steps = list(network.steps(encoding, candidates, last))[first - 1 :]
    network.layers.requires_grad_()
    loss = autograd_update({level: network.layer(level) for level in network.levels}, steps, target)
    torch.testing.assert_close(measured.loss.sum(), loss)
    return local, {name: p.grad.clone() for name, p in network.layers.named_parameters()}


def bend(network, generator):
    """The same network in float64, its biases not zero."""
    for level in network.levels:
        network.layer(level).bias.normal_(0, 0.3, generator=generator)
    return network.double()


LABELS = torch.tensor([[0, 1, 2, 3], [1, 3, 0, 2], [2, 0, 3, 1], [3, 2, 1, 0], [1, 0, 2, 3]])
COMPARING = [name for name in OBJECTIVES if name != "classes"]  # which needs a network without labels


def labels_and_target(network, objective):
    """All labels as candidates if they compete, and the true one's place; else the true one and another."""
    if OBJECTIVES[objective].for_layer(1.0, 3.0).target == "places":
        return LABELS.sort(1).values, LABELS[:, 0]
    return LABELS[:, :2], torch.tensor([1.0, -1.0], dtype=torch.float64)


ONE_NUMBER = [name for name, goodness in GOODNESS.items() if not goodness.per_class]


@pytest.mark.parametrize("context", ["own", "below", "all"])
@pytest.mark.parametrize("goodness", ONE_NUMBER)
@pytest.mark.parametrize("objective", COMPARING)
def test_recurrent_networks(objective, goodness, context, generator):
    config = RecurrentConfig(
        hidden=(9, 7, 8), objective=objective, goodness=goodness, context=context, sharpness=3.0, loss=(2, 4)
    )
    network = bend(Recurrent(config, 12, 4, generator), generator)
    images = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(*both(network, network.encode(images), *labels_and_target(network, objective)))


@pytest.mark.parametrize(
    "fields", [{"activity": "min", "threshold": -1.0}, {"activation": "student-t"}, {"blocks": 2}]
)
def test_recurrent_networks_of_other_layers(fields, generator):
    fields = {"hidden": (8, 6), "sharpness": 3.0, "loss": (1, 3), "skip": ((0, 2), (3, 1))} | fields
    network = bend(Recurrent(RecurrentConfig(**fields), 12, 4, generator), generator)
    images = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        *both(network, network.encode(images), *labels_and_target(network, "logistic"))
    )


def test_a_recurrent_network_that_sees_a_video(generator):
    config = RecurrentConfig(hidden=(8, 6), sharpness=3.0, loss=(2, 4), objective="candidates")
    network = bend(Recurrent(config, 12, 4, generator), generator)
    frames = torch.rand(5, 8, 12, generator=generator, dtype=torch.float64)
    found = both(network, network.encode(frames), *labels_and_target(network, "candidates"))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("label", ["append", "twins", "none"])
@pytest.mark.parametrize("goodness", ONE_NUMBER)
@pytest.mark.parametrize("objective", COMPARING)
def test_feed_forward_networks(objective, goodness, label, generator):
    if objective == "candidates" and label == "none":
        pytest.skip("candidates are labels, and there are none")
    labels, target = None, torch.tensor([1.0, -1.0], dtype=torch.float64)
    rows = torch.rand(5, 16, generator=generator, dtype=torch.float64)
    if label != "append":
        rows = torch.rand(5, 2, 16, generator=generator, dtype=torch.float64)
    config = FeedForwardConfig(
        hidden=(9, 7, 8),
        objective=objective,
        goodness=goodness,
        sharpness=3.0,
        label="append" if label == "twins" else label,
    )
    network = bend(FeedForward(config, 16, 4, generator), generator)
    if label == "append":
        labels, target = labels_and_target(network, objective)
    elif label == "twins":
        labels = LABELS[:, :2]
        target = torch.zeros(5, dtype=torch.long) if objective == "candidates" else target
    torch.testing.assert_close(*both(network, network.encode(rows), labels, target))


@pytest.mark.parametrize("fields", [{"goodness": "scores"}, {"goodness": "random-scores"}, {"blocks": 4}])
def test_feed_forward_networks_of_class_scores(fields, generator):
    config = FeedForwardConfig(hidden=(12, 8), objective="classes", label="none", sharpness=3.0, **fields)
    network = bend(FeedForward(config, 16, 4, generator), generator)
    encoding = network.encode(torch.rand(5, 16, generator=generator, dtype=torch.float64))
    local, expected = both(network, encoding, None, LABELS[:, 0])
    torch.testing.assert_close(local, expected)
    names = [name for name in local if "goodness" in name]
    assert len(names) == 2 * (fields.get("goodness") == "scores")
    assert all(local[name].any() for name in names)


@pytest.mark.parametrize("context", ["own", "below", "all"])
def test_what_a_networks_layers_see_is_what_its_configuration_says(context, generator):
    """Of two layers, the first hears of the second in context all, the second of the first in all but own."""
    found = []
    for context_of in ("own", context):
        drawn = torch.Generator().manual_seed(0)
        config = FeedForwardConfig(hidden=(9, 7), sharpness=3.0, label="append", context=context_of)
        network = FeedForward(config, 16, 4, drawn).double()
        rows = torch.rand(5, 16, generator=drawn, dtype=torch.float64)
        network.learn(network.encode(rows), LABELS[:, :2], torch.tensor([1.0, -1.0], dtype=torch.float64))
        found.append([layer.bias.grad.clone() for layer in network.layers])
    same = [torch.equal(*pair) for pair in zip(*found, strict=True)]
    assert same == {"own": [True, True], "below": [True, False], "all": [False, False]}[context]


@pytest.mark.parametrize("goodness", GOODNESS)
@pytest.mark.parametrize("objective", ["logistic", "classes"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_character_networks(objective, goodness, sign, generator):
    if (objective == "classes") != GOODNESS[goodness].per_class:
        pytest.skip("classes need a goodness each, and nothing else has any use for that")
    config = CharacterConfig(hidden=(9, 7), window=4, sharpness=3.0, objective=objective, goodness=goodness)
    network = bend(Character(config, 6, generator), generator)
    strings = torch.randint(6, (5, 12), generator=generator)
    windows, following = network.cases(strings)
    target = following if objective == "classes" else torch.tensor([sign], dtype=torch.float64)
    torch.testing.assert_close(*both(network, network.encode(windows), None, target))


def test_character_networks_with_the_next_character_below(generator):
    config = CharacterConfig(hidden=(9, 7), window=4, sharpness=3.0, lookahead=True, context="below")
    network = bend(Character(config, 6, generator), generator)
    passages = windows_of(torch.randint(6, (5, 12), generator=generator), 5).flatten(0, 1)
    target = torch.tensor([-1.0], dtype=torch.float64)
    torch.testing.assert_close(*both(network, network.encode(passages), None, target))


def test_positive_and_negative_gradients_add_up_whatever_the_network(generator):
    """Learning adds to what there is, so that an update may be made of several."""
    config = FeedForwardConfig(hidden=(9, 7), sharpness=3.0, label="append")
    network = bend(FeedForward(config, 16, 4, generator), generator)
    encoding = network.encode(torch.rand(5, 16, generator=generator, dtype=torch.float64))
    apart = []
    for target, place in ((torch.ones(1), slice(0, 1)), (-torch.ones(1), slice(1, 2))):
        network.zero_grad()
        network.learn(encoding, LABELS[:, place], target)
        apart.append({name: p.grad.clone() for name, p in network.layers.named_parameters()})
    network.learn(encoding, LABELS[:, :1], torch.ones(1))
    for name, parameter in network.layers.named_parameters():
        torch.testing.assert_close(parameter.grad, apart[0][name] + apart[1][name])


def test_learning_stores_no_graph(generator):
    config = FeedForwardConfig(hidden=(9, 7), goodness="scores", objective="classes", label="none")
    network = FeedForward(config, 16, 4, generator)
    network.learn(network.encode(torch.rand(5, 16, generator=generator)), None, LABELS[:, 0])
    assert all(p.grad.grad_fn is None and not p.requires_grad for p in network.layers.parameters())


def test_two_layers_of_ones_own_learn_in_a_plain_loop_of_torch(generator):
    """Which of two noisy patterns goes with which label: goodness is high if the label is right."""
    patterns = torch.randn(4, 20, generator=generator)
    labels = torch.randint(4, (600,), generator=generator)
    x = patterns[labels] + 0.5 * torch.randn(600, 20, generator=generator)
    layers = {
        1: Layer({"x": Dense(20, 40, generator), "label": Codes(4, 40, generator)}),
        2: Layer({"1": Dense(40, 40, generator)}),
    }
    signs = torch.tensor([1.0, -1.0])

    def passed(x, labels):
        inputs = {"x": normalise(x).unsqueeze(1), "label": labels.unsqueeze(2)}
        h = {1: layers[1](inputs)}
        inputs["1"] = layers[1].send(h[1])
        return Step(inputs, h | {2: layers[2](inputs["1"])}, shared=frozenset({"x"}))

    def error():
        every = torch.arange(4).expand(200, -1)
        step = passed(x[400:], every)
        scores = sum(layer.goodness_of(step.activities[level]) for level, layer in layers.items())
        return (scores.argmax(1) != labels[400:]).float().mean().item()

    optimiser = torch.optim.Adam([p for layer in layers.values() for p in layer.parameters()], lr=3e-3)
    batches = DataLoader(
        TensorDataset(x[:400], labels[:400]),
        batch_size=50,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )
    before = error()
    for _ in range(10):
        for images, right in batches:
            wrong = (right + torch.randint(1, 4, right.shape, generator=generator)) % 4
            optimiser.zero_grad()
            local_update(layers, [passed(images, torch.stack([right, wrong], dim=1))], signs)
            optimiser.step()
    assert before > 0.5
    assert error() < 0.05
