"""The next-character network: every update against autograd, one pass by hand, and what it writes."""

import pytest
import torch
from torch.nn.functional import one_hot

from ffrec.baselines.baselines import autograd_learn_characters, backprop
from ffrec.config import CharacterConfig, TextRecipe, TextTraining
from ffrec.learning.layer import normalise
from ffrec.networks.character import Character, windows_of

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


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("objective", ["max", "min"])
@pytest.mark.parametrize("hidden", [(9,), (9, 7, 8)])
def test_local_update_equals_autograd(small, strings, hidden, objective, sign, lookahead):
    network = small(hidden=hidden, objective=objective, threshold=THRESHOLD[objective], lookahead=lookahead)
    passages = windows_of(strings, network.passage).flatten(0, 1)
    network.clear()
    loss, _ = network.learn(network.look(passages), sign)
    local = gradients(network)
    network.zero_grad()
    network.requires_grad_()
    torch.testing.assert_close(loss.sum(), autograd_learn_characters(network, passages, sign))
    torch.testing.assert_close(local, gradients(network))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_centred_inputs_count_from_the_midpoint(small, strings, knowing, generator, sign):
    network, plain = small(centring=True, scaling=0.1), small()
    network.load_state_dict(plain.state_dict(), strict=False)
    knowing(network, sign, generator)
    passages = windows_of(strings, network.passage).flatten(0, 1)
    for each in (network, plain):
        each.clear()
        each.learn(seen := each.look(passages), sign)
    code = one_hot(passages, SYMBOLS).flatten(1).double()
    for index, (x, unit) in enumerate(((code, SYMBOLS**0.5), (seen.sources[0], 1.0))):
        layer, other = network.layer(index), plain.layer(index)
        midpoint = x.mean(0) - sign / 2 * layer.source_midpoints[str(index)].gap
        expected = other.weights[str(index)].grad - unit * midpoint.outer(other.bias.grad)
        torch.testing.assert_close(layer.weights[str(index)].grad, expected)
        torch.testing.assert_close(layer.bias.grad, torch.zeros_like(layer.bias))
        assert other.bias.grad.abs().max() > 1e-4
        noted = seen.activities[index].square().mean() - sign / 2 * layer.goodness_midpoint.gap
        torch.testing.assert_close(layer.goodness_midpoint.now, noted)


def test_passages_on_the_right_side_of_the_threshold_are_counted(small, strings):
    network = small(threshold=0.5)
    seen = network.look(windows_of(strings, 4).flatten(0, 1))
    above = torch.stack([(h.square().mean(1) > 0.5).double().mean() for h in seen.activities])
    network.clear()
    torch.testing.assert_close(network.learn(seen, 1.0)[1], above)
    torch.testing.assert_close(network.learn(seen, -1.0)[1], 1 - above)
    assert 0 < above.min() <= above.max() < 1


def test_positive_and_negative_gradients_add_up(small, strings):
    network = small()
    seen = network.look(windows_of(strings, 4).flatten(0, 1))
    apart = []
    for sign in (1.0, -1.0):
        network.clear()
        network.learn(seen, sign)
        apart.append(gradients(network))
    network.clear()
    for sign in (1.0, -1.0):
        network.learn(seen, sign)
    torch.testing.assert_close(
        gradients(network), {name: apart[0][name] + apart[1][name] for name in apart[0]}
    )


def test_one_pass_by_hand(small, strings):
    network = small()
    w = {name: p.clone() for name, p in network.named_parameters()}
    windows = strings[:, :4]
    code = one_hot(windows, SYMBOLS).flatten(1).double()
    h1 = (normalise(code) @ w["layers.0.weights.0"] + w["layers.0.bias"]).relu()  # unit mean square
    h2 = (normalise(h1) @ w["layers.1.weights.1"] + w["layers.1.bias"]).relu()
    features = torch.cat([normalise(h1), normalise(h2)], dim=1)
    expected = (features @ w["readout.weight"] + w["readout.bias"]).log_softmax(1)
    scale = SYMBOLS**0.5 / normalise(code).max()  # here the input's own unit: √symbols, whatever the window
    assert scale == pytest.approx(1)
    torch.testing.assert_close(network.predict(windows), expected)


def test_the_neutral_character_is_the_mean_of_all(small, strings):
    network = small(lookahead=True, hidden=(9,))
    windows = strings[:, :4]
    totals = []
    network.layer(0).bias.fill_(100.0)  # no unit is rectified, so activities are total inputs
    for symbol in range(SYMBOLS):
        last = torch.full((5, 1), symbol)
        totals.append(network.look(torch.cat([windows, last], dim=1)).activities[0])
    torch.testing.assert_close(network.look(windows).activities[0], torch.stack(totals).mean(0))


def test_chosen_levels_alone_are_read(small, strings):
    network = small(hidden=(9, 7, 8), reads=(3,))
    assert network.readout.weight.shape == (8, SYMBOLS)
    seen = network.look(strings[:, :4])
    torch.testing.assert_close(network.features(seen), normalise(seen.activities[2]))


@pytest.mark.parametrize("lookahead", [False, True])
def test_initial_weights_fade_into_the_past_at_unit_variance(lookahead):
    drawn = torch.Generator().manual_seed(0)
    config = CharacterConfig(hidden=(4000,), window=5, recency=0.5, bias=-1.0, lookahead=lookahead)
    network = Character(config, 30, drawn)
    weights = network.layer(0).weights["0"].view(-1, 30, 4000) * 30**0.5
    size = weights.std((1, 2))
    torch.testing.assert_close(size[:4] / size[1:5], torch.full((4,), 0.5), rtol=0.02, atol=0)
    assert size[:5].square().sum() == pytest.approx(1, rel=0.02)
    if lookahead:
        assert size[5] == pytest.approx(1, rel=0.02)
    assert (network.layer(0).bias == -1).all()


def test_what_it_writes_starts_with_its_context_and_stays_in_the_alphabet(small, strings, generator):
    written = small().write(strings[:, :4], 30, generator)
    assert written.shape == (5, 34)
    assert torch.equal(written[:, :4], strings[:, :4])
    assert written.min() >= 0
    assert written.max() < SYMBOLS


def test_at_temperature_zero_it_writes_the_likeliest_character(small, strings, generator):
    network = small()
    written = network.write(strings[:, :4], 8, generator, temperature=0.0)
    for place in range(4, 12):
        likeliest = network.predict(written[:, place - 4 : place]).argmax(1)
        assert torch.equal(written[:, place], likeliest)


def test_it_writes_what_it_predicts(small, generator):
    network = small()
    context = torch.tensor([[0, 1, 2, 3]]).expand(20_000, -1)
    written = network.write(context, 1, generator)[:, -1]
    share = torch.bincount(written, minlength=SYMBOLS) / len(written)
    expected = network.predict(context[:1]).exp()[0]
    torch.testing.assert_close(share.double(), expected, atol=0.012, rtol=0)  # three standard errors


def test_a_batch_is_written_as_its_strings_one_by_one(small, strings, generator):
    network = small()
    together = network.write(strings[:, :4], 8, generator, temperature=0.0)
    alone = [network.write(string[None, :4], 8, generator, temperature=0.0) for string in strings]
    assert torch.equal(together, torch.cat(alone))


def test_a_long_context_counts_by_its_end(small, strings, generator):
    network = small()
    long = network.write(strings, 3, generator, temperature=0.0)
    short = network.write(strings[:, -4:], 3, generator, temperature=0.0)
    assert torch.equal(long[:, -3:], short[:, -3:])


def test_likelihood_of_strings_is_that_of_their_windows(small, strings):
    network = small()
    log_p, recalled = network.log_likelihood(strings)
    assert recalled is None
    assert log_p.shape == (5, 8)
    for place in range(8):
        predicted = network.predict(strings[:, place : place + 4])
        expected = predicted.gather(1, strings[:, place + 4 : place + 5]).squeeze(1)
        torch.testing.assert_close(log_p[:, place], expected)


def test_goodness_of_a_string_is_the_mean_of_its_passages(small, strings):
    network = small(lookahead=True)
    expected = [network.goodness.value(h) for h in network.look(strings[1:2, 2:7]).activities]
    found = network.goodness_of(strings[1:2, 2:7])
    torch.testing.assert_close(found, torch.stack(expected))
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
    recalled = network.memory.recall(network.features(network.look(strings[:, :4])))
    mixed = 0.75 * softmax.exp() + 0.25 * recalled.exp()
    torch.testing.assert_close(network.predict(strings[:, :4]).exp(), mixed)
    network.memory.forget()
    torch.testing.assert_close(network.predict(strings[:, :4]), softmax)


def test_backpropagation_learns_what_follows_from_the_window():
    drawn = torch.Generator().manual_seed(0)
    start = torch.randint(SYMBOLS, (60, 1), generator=drawn)
    strings = (start + torch.arange(20)) % SYMBOLS  # the next symbol is always the one after the last
    recipe = TextRecipe(
        name="toy",
        paper="–",
        data="–",
        network=CharacterConfig(hidden=(30,), window=4),
        training=TextTraining(batch=10, rate=1e-2, softmax_rate=1e-2),
    )
    network, how = backprop(recipe, strings[:40], strings[40:], SYMBOLS, seed=0)
    assert how["passes"] >= 1
    assert network.log_likelihood(strings[40:])[0].mean().exp() > 0.95
    assert not any(p.requires_grad for p in network.parameters())


def test_peer_normalisation_waits_for_positive_cases(small, strings):
    network = small(peer=0.1)
    seen = network.look(windows_of(strings, 4).flatten(0, 1))
    network.clear()
    network.learn(seen, -1.0)
    assert (network.layer(0).running_mean == 0.5).all()
    network.learn(seen, 1.0)
    expected = 0.9 * 0.5 + 0.1 * seen.activities[0].mean(0)
    torch.testing.assert_close(network.layer(0).running_mean, expected)
