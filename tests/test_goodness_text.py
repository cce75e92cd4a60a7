"""Characters by goodness: every update against autograd, a pass by hand, what is tried and shared."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from ffrec import registry
from ffrec.config import ConfigError, GoodnessCharacterConfig, TextRecipe, TextTraining
from ffrec.data.draws import Draws
from ffrec.learning import update
from ffrec.learning.connection import Dense
from ffrec.learning.goodness import normalise
from ffrec.networks.text.goodness import GoodnessCharacter
from ffrec.recipes import recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration, resume
from ffrec.tasks.text_baselines import softmax_twin
from ffrec.training.events import Epoch, Interrupted
from ffrec.training.text import TextTrainer

SYMBOLS, WINDOW = 6, 4


@pytest.fixture
def small(generator):
    """A factory of float64 networks over six symbols with windows of four, no weight or bias zero."""

    def make(**fields) -> GoodnessCharacter:
        fields = {"hidden": (9, 7), "window": WINDOW, "sharpness": 3.0} | fields
        network = GoodnessCharacter(GoodnessCharacterConfig(**fields), SYMBOLS, generator).double()
        for parameter in [*network.layers.parameters(), *network.readout.parameters()]:
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        return network

    return make


@pytest.fixture
def strings(generator):
    return torch.randint(SYMBOLS, (5, 12), generator=generator)


def first_input(network, windows, state=None):
    """What the first layer sees of every symbol after windows, written out: `(cases · symbols, inputs)`."""
    cases, config = len(windows), network.config
    size = config.fading ** torch.arange(WINDOW - 1, -1, -1.0, dtype=torch.float64)
    size *= (WINDOW * (SYMBOLS + 1) / size.square().sum()) ** 0.5
    window = (one_hot(windows, SYMBOLS + 1).double() * size[:, None]).flatten(1)
    following = one_hot(torch.arange(SYMBOLS)).double() * SYMBOLS**0.5
    parts = [window[:, None].expand(-1, SYMBOLS, -1), following[None].expand(cases, -1, -1)]
    if state is not None:
        parts.append(state.expand(-1, SYMBOLS, -1))
    return torch.cat(parts, dim=2).flatten(0, 1)


def by_hand(network, windows, weights, factors=None, way=1.0, act=torch.relu, state=None):
    """Activities' goodness of every symbol after windows, `(layers, cases, symbols)`: one-of-N codes, written
    out for every window and symbol, and products. The input of a layer is detached."""
    x = first_input(network, windows, state)
    goodness = []
    for index in range(len(network.config.hidden)):
        names = [*network.layer(1).sources] if index == 0 else [str(index)]
        w = torch.cat([weights[f"{index}.connections.{name}.weight"] for name in names])
        h = act(x @ w + weights[f"{index}.bias"]).view(len(windows), SYMBOLS, -1)
        h = h if factors is None else h * factors[index]
        goodness.append(way * h.square().mean(2))
        x = normalise(h).detach().flatten(0, 1)
    return torch.stack(goodness)


def learn(network, windows, following, drop=None):
    network.zero_grad()
    encoding = network.encode(windows)
    with network.perturbed(None, dict.fromkeys(network.levels, drop) if drop else {}):
        return network.learn(encoding, network.tried, following)


def check_learnt(network, found, goodness, following, w):
    """Losses and gradients are autograd's of weights w: each layer's loss holds the goodness below it
    fixed."""
    below = goodness.detach().cumsum(0) - goodness.detach()
    losses = [cross_entropy(3.0 * (own + rest), following) for own, rest in zip(goodness, below, strict=True)]
    sum(losses).backward()
    torch.testing.assert_close(found.loss, torch.stack(losses).detach())
    grads = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(grads, {name: p.grad for name, p in w.items()})


@pytest.mark.parametrize("activity", ["max", "min"])
@pytest.mark.parametrize("hidden", [(9,), (9, 7, 8)])
@pytest.mark.parametrize(("few", "fading"), [(2, 1.0), (10, 0.7)])  # candidates are more, or fewer
def test_local_update_equals_autograd(small, strings, hidden, activity, few, fading, monkeypatch):
    """Each layer's loss is the cross-entropy of the goodness up to it, and reaches no layer below."""
    monkeypatch.setattr(update, "FEW", few)
    way = 1.0 if activity == "max" else -1.0
    network = small(hidden=hidden, activity=activity, threshold=way, fading=fading)
    windows, following = network.cases(strings)
    windows[::3, 1] = SYMBOLS  # blanks
    found = learn(network, windows, following)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    goodness = by_hand(network, windows, w, way=way)
    check_learnt(network, found, goodness, following, w)
    best = goodness.cumsum(0).argmax(2) == following
    torch.testing.assert_close(found.accuracy, best.double().mean(1))


@pytest.mark.parametrize(
    ("activation", "act"), [("relu", torch.relu), ("student-t", lambda x: (1 + x * x).log())]
)
def test_local_update_with_dropout_equals_autograd(small, strings, generator, activation, act):
    network = small(activation=activation)
    windows, following = network.cases(strings)
    factors = [
        torch.rand(len(windows), 1, units, generator=generator).double().mul(3).floor() for units in (9, 7)
    ]
    wanted = iter(factors)
    found = learn(network, windows, following, lambda _h: next(wanted))
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    goodness = by_hand(network, windows, w, factors, act=act)
    check_learnt(network, found, goodness, following, w)


@pytest.mark.parametrize("objective", ["candidates", "pairwise", "logistic"])
@pytest.mark.parametrize("few", [1, 3])
def test_local_update_with_few_characters_equals_autograd(small, strings, generator, objective, few):
    """The loss of the character that came, first, against others: over each window's own candidates."""
    network = small(objective=objective)
    windows, following = network.cases(strings)
    others = torch.rand(len(windows), SYMBOLS, generator=generator).scatter(1, following[:, None], 2.0)
    tried = others.argsort(dim=1, descending=True)[:, : few + 1]
    signs = torch.tensor([1.0] + [-1.0] * few)
    network.zero_grad()
    target = torch.zeros_like(following) if objective == "candidates" else signs
    found = network.learn(network.encode(windows), tried, target)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    goodness = by_hand(network, windows, w).gather(2, tried.expand(2, -1, -1))
    below = goodness.detach().cumsum(0) - goodness.detach()
    theta = torch.tensor([0.0, 1.0])[:, None, None]  # the layer below counts from its threshold
    total = goodness + below - theta
    losses = {
        "candidates": lambda g: cross_entropy(3.0 * g, torch.zeros_like(following)),
        "pairwise": lambda g: (1 + (-3.0 * (g[:, :1] - g[:, 1:])).exp()).log().mean(),
        "logistic": lambda g: -torch.sigmoid(3.0 * signs * (g - 1.0)).log().mean(),
    }
    expected = torch.stack([losses[objective](g) for g in total])
    expected.sum().backward()
    torch.testing.assert_close(found.loss, expected.detach())
    grads = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(grads, {name: p.grad for name, p in w.items()})


@pytest.mark.parametrize("dropped", [False, True])
def test_local_update_on_real_and_dreamt_passages_equals_autograd(small, strings, generator, dropped):
    """Each passage is a case of its own, whose goodness is on its side of the threshold or not."""
    network = small(objective="logistic", correction="dreams", threshold=0.7)
    passages = network.passages(strings)
    signs = torch.where(torch.rand(len(passages), 1, generator=generator) < 0.5, 1.0, -1.0).double()
    factors = [torch.rand(len(passages), 1, n, generator=generator).double().mul(3).floor() for n in (9, 7)]
    wanted = iter(factors)
    network.zero_grad()
    drop = (lambda _h: next(wanted)) if dropped else None
    with network.perturbed(None, dict.fromkeys(network.levels, drop) if dropped else {}):
        found = network.learn_step(network.step_of(passages), signs)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    every = by_hand(network, passages[:, :-1], w, factors if dropped else None)
    goodness = every.gather(2, passages[None, :, -1:].expand(2, -1, 1))
    below = goodness.detach().cumsum(0) - goodness.detach() - torch.tensor([0.0, 0.7])[:, None, None]
    losses = -torch.sigmoid(3.0 * signs * (goodness + below - 0.7)).log().mean((1, 2))
    losses.sum().backward()
    torch.testing.assert_close(found.loss, losses.detach())
    grads = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(grads, {name: p.grad for name, p in w.items()})


@pytest.mark.parametrize("correction", ["dreams", "hard"])
def test_goodness_that_drawn_negatives_taught_is_corrected_by_what_drew_them(small, strings, correction):
    objective = "logistic" if correction == "dreams" else "candidates"
    network = small(objective=objective, correction=correction)
    windows, _ = network.cases(strings)
    found, q = network.predictions(windows), network.predictions(windows)["softmax"].exp()
    times = q if correction == "dreams" else q * (1 - q)
    total = by_hand(network, windows, dict(network.layers.named_parameters())).cumsum(0)
    for level in (1, 2):
        p = (3.0 * total[level - 1]).exp() * times
        torch.testing.assert_close(found[f"layer {level}"].exp(), p / p.sum(1, keepdim=True))
    torch.testing.assert_close(network.predict(windows), found["own"])


@pytest.mark.parametrize("correction", ["none", "dreams"])
def test_upper_layers_may_try_the_likeliest_characters_alone(small, strings, correction):
    """They share out what the first layer gives those; the others keep what it gave them."""
    fields = {"hidden": (9, 7, 8), "sharpness": (2.0, 3.0, 4.0), "correction": correction}
    network = small(**fields, objective="logistic" if correction == "dreams" else "candidates")
    windows, _ = network.cases(strings)
    exact, total = (
        network.predictions(windows),
        by_hand(network, windows, dict(network.layers.named_parameters())),
    )
    times = exact["softmax"].exp() if correction == "dreams" else 1.0
    network.likeliest = 2
    found, p1 = network.predictions(windows), exact["layer 1"].exp()
    torch.testing.assert_close(found["layer 1"], exact["layer 1"])
    for level, sharpness in ((2, 3.0), (3, 4.0)):
        p = (sharpness * total.cumsum(0)[level - 1]).exp() * times
        for case, kept in enumerate(p1.argsort(1, descending=True)[:, :2]):
            expected = p1[case].clone()
            expected[kept] = p1[case][kept].sum() * p[case][kept] / p[case][kept].sum()
            torch.testing.assert_close(found[f"layer {level}"][case].exp(), expected)
    torch.testing.assert_close(network.predict(windows), found["layer 3"])
    network.likeliest = 99
    torch.testing.assert_close(network.predictions(windows), exact)


def test_one_hard_negative_teaches_what_its_correction_takes_back():
    """Where p is the true distribution and q draws a wrong candidate, the goodness log p − log q (1 − q) has
    no gradient on average: over all pairs of right and wrong, each as often as it comes."""
    drawn = torch.Generator().manual_seed(0)
    p, q = (torch.rand(5, generator=drawn).double().softmax(0) for _ in range(2))
    goodness = (p.log() - (q * (1 - q)).log()).requires_grad_()
    loss = 0.0
    for right in range(5):
        for wrong in set(range(5)) - {right}:
            often = p[right] * q[wrong] / (1 - q[right])
            loss = loss - often * torch.sigmoid(goodness[right] - goodness[wrong]).log()
    loss.backward()
    assert goodness.grad.abs().max() < 1e-12


def test_every_layer_predicts_by_the_goodness_up_to_it(small, strings):
    network = small(hidden=(9, 7, 8), sharpness=(2.0, 3.0, 4.0))
    windows, _ = network.cases(strings)
    total = by_hand(network, windows, dict(network.layers.named_parameters())).cumsum(0)
    found = network.predictions(windows)
    for level, sharpness in enumerate((2.0, 3.0, 4.0), 1):
        expected = (sharpness * total[level - 1]).log_softmax(1)
        torch.testing.assert_close(found[f"layer {level}"], expected)
    assert torch.equal(found["own"], found["layer 3"])
    assert torch.equal(network.predict(windows), found["own"])


def test_what_a_memory_recalls_is_part_of_the_prediction(small, strings):
    network = small(memory=5.0)
    windows, _ = network.cases(strings)
    alone = network.predict(windows)
    network.remember(strings)
    every = network.predictions(windows)
    torch.testing.assert_close(alone, every["own"])
    torch.testing.assert_close(network.predict(windows), network.memory.mix(every["own"], every["memory"]))
    assert not torch.allclose(network.predict(windows), alone)


def test_the_softmax_reads_the_neutral_character(small, strings):
    """Its total input is the mean over those with each character."""
    network = small(hidden=(9,))
    windows, _ = network.cases(strings)
    network.layer(1).bias.fill_(100.0)  # no unit is rectified, so activities are total inputs
    encoding = network.encode(windows)
    (step,) = network.steps(encoding, network.tried)
    mean = step.activities[1].mean(1)
    torch.testing.assert_close(network.features(encoding), normalise(mean))
    expected = network.readout(normalise(mean)).log_softmax(1)
    torch.testing.assert_close(network.predictions(windows)["softmax"], expected)


def test_candidates_that_all_cases_share_teach_what_candidates_of_each_do(small, strings):
    network = small()
    windows, following = network.cases(strings)
    grads = []
    for tried in (network.tried, network.tried.expand(len(windows), -1)):
        network.zero_grad()
        network.learn(network.encode(windows), tried, following)
        grads.append({name: p.grad.clone() for name, p in network.layers.named_parameters()})
    torch.testing.assert_close(*grads)


def test_it_generates_what_it_predicts(small, draws):
    network = small()
    context = torch.tensor([[0, 1, 2, 3]]).expand(20_000, -1)
    made = network.generate(context, 1, draws)[:, -1]
    share = torch.bincount(made, minlength=SYMBOLS) / len(made)
    goodness = by_hand(network, context[:1], dict(network.layers.named_parameters())).sum(0)
    expected = (3.0 * goodness).softmax(1)[0]
    assert expected.max() < 0.9
    torch.testing.assert_close(share.double(), expected, atol=0.012, rtol=0)  # three standard errors


def test_negative_strings_are_written_by_the_softmax_alone(small, strings, draws):
    network = small(memory=5.0)
    network.remember(strings)
    context = torch.tensor([[0, 1, 2, 3]]).expand(20_000, -1)
    made = network.dream(context, 1, draws, temperature=0.5)
    assert torch.equal(made[:, :4], context)
    share = torch.bincount(made[:, -1], minlength=SYMBOLS) / len(made)
    expected = (2 * network.predictions(context[:1])["softmax"]).softmax(1)[0]
    torch.testing.assert_close(share.double(), expected, atol=0.012, rtol=0)  # three standard errors
    assert (expected - network.predict(context[:1]).exp()[0]).abs().max() > 0.1


def test_goodness_of_a_string_is_that_of_its_characters(small, strings):
    network = small()
    windows, following = network.cases(strings)
    every = by_hand(network, windows, dict(network.layers.named_parameters()))
    own = every.gather(2, following[None, :, None].expand(2, -1, 1)).view(2, len(strings), -1).mean(2)
    torch.testing.assert_close(network.goodness_of(strings), own)


@pytest.mark.parametrize("fading", [1.0, 0.6])
def test_at_first_a_blank_sends_nothing_and_recent_characters_more(fading):
    config = GoodnessCharacterConfig(hidden=(4000,), window=5, recency=0.5, candidate_size=0.3, fading=fading)
    network = GoodnessCharacter(config, 30, torch.Generator().manual_seed(0))
    window, following = (network.layer(1).connection(name) for name in ("0", "next"))
    blank = torch.full((1, 1, 5), 30)
    assert (window(blank) == 0).all()
    assert (window(blank % 30) != 0).all()
    sent = window(torch.tensor([[[3, 1, 4, 1, 5]]]))
    assert fading < 1 or sent.square().mean() == pytest.approx(1, rel=0.1)
    only = torch.full((5, 1, 5), 30)  # one character each time, at every place
    only[:, 0].fill_diagonal_(7)
    size = window(only).square().mean(2).sqrt().flatten()
    torch.testing.assert_close(size[:4] / size[1:], torch.full((4,), 0.5 * fading), rtol=0.03, atol=0)
    assert following(torch.tensor([[[7]]])).square().mean() == pytest.approx(0.09, rel=0.1)


def test_initial_biases_are_those_of_the_first_layer_or_of_each():
    for given, expected in ((-0.8, (-0.8, 0.0)), ((-0.8, -0.3), (-0.8, -0.3))):
        config = GoodnessCharacterConfig(hidden=(5, 4), bias=given)
        network = GoodnessCharacter(config, 30, torch.Generator().manual_seed(0))
        for level, bias in enumerate(expected, 1):
            assert (network.layer(level).bias == bias).all()


@pytest.mark.parametrize(
    ("source", "fields"),
    [("state", {"state": 2, "state_size": 0.5}), ("2", {"iterations": 1, "feedback_size": 0.5})],
)
def test_state_and_feedback_begin_as_large_as_their_sizes(source, fields):
    config = GoodnessCharacterConfig(hidden=(1000, 2000), **fields)
    network = GoodnessCharacter(config, 30, torch.Generator().manual_seed(0))
    sent = network.layer(1).connection(source)(normalise(torch.ones(1, 2000)))
    assert sent.square().mean() == pytest.approx(0.25, rel=0.2)


@pytest.mark.parametrize("level", [1, 2])
def test_local_update_with_a_state_equals_autograd(small, strings, level):
    """The state is one more source, alike for all characters that are tried, and held fixed."""
    network = small(state=level)
    windows, following = network.cases(strings)
    state = network.states(strings)
    network.zero_grad()
    found = network.learn(network.encode(windows, state), network.tried, following)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    goodness = by_hand(network, windows, w, state=state)
    check_learnt(network, found, goodness, following, w)
    found = network.log_likelihood(strings)["own"].view(-1, 1)
    expected = (3.0 * goodness.detach().sum(0)).log_softmax(1).gather(1, following[:, None])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("level", [1, 2])
def test_a_state_is_what_a_level_sent_when_the_character_before_had_come(small, strings, level):
    """A string begins without one: each state is made of all characters before, one after another."""
    network = small(state=level)
    w, size = dict(network.layers.named_parameters()), (9, 7)[level - 1]
    state = torch.zeros(len(strings), 1, size).double()
    found = network.states(strings).view(len(strings), -1, 1, size)
    for place in range(WINDOW, strings.shape[1]):
        torch.testing.assert_close(found[:, place - WINDOW], state)
        windows = strings[:, place - WINDOW : place]
        x = first_input(network, windows, state).view(len(strings), SYMBOLS, -1)
        x = x[torch.arange(len(strings)), strings[:, place]]
        weight = torch.cat([w[f"0.connections.{name}.weight"] for name in ("0", "next", "state")])
        h = normalise(torch.relu(x @ weight + w["0.bias"]))
        if level == 2:
            h = normalise(torch.relu(h @ w["1.connections.1.weight"] + w["1.bias"]))
        carried = network.carry(windows, strings[:, place], state)
        torch.testing.assert_close(carried, h[:, None])
        state = carried


def test_goodness_and_memory_see_the_state(small, strings):
    network = small(state=1, memory=5.0)
    windows, following = network.cases(strings)
    state = network.states(strings)
    every = by_hand(network, windows, dict(network.layers.named_parameters()), state=state)
    own = every.gather(2, following[None, :, None].expand(2, -1, 1)).view(2, len(strings), -1).mean(2)
    torch.testing.assert_close(network.goodness_of(strings), own)
    network.remember(strings)
    read = network.features(network.encode(windows, state))
    torch.testing.assert_close(network.memory.keys, read / read.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("state", [0, 1])
def test_a_string_of_any_length_is_predicted_some_windows_at_a_time(small, generator, monkeypatch, state):
    network, string = small(state=state), torch.randint(SYMBOLS, (1, 40), generator=generator)
    whole, seen = network.log_likelihood(string), []
    network.batch, predictions = 7, network.predictions
    monkeypatch.setattr(network, "predictions", lambda *x: seen.append(len(x[0])) or predictions(*x))
    torch.testing.assert_close(network.log_likelihood(string), whole)
    assert seen == [7] * 5 + [1]


def test_a_single_layer_may_have_a_connection_to_its_state(monkeypatch):
    monkeypatch.setitem(registry.ENTRIES["connection"], "local", Dense)
    with pytest.raises(ValueError, match="by codes: leave it out"):
        GoodnessCharacterConfig(hidden=(9,), connection="local")
    assert GoodnessCharacterConfig(hidden=(9,), state=1, connection="local").state == 1


def test_without_a_past_a_state_is_that_of_a_beginning(small, strings):
    network = small(state=1)
    windows, _ = network.cases(strings)
    torch.testing.assert_close(
        network.predict(windows[:1]), network.predict(windows[:1], torch.zeros(1, 1, 9).double())
    )
    first = network.states(strings).view(len(strings), -1, 9)[:, 0]
    assert (first == 0).all()


def test_strings_are_written_with_the_state_of_all_that_was_read(small, strings, draws, monkeypatch):
    """Characters that are drawn for certain are the likeliest, after the context and after each other."""
    network = small(state=1, sharpness=1e4)
    made = network.generate(strings[:, :7], 5, draws)
    assert torch.equal(made[:, :7], strings[:, :7])
    windows, following = network.cases(made)
    likeliest = network.predict(windows, network.states(made)).argmax(1).view(len(strings), -1)
    assert torch.equal(likeliest[:, 3:], following.view(len(strings), -1)[:, 3:])
    without = network.predict(windows).argmax(1).view(len(strings), -1)
    assert not torch.equal(likeliest[:, 3:], without[:, 3:])
    q = network.softmax(network.encode(windows, network.states(made)))
    monkeypatch.setattr("ffrec.networks.text.network.draw", lambda p, _draws: p.argmax(-1))
    dreamt = network.dream(strings[:, :7], 1, draws)[:, -1]
    assert torch.equal(dreamt, q.view(len(strings), -1, SYMBOLS)[:, 3].argmax(1))


def iterated(network, windows, w, damping, factors=None):
    """Goodness in every iteration, `(iterations, layers, cases, symbols)`; what layers send is detached.
    `factors` are those of the layers in the pass and in every iteration, one after another."""
    factors = iter(factors or [torch.ones(())] * 2 * (1 + network.config.iterations))
    cases = len(windows)
    x0 = first_input(network, windows)
    first = torch.cat([w["0.connections.0.weight"], w["0.connections.next.weight"]])

    def dropped(h):
        return (h.view(cases, SYMBOLS, -1) * next(factors)).flatten(0, 1)

    h1 = dropped(torch.relu(x0 @ first + w["0.bias"]))
    h2 = dropped(torch.relu(normalise(h1) @ w["1.connections.1.weight"] + w["1.bias"]))
    states, goodness = [h1.detach(), h2.detach()], []
    for _ in range(network.config.iterations):
        low, high = (normalise(state) for state in states)
        h1 = dropped(torch.relu(x0 @ first + high @ w["0.connections.2.weight"] + w["0.bias"]))
        h2 = dropped(torch.relu(low @ w["1.connections.1.weight"] + w["1.bias"]))
        goodness.append(torch.stack([h.square().mean(1).view(cases, SYMBOLS) for h in (h1, h2)]))
        new = zip(states, (h1.detach(), h2.detach()), strict=True)
        states = [damping * old + (1 - damping) * h for old, h in new]
    return torch.stack(goodness)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("iterations", "damping"), [(1, 0.0), (3, 0.3)])
def test_local_update_with_iterations_equals_autograd(
    small, strings, generator, iterations, damping, dropout
):
    """A layer also sees the one above it; its loss is the mean over the iterations, each held apart."""
    network = small(iterations=iterations, damping=damping)
    windows, following = network.cases(strings)
    factors = [
        torch.rand(len(windows), 1, units, generator=generator).double().mul(3).floor()
        for _ in range(1 + iterations)
        for units in (9, 7)
    ]
    wanted = iter(factors)
    found = learn(network, windows, following, (lambda _h: next(wanted)) if dropout else None)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    goodness = iterated(network, windows, w, damping, factors if dropout else None)
    below = goodness.detach().cumsum(1) - goodness.detach()
    loss = torch.stack(
        [
            torch.stack(
                [cross_entropy(3.0 * (g + rest), following) for g, rest in zip(own, low, strict=True)]
            )
            for own, low in zip(goodness, below, strict=True)
        ]
    ).mean(0)
    loss.sum().backward()
    torch.testing.assert_close(found.loss, loss.detach())
    grads = {name: p.grad for name, p in network.layers.named_parameters()}
    torch.testing.assert_close(grads, {name: p.grad for name, p in w.items()})
    mean = iterated(network, windows, network.layers.state_dict(), damping).mean(0).cumsum(0)
    predicted = network.predictions(windows)
    for level in (1, 2):
        torch.testing.assert_close(predicted[f"layer {level}"], (3.0 * mean[level - 1]).log_softmax(1))


def counting(count: int, seed: int = 0) -> torch.Tensor:
    """Strings in which every symbol but a few is the one after the last: `(count, 14)`."""
    drawn = torch.Generator().manual_seed(seed)
    strings = (torch.randint(SYMBOLS, (count, 1), generator=drawn) + torch.arange(14)) % SYMBOLS
    noise = torch.rand(strings.shape, generator=drawn) < 0.05
    return torch.where(noise, torch.randint(SYMBOLS, strings.shape, generator=drawn), strings)


def toy(network=(), strings=None, **training) -> TextTrainer:
    values = {"epochs": 6, "passes": 2, "batch": 4, "strings": 60, "rate": 5e-3, "softmax_rate": 1e-2}
    return TextTrainer(
        TextRecipe(
            name="toy",
            paper="–",
            data="–",
            network=GoodnessCharacterConfig(**{"hidden": (40, 30), "window": WINDOW} | dict(network)),
            training=TextTraining(**{"regime": "teacher-forced"} | values | training),
        ),
        counting(64) if strings is None else strings,
        SYMBOLS,
        seed=1,
    )


@pytest.mark.parametrize(
    ("network", "fields"),
    [
        ({}, {}),
        ({}, {"hidden_dropout": 0.2, "blanks": 0.1}),
        ({"memory": 10.0}, {}),
        ({"state": 2, "state_size": 0.5}, {"blanks": 0.1}),
        ({"iterations": 2, "damping": 0.3, "feedback_size": 0.3}, {"hidden_dropout": 0.1}),
    ],
)
def test_it_learns_what_follows(network, fields):
    trainer = toy(network, **fields)
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    found = records[-1]["validation"]
    assert found["perplexity"] < 2.5
    assert list(found["by_part"]) == ["layer 1", "layer 2", "softmax"]
    assert ("softmax_perplexity" in found) == ("memory" in network)
    assert all(last < first for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True))
    assert min(records[-1]["accuracy"]) > 0.7


def test_a_state_remembers_what_no_window_holds():
    """After two characters that are alike comes another like them, or not: how many there have been is what
    tells."""
    words = torch.tensor([[0, 0, 0, 0, 1], [2, 2, 2, 2, 3]])
    starts = torch.arange(40) % 5
    strings = torch.stack([words[n % 2].repeat(6)[start : start + 20] for n, start in enumerate(starts)])
    found = []
    for state in (0, 1):
        trainer = toy({"window": 2, "state": state}, strings, epochs=12)
        list(trainer.run(None, strings))
        late = trainer.network.log_likelihood(strings)["own"][:, -10:]
        found.append(late.mean().neg().exp().item())
    without, with_state = found
    assert with_state < 1.15 < 1.3 < without


@pytest.mark.parametrize(
    ("objective", "negatives", "count"),
    [("candidates", "hard", 1), ("pairwise", "hard-2", 2), ("logistic", "hard-5", 5), ("logistic", "all", 5)],
)
def test_the_character_that_came_is_tried_first_and_negative_ones_after_it(objective, negatives, count):
    trainer = toy({"objective": objective}, negatives=negatives)
    following = torch.arange(300) % SYMBOLS
    logits = torch.zeros(300, SYMBOLS)
    logits[:, 4] = 100.0  # what the network predicts
    tried, target = trainer.candidates(logits, following)
    assert torch.equal(tried[:, 0], following)
    assert tried.shape == (300, 1 + count)
    assert all(len(row.unique()) == 1 + count for row in tried)  # so that none of the others came
    if negatives == "hard":
        assert (tried[following != 4, 1] == 4).all()
    expected = [0] * 300 if objective == "candidates" else [1] + [-1] * count
    assert target.tolist() == expected


def test_all_characters_compete_without_being_drawn():
    trainer = toy()
    tried, target = trainer.candidates(torch.zeros(3, SYMBOLS), following := torch.tensor([2, 0, 5]))
    assert tried.tolist() == [list(range(SYMBOLS))]
    assert torch.equal(target, following)


@pytest.mark.parametrize("objective", ["candidates", "logistic"])
def test_it_learns_from_negatives_that_it_predicts(objective):
    trainer = toy({"objective": objective}, negatives="hard-2")
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    assert all(last < first for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True))
    assert min(records[-1]["accuracy"]) > 0.8


DREAMT = {"objective": "logistic", "correction": "dreams", "threshold": 0.5, "sharpness": 10.0}


@pytest.mark.parametrize("regime", ["together", "sleep", "night", "teacher-forced"])
def test_it_learns_from_strings_that_it_writes(regime):
    trainer = toy(DREAMT, regime=regime, night=5 if regime == "night" else 1, hidden_dropout=(0.2, 0.0))
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    assert records[-1]["validation"]["perplexity"] < 2.5
    assert list(records[-1]["validation"]["by_part"]) == ["layer 1", "layer 2", "softmax"]
    assert not torch.equal(trainer.negatives, trainer.strings) or regime == "teacher-forced"
    assert torch.equal(trainer.negatives[:, :WINDOW], trainer.strings[:, :WINDOW])
    assert all(last < first for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True))


def test_dreams_are_negative_and_real_strings_positive():
    """Wake raises the goodness of real strings, sleep lowers that of dreamt ones; dropout changes both."""
    for phase, way in (("wake", 1), ("sleep", -1)):
        trainer, index = toy(DREAMT, regime="sleep", rate=1e-3), torch.arange(4)
        with torch.no_grad():
            trainer.write(index, "generate")
            strings = trainer.strings[:4] if phase == "wake" else trainer.negatives[:4]
            before = trainer.network.goodness_of(strings).mean(1)
            trainer.begin(phase)
            trainer.learn(index, phase)
            after = trainer.network.goodness_of(strings).mean(1)
        assert (way * (after - before) > 0).all()


@pytest.mark.parametrize("stop_after", [1, 17])
def test_a_resumed_night_ends_bitwise_equal(tmp_path, stop_after):
    settings = {"regime": "night", "night": 4, "hidden_dropout": 0.2, "epochs": 2}
    whole = toy(DREAMT, **settings)
    list(whole.run(None, counting(10, seed=9)))
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 1, "fp32"))
    first = toy(DREAMT, **settings)
    list(first.run(folder, counting(10, seed=9), lambda: first.updates == stop_after))
    second = toy(DREAMT, **settings)
    resume(second, folder, wanted)
    list(second.run(folder, counting(10, seed=9)))
    found = second.network.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in whole.network.state_dict().items())


def test_the_softmax_does_not_touch_hidden_weights():
    first, second = toy(softmax_rate=1e-2), toy(softmax_rate=0.5)
    with torch.no_grad():
        for trainer in (first, second):
            trainer.update(torch.arange(4))
    one, other = first.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("layers"))
    assert not torch.equal(one["readout.weight"], other["readout.weight"])


def test_dropout_and_blanks_change_what_is_learnt_and_nothing_else():
    plain, other = toy(), toy(hidden_dropout=0.5)
    with torch.no_grad():
        for trainer in (plain, other):
            trainer.update(torch.arange(4))
    one, two = plain.network, other.network
    assert torch.equal(one.readout.weight.grad, two.readout.weight.grad)  # it reads all units
    assert not torch.equal(one.layer(1).bias.grad, two.layer(1).bias.grad)
    windows = one.cases(counting(3))[0]
    assert torch.equal(two.predict(windows), two.predict(windows))


@pytest.mark.parametrize("stop_after", [1, 17])
def test_a_resumed_run_ends_bitwise_equal(tmp_path, stop_after):
    settings = {"hidden_dropout": 0.2, "blanks": 0.2, "epochs": 3}
    whole = toy(**settings)
    list(whole.run(None, counting(10, seed=9)))
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 1, "fp32"))
    first = toy(**settings)
    events = list(first.run(folder, counting(10, seed=9), lambda: first.updates == stop_after))
    assert isinstance(events[-1], Interrupted)
    second = toy(**settings)
    resume(second, folder, wanted)
    list(second.run(folder, counting(10, seed=9)))
    found = second.network.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in whole.network.state_dict().items())


def test_every_layer_may_have_a_dropout_of_its_own():
    h = torch.ones(400, SYMBOLS, 50)
    shares = {
        level: (drop(h) == 0).float().mean() for level, drop in toy(hidden_dropout=[0.2, 0.6]).drops.items()
    }
    assert shares == pytest.approx({1: 0.2, 2: 0.6}, abs=0.02)
    assert list(toy(hidden_dropout=(0.0, 0.6)).drops) == [2]


def test_dropout_is_alike_for_all_candidates_and_keeps_the_mean_square():
    trainer = toy(hidden_dropout=0.3)
    trainer.draws = Draws(5)
    factor = trainer.drop(0.3, torch.ones(400, SYMBOLS, 50))
    assert factor.shape == (400, 1, 50)
    assert factor.unique().tolist() == pytest.approx([0, 0.7**-0.5])
    assert factor.square().mean() == pytest.approx(1, abs=0.02)


def test_so_many_characters_are_blank():
    trainer = toy(blanks=0.25)
    windows = trainer.network.cases(counting(500))[0]
    hidden = trainer.obscured(windows)
    blank = hidden == SYMBOLS
    assert blank.float().mean() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(hidden[~blank], windows[~blank])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"objective": "classes"}, "objective"),
        ({"negatives": "hybrid"}, "characters that did not come, found hybrid"),
        ({"bias": [-0.8, -0.8, 0.0]}, "bias has 3 values for 2 hidden layers"),
        ({"negatives": "none"}, "characters that did not come, found none"),
        ({"negatives": "hart"}, "hard"),
        ({"context": "own"}, "context"),
        ({"lookahead": True}, "unknown setting 'lookahead'"),
        ({"regime": "night"}, "expected regime teacher-forced, found night"),
        ({"temperature": 0.5}, "samples no negative characters"),
        ({"goodness": "scores"}, "give objective=classes"),
        ({"threshold": 0.5}, "no threshold"),
        ({"peer": 0.1}, "gives cases no sign"),
        ({"hidden_dropout": 1.0}, "hidden_dropout"),
        ({"correction": "dreams"}, "dreams does not belong to objective candidates"),
        ({"state": 3}, "expected a hidden level, 1 to 2, found 3"),
        ({"state_size": 0.5}, "there is no state: leave it out, or give state"),
        ({"state": 1, "correction": "dreams", "objective": "logistic"}, "passages of dreams have no past"),
        (
            {"iterations": 1, "hidden": [9], "hidden_dropout": 0.5, "bias": -0.8},
            "has none above it: leave them",
        ),
        ({"iterations": 1, "correction": "dreams", "objective": "logistic"}, "take a single pass"),
        ({"iterations": 1, "likeliest": 3}, "try all characters: leave it out"),
        ({"feedback_size": 0.5}, "layers see none above them"),
        ({"damping": 0.3, "iterations": 1}, "damping: expected two iterations or more"),
        ({"correction": "hard", "objective": "logistic", "negatives": "hard"}, "hard does not belong to"),
        ({"correction": "hard"}, "expected hard negatives, found all"),
        ({"correction": "dreams", "objective": "logistic", "blanks": 0.1}, "blanks: negative characters are"),
        (
            {"correction": "dreams", "objective": "logistic", "negatives": "hard"},
            "negatives: negative characters",
        ),
        ({"hidden_dropout": [0.1, 0.2, 0.3]}, "3 values for 2 hidden layers"),
        (
            {"hidden": [20], "bias": 0.0, "hidden_dropout": 0.0, "likeliest": 3},
            "likeliest: a single hidden layer",
        ),
        (
            {"correction": "dreams", "objective": "logistic", "regime": "together", "temperature": 0.3},
            "temperature: prediction is corrected by q as it is",
        ),
    ],
)
def test_wrong_settings_are_named(values, words):
    with pytest.raises(ConfigError, match=words):
        recipe("aesop-goodness").override(values)


@pytest.mark.parametrize(("name", "value"), [("hidden_dropout", 0.1), ("blanks", 0.1), ("negatives", "hard")])
def test_what_only_this_network_does_is_refused_elsewhere(name, value):
    with pytest.raises(ConfigError, match=f"{name}: layers of kind character have none"):
        recipe("aesop-together").override({name: value})


def test_a_baseline_of_the_same_shape_predicts_by_its_softmax():
    own = recipe("aesop-goodness").override(
        {"hidden": (20, 10), "bias": -0.25, "blanks": 0.1, "negatives": "hard", "memory": 9.0}
    )
    twin = softmax_twin(own)
    for name in ("hidden", "window", "recency", "fading", "bias"):
        assert getattr(twin.network, name) == getattr(own.network, name)
    assert (twin.network.kind, twin.network.memory) == ("character", 0)
    assert twin.training.softmax_rate == twin.training.rate == own.training.rate
    assert (twin.training.blanks, twin.training.hidden_dropout) == (0, 0)


@pytest.mark.parametrize("settings", [{"state": 1}, {"iterations": 1}])
def test_a_network_that_sees_more_than_windows_has_no_softmax_twin(settings):
    with pytest.raises(ConfigError, match="compare with a run without " + next(iter(settings))):
        softmax_twin(recipe("aesop-goodness").override(settings))
