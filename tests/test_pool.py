"""A product of several predictions: by hand, against autograd, and from the command line."""

import json
import shutil

import numpy as np
import pytest
import torch
from commands import assert_refused, ffrec

import ffrec as package
from ffrec.config import CharacterConfig, GoodnessCharacterConfig
from ffrec.evaluation import text as evaluation
from ffrec.evaluation.text import calibrate_text
from ffrec.networks.text import pool
from ffrec.networks.text.character import Character
from ffrec.networks.text.goodness import GoodnessCharacter
from ffrec.networks.text.pool import STRENGTH, fit_exponents, most_characters, pooled

SYMBOLS = 6


def test_a_product_of_predictions_is_normalised():
    p = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])
    product = torch.tensor([0.5**2 * 0.1**0.5, 0.25**2 * 0.1**0.5, 0.25**2 * 0.8**0.5])
    found = pooled(p.log(), torch.tensor([2.0, 0.5])).exp()
    torch.testing.assert_close(found[0], product / product.sum())


@pytest.fixture
def predictions(generator):
    """Of three predictors for two hundred cases, and what did follow."""
    log_p = (2 * torch.randn(200, 3, SYMBOLS, generator=generator, dtype=torch.float64)).log_softmax(2)
    return log_p, torch.randint(SYMBOLS, (200,), generator=generator)


def test_fitted_exponents_are_where_the_slope_is_zero(predictions):
    """By autograd, of the function as its docstring has it."""
    log_p, following = predictions
    start = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    found = fit_exponents(log_p, following, start).requires_grad_()
    assert (found.detach() - start).abs().max() > 0.1
    with torch.enable_grad():
        of_following = (log_p * found[:, None]).sum(1).log_softmax(1)[range(200), following]
        height = -of_following.sum() + STRENGTH / 2 * (found - start).square().sum()
    (slope,) = torch.autograd.grad(height, found)
    assert slope.abs().max() < 1e-4


def test_exponents_are_found_again_from_many_characters_and_hardly_move_for_few(generator):
    log_p = torch.randn(100_000, 2, SYMBOLS, generator=generator).log_softmax(2)
    true, start = torch.tensor([0.7, 0.4]), torch.tensor([1.0, 0.0])
    following = torch.multinomial(pooled(log_p, true).exp(), 1, generator=generator)[:, 0]
    found = fit_exponents(log_p, following, start)
    torch.testing.assert_close(found.float(), true, atol=0.03, rtol=0)
    few = fit_exponents(log_p[:5], following[:5], start)
    assert 0 < (few - start).abs().max() < 0.1


def test_a_fit_from_far_away_converges(generator):
    """Where a whole Newton step would go too far."""
    log_p = 30 * torch.randn(500, 2, SYMBOLS, generator=generator).log_softmax(2)
    following = pooled(log_p, torch.tensor([0.5, -0.5])).argmax(1)
    start = torch.tensor([-3.0, 3.0])
    found = fit_exponents(log_p, following, start)
    assert pooled(log_p, found.float()).argmax(1).eq(following).double().mean() > 0.95


@pytest.fixture
def predicting(generator):
    """A factory of networks that predict characters, far too sure, and strings."""
    strings = torch.randint(SYMBOLS, (40, 30), generator=generator)

    def make(**fields):
        fields = {"hidden": (9, 7), "window": 4, "sharpness": 40.0} | fields
        return GoodnessCharacter(GoodnessCharacterConfig(**fields), SYMBOLS, generator), strings

    return make


def test_calibration_makes_held_out_strings_likelier_and_every_prediction_heeds_it(predicting):
    network, strings = predicting(state=1)
    assert network.predictors == ("layer 1", "layer 2", "softmax")
    before = network.log_likelihood(strings)
    assert torch.equal(before["own"], before["layer 2"])
    found = calibrate_text(network, strings)
    assert (found.fitted_on, found.n, [*found.exponents]) == ("validation", 40 * 26, [*network.predictors])
    network.exponents = found.exponents
    after = network.log_likelihood(strings)
    assert after["own"].mean() > before["own"].mean() + 0.1
    assert all(torch.equal(after[name], before[name]) for name in network.predictors)
    (windows, following), states = network.cases(strings), network.states(strings)
    parts = network.by_predictor(network.encode(windows, states))
    log_p = sum(found.exponents[name] * p for name, p in parts.items()).log_softmax(1)
    torch.testing.assert_close(network.predict(windows, states), log_p)
    torch.testing.assert_close(after["own"].flatten(), log_p.gather(1, following[:, None])[:, 0])


def test_few_characters_leave_the_leading_predictor_nearly_alone(predicting):
    network, strings = predicting(sharpness=3.0)
    found = calibrate_text(network, strings[:1, :6]).exponents
    assert found["layer 2"] == pytest.approx(1, abs=0.1)
    assert found["layer 1"] == pytest.approx(0, abs=0.1)


def test_calibration_reads_no_more_than_the_first_characters(predicting, monkeypatch):
    network, strings = predicting()
    network.batch = 100  # windows
    monkeypatch.setattr(evaluation, "most_characters", lambda predictors, symbols: 90)
    original, calls = network.by_predictor, []
    monkeypatch.setattr(network, "by_predictor", lambda encoding: calls.append(1) or original(encoding))
    found = calibrate_text(network, strings)
    assert (found.n, len(calls)) == (90, 2)  # of eleven batches of 78 to 100 windows
    assert found == calibrate_text(network, strings[:20])
    hash(found)  # like every frozen configuration


def test_larger_alphabets_are_calibrated_on_fewer_characters():
    assert most_characters(3, 30) == 50_000
    assert 1000 < most_characters(3, 3000) < 5000
    assert most_characters(10, 10**9) == 1


def test_blocks_change_no_exponents(predictions, monkeypatch):
    log_p, following = predictions
    whole = fit_exponents(log_p, following, torch.tensor([0.0, 1.0, 0.0]))
    monkeypatch.setattr(pool, "BLOCK", 100)
    torch.testing.assert_close(fit_exponents(log_p, following, torch.tensor([0.0, 1.0, 0.0])), whole)


def test_a_softmax_that_is_certain_leaves_no_prediction_without_a_number(predicting):
    """Its complement has no logarithm, and minus infinity times a negative exponent is none either."""
    network, strings = predicting(correction="hard")
    network.readout.bias[0] = 60.0
    network.exponents = {"layer 1": -0.2, "layer 2": 0.8, "softmax": 0.4}
    assert network.predict(network.cases(strings)[0]).isfinite().all()


def test_strings_without_a_whole_window_before_a_character_give_no_exponents(predicting):
    network, strings = predicting()
    assert not calibrate_text(network, strings[:0]).exponents


def test_a_softmax_alone_has_a_temperature_and_a_network_with_a_memory_no_exponents(generator):
    strings = torch.randint(SYMBOLS, (40, 30), generator=generator)
    for memory, count in ((0.0, 1), (5.0, 0)):
        network = Character(CharacterConfig(hidden=(9,), window=4, memory=memory), SYMBOLS, generator)
        network.readout.weight.normal_(generator=generator)
        network.remember(strings)
        found = calibrate_text(network, strings)
        assert len(found.exponents) == count
        assert found.n == (40 * 26 if count else 0)
    network.readout.weight.fill_(torch.nan)
    network.memory = None
    assert not calibrate_text(network, strings).exponents


def test_a_run_keeps_its_exponents_and_all_that_reads_it_uses_them(goodness_run, tmp_path):
    run, said = goodness_run
    kept = json.loads((run / "calibration.json").read_text())
    assert kept["fitted_on"] == "validation"
    assert list(kept["exponents"]) == ["layer 1", "layer 2", "softmax"]
    found = json.loads(ffrec("perplexity", str(run), "--json", cwd=run.parent).stdout)
    for part in ("validation", "test"):
        assert found[part]["perplexity"] == pytest.approx(said[part]["perplexity"])
        assert found[part]["perplexity"] < min(found[part]["by_part"].values())
    model = package.load(run)
    assert model.network.exponents == kept["exponents"]
    model.save(tmp_path / "model.safetensors")
    again = package.load(tmp_path / "model.safetensors")
    text = "the fox and the crow"
    assert np.array_equal(again.predictions(text), model.predictions(text))
    again.network.exponents = {}
    assert not np.allclose(again.predictions(text), model.predictions(text))


def test_a_run_without_exponents_predicts_by_its_last_layer_and_those_of_another_are_refused(
    goodness_run, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(goodness_run[0], run)
    kept = json.loads((run / "calibration.json").read_text())
    (run / "calibration.json").write_text(json.dumps(kept | {"exponents": {"layer 9": 1.0}}))
    for command in (("perplexity", "run"), ("sample", "run", "--length", "1")):
        refused = ffrec(*command, cwd=tmp_path)
        assert_refused(refused, "exponents of layer 1, layer 2, softmax", "those of layer 9")
    (run / "calibration.json").unlink()
    found = json.loads(ffrec("perplexity", "run", "--json", cwd=tmp_path).stdout)["test"]
    assert found["perplexity"] == found["by_part"]["layer 2"]
