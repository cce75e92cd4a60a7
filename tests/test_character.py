"""The next-character network: every update against autograd, one pass by hand, and what it generates."""

import pytest
import torch
from torch.nn.functional import one_hot

from ffrec.config import CharacterConfig, TextRecipe, TextTraining
from ffrec.learning.goodness import normalise
from ffrec.networks.text.character import Character
from ffrec.networks.text.network import windows_of
from ffrec.training.backprop import text as trainers
from ffrec.training.backprop.text import backprop

SYMBOLS, THRESHOLD = 6, {"max": 1.0, "min": -1.0}


@pytest.fixture
def small(generator):
    """A factory of float64 networks over six symbols with windows of four, no weight or bias zero."""

    def make(**fields) -> Character:
        fields = {"hidden": (9, 7), "window": 4, "sharpness": 3.0, "recency": 0.8} | fields
        network = Character(CharacterConfig(**fields), SYMBOLS, generator).double()
        for parameter in [*(layer.bias for layer in network.layers), *network.readout.parameters()]:
            parameter.normal_(0, 0.3, generator=generator)
        return network

    return make


@pytest.fixture
def strings(generator):
    return torch.randint(SYMBOLS, (5, 12), generator=generator)


def gradients(network):
    return {name: p.grad.clone() for name, p in network.layers.named_parameters()}


def learn(network, passages, sign):
    """Losses and accuracies of passages of one kind, whose gradients the network then has."""
    network.zero_grad()
    return network.learn(network.encode(passages), None, torch.tensor([sign], dtype=torch.float64))


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("activity", ["max", "min"])
@pytest.mark.parametrize("hidden", [(9,), (9, 7, 8)])
def test_local_update_equals_autograd(small, strings, hidden, activity, sign, lookahead):
    """Without the network's own layers: one-of-N codes, products, σ of a mean square, and autograd."""
    theta, way = THRESHOLD[activity], 1.0 if activity == "max" else -1.0
    network = small(hidden=hidden, activity=activity, threshold=theta, lookahead=lookahead, fading=0.5)
    passages = windows_of(strings, network.passage).flatten(0, 1)
    loss, _ = learn(network, passages, sign)
    w = {name: p.clone().requires_grad_() for name, p in network.layers.named_parameters()}
    size = 0.5 ** torch.arange(network.passage - 1, -1, -1.0, dtype=torch.float64)
    size *= (SYMBOLS / size.square().mean()).sqrt()
    x, expected = (one_hot(passages, SYMBOLS).double() * size[:, None]).flatten(1), 0.0
    for index in range(len(hidden)):
        h = (x @ w[f"{index}.connections.{index}.weight"] + w[f"{index}.bias"]).relu()
        p = torch.sigmoid(3.0 * (way * h.square().mean(1) - theta))
        expected = expected - (p if sign > 0 else 1 - p).log().mean()
        x = normalise(h).detach()
    expected.backward()
    torch.testing.assert_close(loss.sum(), expected.detach())
    torch.testing.assert_close(gradients(network), {name: p.grad for name, p in w.items()})


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_centred_inputs_count_from_the_midpoint(small, strings, knowing, generator, sign):
    network, plain = small(centring=True, scaling=0.1), small()
    network.load_state_dict(plain.state_dict(), strict=False)
    knowing(network, sign, generator)
    passages = windows_of(strings, network.passage).flatten(0, 1)
    for each in (network, plain):
        learn(each, passages, sign)
    step = plain.encode(passages).step
    code = one_hot(passages, SYMBOLS).flatten(1).double() * SYMBOLS**0.5
    for level, x in ((1, code), (2, step.inputs["1"].squeeze(1))):
        layer, other, source = network.layer(level), plain.layer(level), str(level - 1)
        midpoint = x.mean(0) - sign / 2 * layer.source_midpoints[source].gap
        expected = other.connection(source).weight.grad - midpoint.outer(other.bias.grad)
        torch.testing.assert_close(layer.connection(source).weight.grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-4
        followed = step.activities[level].square().mean() - sign / 2 * layer.goodness_midpoint.gap
        torch.testing.assert_close(layer.goodness_midpoint.now, followed)


def test_passages_on_the_right_side_of_the_threshold_are_counted(small, strings):
    network = small(threshold=0.5)
    passages = windows_of(strings, 4).flatten(0, 1)
    activities = network.encode(passages).step.activities.values()
    above = torch.stack([(h.square().mean(-1) > 0.5).double().mean() for h in activities])
    torch.testing.assert_close(learn(network, passages, 1.0).accuracy, above)
    torch.testing.assert_close(learn(network, passages, -1.0).accuracy, 1 - above)
    assert 0 < above.min() <= above.max() < 1


def test_positive_and_negative_gradients_add_up(small, strings):
    network = small()
    passages, apart = windows_of(strings, 4).flatten(0, 1), []
    for sign in (1.0, -1.0):
        learn(network, passages, sign)
        apart.append(gradients(network))
    network.learn(network.encode(passages), None, torch.ones(1))
    torch.testing.assert_close(
        gradients(network), {name: apart[0][name] + apart[1][name] for name in apart[0]}
    )


def test_one_pass_by_hand(small, strings):
    network = small()
    w = {name: p.clone() for name, p in network.named_parameters()}
    windows = strings[:, :4]
    code = one_hot(windows, SYMBOLS).flatten(1).double()
    h1 = (
        normalise(code) @ w["layers.0.connections.0.weight"] + w["layers.0.bias"]
    ).relu()  # unit mean square
    h2 = (normalise(h1) @ w["layers.1.connections.1.weight"] + w["layers.1.bias"]).relu()
    features = torch.cat([normalise(h1), normalise(h2)], dim=1)
    expected = (features @ w["readout.weight"] + w["readout.bias"]).log_softmax(1)
    scale = SYMBOLS**0.5 / normalise(code).max()  # here the input's own unit: √symbols, whatever the window
    assert scale == pytest.approx(1)
    torch.testing.assert_close(network.predict(windows), expected)


def test_the_neutral_character_is_the_mean_of_all(small, strings):
    network = small(lookahead=True, hidden=(9,))
    windows = strings[:, :4]
    totals = []
    network.layer(1).bias.fill_(100.0)  # no unit is rectified, so activities are total inputs
    for symbol in range(SYMBOLS):
        last = torch.full((5, 1), symbol)
        totals.append(network.encode(torch.cat([windows, last], dim=1)).step.activities[1])
    torch.testing.assert_close(network.encode(windows).step.activities[1], torch.stack(totals).mean(0))


def test_chosen_levels_alone_are_read(small, strings):
    network = small(hidden=(9, 7, 8), reads=(3,))
    assert network.readout.weight.shape == (8, SYMBOLS)
    encoding = network.encode(strings[:, :4])
    expected = normalise(encoding.step.activities[3].squeeze(1))
    torch.testing.assert_close(network.features(encoding), expected)


@pytest.mark.parametrize("lookahead", [False, True])
def test_initial_weights_fade_into_the_past_at_unit_variance(lookahead):
    drawn = torch.Generator().manual_seed(0)
    config = CharacterConfig(hidden=(4000,), window=5, recency=0.5, bias=-1.0, lookahead=lookahead)
    network = Character(config, 30, drawn)
    weights = network.layer(1).connection("0").weight.view(-1, 30, 4000) * 30**0.5
    size = weights.std((1, 2))
    torch.testing.assert_close(size[:4] / size[1:5], torch.full((4,), 0.5), rtol=0.02, atol=0)
    assert size[:5].square().sum() == pytest.approx(1, rel=0.02)
    if lookahead:
        assert size[5] == pytest.approx(1, rel=0.02)
    assert (network.layer(1).bias == -1).all()


def test_what_it_generates_starts_with_its_context_and_stays_in_the_alphabet(small, strings, draws):
    made = small().generate(strings[:, :4], 30, draws)
    assert made.shape == (5, 34)
    assert torch.equal(made[:, :4], strings[:, :4])
    assert made.min() >= 0
    assert made.max() < SYMBOLS


def test_at_temperature_zero_it_generates_the_likeliest_character(small, strings, draws):
    network = small()
    made = network.generate(strings[:, :4], 8, draws, temperature=0.0)
    for place in range(4, 12):
        likeliest = network.predict(made[:, place - 4 : place]).argmax(1)
        assert torch.equal(made[:, place], likeliest)


def test_it_generates_what_it_predicts(small, draws):
    network = small()
    context = torch.tensor([[0, 1, 2, 3]]).expand(20_000, -1)
    made = network.generate(context, 1, draws)[:, -1]
    share = torch.bincount(made, minlength=SYMBOLS) / len(made)
    expected = network.predict(context[:1]).exp()[0]
    torch.testing.assert_close(share.double(), expected, atol=0.012, rtol=0)  # three standard errors


def test_a_batch_is_generated_as_its_strings_one_by_one(small, strings, draws):
    network = small()
    together = network.generate(strings[:, :4], 8, draws, temperature=0.0)
    alone = [network.generate(string[None, :4], 8, draws, temperature=0.0) for string in strings]
    assert torch.equal(together, torch.cat(alone))


def test_a_long_context_counts_by_its_end(small, strings, draws):
    network = small()
    long = network.generate(strings, 3, draws, temperature=0.0)
    short = network.generate(strings[:, -4:], 3, draws, temperature=0.0)
    assert torch.equal(long[:, -3:], short[:, -3:])


def test_likelihood_of_strings_is_that_of_their_windows(small, strings):
    network = small()
    found = network.log_likelihood(strings)
    log_p = found["own"]
    assert (list(found), log_p.shape) == (["own", "softmax"], (5, 8))
    for place in range(8):
        predicted = network.predict(strings[:, place : place + 4])
        expected = predicted.gather(1, strings[:, place + 4 : place + 5]).squeeze(1)
        torch.testing.assert_close(log_p[:, place], expected)


def test_goodness_of_a_string_is_the_mean_of_its_passages(small, strings):
    network = small(lookahead=True)
    activities = network.encode(strings[1:2, 2:7]).step.activities.values()
    found = network.goodness_of(strings[1:2, 2:7])
    torch.testing.assert_close(found, torch.stack([h.square().mean(-1).flatten() for h in activities]))
    torch.testing.assert_close(
        network.goodness_of(strings)[:, 1],
        torch.stack([network.goodness_of(strings[1:2, i : i + 5])[:, 0] for i in range(8)]).mean(0),
    )


def test_memory_mixes_into_the_prediction(small, strings):
    network = small(memory=5.0)
    softmax = network.predict(strings[:, :4])
    network.remember(strings)
    assert len(network.memory.keys) == 5 * 8
    network.memory.share.fill_(0.25)
    recalled = network.memory.recall(network.features(network.encode(strings[:, :4])))
    mixed = 0.75 * softmax.exp() + 0.25 * recalled.exp()
    torch.testing.assert_close(network.predict(strings[:, :4]).exp(), mixed)
    network.memory.forget()
    torch.testing.assert_close(network.predict(strings[:, :4]), softmax)


@pytest.fixture(scope="module")
def counting():
    """Strings in which the next symbol is the one after the last, but for noise, which cannot be learnt."""
    drawn = torch.Generator().manual_seed(0)
    start = torch.randint(SYMBOLS, (60, 1), generator=drawn)
    strings = (start + torch.arange(14)) % SYMBOLS
    noise = torch.rand(strings.shape, generator=drawn) < 0.1
    return torch.where(noise, torch.randint(SYMBOLS, strings.shape, generator=drawn), strings)


def trained(strings, learns="all", dropout=0.0, **training):
    recipe = TextRecipe(
        name="toy",
        paper="–",
        data="–",
        network=CharacterConfig(hidden=(30, 20), window=4),
        training=TextTraining(**{"batch": 10, "epochs": 3, "passes": 4, "softmax_rate": 1e-2} | training),
    )
    return backprop(recipe, strings[:40], strings[40:], SYMBOLS, 0, learns, dropout, patience=2)


def test_backpropagation_learns_what_follows_from_the_window(counting):
    network, how = trained(counting, rate=1e-2)
    assert 1 <= how["passes"] <= how["of"] <= 12
    predicted = network.log_likelihood(counting[40:])["own"]
    assert predicted.mean().exp() > 0.4
    assert predicted.median().exp() > 0.8
    assert not any(p.requires_grad for p in network.parameters())


def test_random_features_keep_the_hidden_weights_and_learn_the_softmax(counting):
    network, _ = trained(counting, "softmax")
    fresh = Character(network.config, SYMBOLS, torch.Generator().manual_seed(0))
    for (name, one), other in zip(network.state_dict().items(), fresh.state_dict().values(), strict=True):
        assert torch.equal(one, other) != name.startswith("readout"), name
    better, _ = trained(counting, rate=1e-2)
    losses = [-n.log_likelihood(counting[40:])["own"].mean().exp() for n in (fresh, network, better)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(("rate", "way"), [(1e-4, 1), (1.0, -1)])
def test_a_rate_that_is_far_off_is_mended_by_the_search(counting, rate, way):
    _, how = trained(counting, rate=rate, softmax_rate=rate)
    assert (how["rate"] > rate) if way > 0 else (how["rate"] < rate)
    ratio = torch.tensor(how["rate"] / rate).log() / torch.tensor(3.0).log()
    assert ratio.round().item() == pytest.approx(ratio.item(), abs=1e-4)  # of three, again and again


def test_validation_strings_choose_the_best_of_all_trials(counting, monkeypatch):
    """Also the pass at which one of them was best; the network that comes back is that one."""
    seen, losses = [], {1.0: [3.0, 2.0, 2.5], 1 / 3: [4.0, 1.0, 1.5, 1.6], 1 / 9: [1.2] * 9, 3.0: [9.0] * 9}

    def passes(network, recipe, strings, validation, seed, drops, setting):
        seen.append(setting)
        for number, loss in enumerate(losses[setting.factor] if setting.passes == 12 else [5.0]):
            network.readout.bias.data.fill_(10 * setting.factor + number)
            yield loss

    monkeypatch.setattr(trainers, "passes", passes)
    network, how = trained(counting, dropout=0.0, rate=1e-3)
    assert how == {
        "passes": 2,
        "of": 12,
        "dropout": 0.0,
        "rate": pytest.approx(1e-3 / 3),
        "trials": len(set(seen)),
    }
    assert len(seen) == len(set(seen)) == 4  # the rate, a third, a ninth, and half of the passes
    assert (network.readout.bias == 10 / 3 + 1).all()


def test_layers_above_do_not_read_units_that_are_left_out(small, strings, draws, monkeypatch):
    """The cross-entropy of a softmax that reads factors of 0 and 2 times what the layers send."""
    network, factors = small(), [torch.rand(40, units) < 0.5 for units in (9, 7)]
    kept = iter(factors)
    monkeypatch.setattr(draws, "chance", lambda share, shape: ~next(kept)[:, None].expand(shape))
    loss = trainers.loss_of(network, strings, [0.5, 0.5], draws)
    windows, following = network.cases(strings)
    h = network.encode(windows).step.inputs["1"][:, 0] * factors[0] * 2
    again = normalise((h @ network.layer(2).connection("1").weight + network.layer(2).bias).relu())
    read = torch.cat([h, again * factors[1] * 2], dim=1)
    expected = torch.nn.functional.cross_entropy(network.readout(read), following)
    torch.testing.assert_close(loss, expected)
    plain = trainers.loss_of(network, strings, [0.0, 0.0], draws)
    torch.testing.assert_close(plain, -network.log_likelihood(strings)["own"].mean())


def test_peer_normalisation_waits_for_positive_cases(small, strings):
    network = small(peer=0.1)
    passages = windows_of(strings, 4).flatten(0, 1)
    learn(network, passages, -1.0)
    assert (network.layer(1).running_mean == 0.5).all()
    learn(network, passages, 1.0)
    expected = 0.9 * 0.5 + 0.1 * network.encode(passages).step.activities[1].mean((0, 1))
    torch.testing.assert_close(network.layer(1).running_mean, expected)


def test_it_is_one_step_that_holds_the_next_character_already(small, strings):
    network = small(lookahead=True)
    encoding = network.encode(strings[:, :5])
    assert list(network.steps(encoding, strings[:, 5:6])) == [encoding.step]
    assert network.scored == ()
