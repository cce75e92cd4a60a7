"""A transformer and an LSTM beside networks that learn locally: what they see, and that they learn."""

import pytest
import torch

from ffrec.baselines.sequences import CONTEXT, LongShortTermMemory, Transformer, train
from ffrec.tasks.sequence_baselines import share_of

SYMBOLS = 5
NETWORKS = {
    "transformer": lambda drawn: Transformer(SYMBOLS, drawn, width=16, layers=2, heads=2),
    "LSTM": lambda drawn: LongShortTermMemory(SYMBOLS, drawn, width=16, units=24),
}


@pytest.fixture(params=NETWORKS)
def network(request, generator):
    made = NETWORKS[request.param](generator).requires_grad_(False)
    for parameter in made.parameters():  # so that what is read makes a difference
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made


def test_no_prediction_depends_on_what_comes_later(network, generator):
    codes = torch.randint(SYMBOLS, (2, 20), generator=generator)
    changed = codes.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % SYMBOLS
    before, after = network(codes), network(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert (before[:, 12] - after[:, 12]).abs().max() > 1e-3


@pytest.mark.parametrize("start", [3, 64])
@pytest.mark.parametrize("length", [65, 100, 164])
def test_every_character_is_predicted_once_after_what_is_seen_of_the_string(
    network, generator, start, length
):
    strings = torch.randint(SYMBOLS, (2, length), generator=generator)
    found = network.log_likelihood(strings, start)
    assert found.shape == (2, length - start)
    for place in range(start, length):
        end = min(start + (place - start) // 32 * 32 + 32, length)
        seen = slice(0, place)
        if isinstance(network, Transformer):
            seen = slice(max(0, end - 1 - CONTEXT), place)
            assert place - seen.start >= min(32, place)
        p = network(strings[:, seen])[:, -1].log_softmax(1)
        expected = p[torch.arange(2), strings[:, place]]
        torch.testing.assert_close(found[:, place - start], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_what_follows(name, generator):
    network = NETWORKS[name](generator)
    strings = (torch.arange(40) + torch.randint(SYMBOLS, (30, 1), generator=generator)) % SYMBOLS
    over = iter(range(201))
    assert train(network, strings, lambda: next(over) / 200, seed=1, rate=1e-2) == 200
    with torch.no_grad():
        assert network.log_likelihood(strings, 5).exp().mean() > 0.9


def test_calibration_is_an_exponent_that_makes_strings_likelier(network, generator):
    strings = torch.randint(SYMBOLS, (50, 30), generator=generator)  # noise, of which it is sure
    before = network.log_likelihood(strings, 4)
    network.calibrate(strings, 4)
    after = network.log_likelihood(strings, 4)
    assert network.exponent < 0.9
    assert after.mean() > before.mean() + 0.01
    powers = network.predictions(strings, 4).exp() ** network.exponent
    expected = (powers / powers.sum(2, keepdim=True)).gather(2, strings[:, 4:, None])[..., 0]
    torch.testing.assert_close(after.exp(), expected)


def test_the_rate_rises_and_then_falls_to_a_tenth(generator, monkeypatch):
    seen = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: seen.append(self.param_groups[0]["lr"]) or step(self)
    )
    network = NETWORKS["LSTM"](generator)
    over = iter([0.0] * 150 + [0.25] + [1 - 1e-9] + [1.0])
    train(network, torch.zeros(3, 10, dtype=torch.int64), lambda: next(over), seed=1, rate=1.0)
    assert seen[49] == pytest.approx(0.5)
    assert seen[149:] == pytest.approx([1.0, 0.1 + 0.9 * (1 + 0.5**0.5) / 2, 0.1])


def test_the_share_of_the_minutes_that_is_over():
    now = [100.0]
    share = share_of(2, lambda: now[0])
    assert share() == 0
    now[0] += 60
    assert share() == 0.5


def test_sizes_are_those_that_are_named():
    transformer = Transformer(65, torch.Generator())
    assert sum(p.numel() for p in transformer.layers.parameters()) == 4 * (12 * 128**2 + 13 * 128) + 256
    assert transformer.layers.layers[0].self_attn.num_heads == 4
