"""Training on text: each regime learns from what it says, resumes bitwise, and leaves hidden layers to FF."""

import dataclasses

import pytest
import torch

from ffrec import registry
from ffrec.config import CharacterConfig, ConfigError, TextRecipe, TextTraining
from ffrec.networks.text.network import windows_of
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration, resume
from ffrec.training.events import Diverged, Epoch, Interrupted
from ffrec.training.text import TextTrainer

SYMBOLS, WINDOW = 6, 4
REGIMES = list(registry.menu("regime"))
LEARNING = [regime for regime in REGIMES if regime != "random"]


def counting(count: int, seed: int = 0) -> torch.Tensor:
    """Strings in which every symbol but a few is the one after the last: `(count, 14)`."""
    drawn = torch.Generator().manual_seed(seed)
    strings = (torch.randint(SYMBOLS, (count, 1), generator=drawn) + torch.arange(14)) % SYMBOLS
    noise = torch.rand(strings.shape, generator=drawn) < 0.05
    return torch.where(noise, torch.randint(SYMBOLS, strings.shape, generator=drawn), strings)


def make(regime="together", network=(), **training) -> TextTrainer:
    values = {
        "epochs": 3,
        "passes": 2,
        "batch": 8,
        "strings": 20,
        "rate": 1e-3,
        "softmax_rate": 1e-2,
    } | training
    recipe = TextRecipe(
        name="toy",
        paper="–",
        data="–",
        network=CharacterConfig(**{"hidden": (30, 20), "window": WINDOW} | dict(network)),
        training=TextTraining(regime=regime, **values),
    )
    return TextTrainer(recipe, counting(24), SYMBOLS, seed=1)


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def spy(trainer, monkeypatch):
    """Record the target of every hidden update and its passages, by sign where there are signs."""
    learnt = []
    learn = trainer.network.learn_step

    def record(step, target):
        passages = step.inputs["0"].squeeze(1).clone()
        if target.is_floating_point():
            assert target.shape == (len(passages), 1)
            assert set(target.unique().tolist()) <= {-1.0, 1.0}
            learnt.append({sign: passages[target[:, 0] == sign] for sign in target.unique().tolist()})
        else:
            learnt.append((target.tolist(), passages))
        return learn(step, target)

    monkeypatch.setattr(trainer.network, "learn_step", record)
    return learnt


def rows(passages):
    return set(map(tuple, passages.tolist()))


@pytest.mark.slow
@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("regime", REGIMES)
def test_it_learns_what_follows(regime, lookahead):
    trainer = make(regime, {"lookahead": lookahead}, epochs=20)
    before = trainer.validate(counting(20, seed=9))["perplexity"]
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    assert before > 4
    assert records[-1]["validation"]["perplexity"] < 2
    assert records[-1]["softmax_loss"] < records[0]["softmax_loss"]
    assert records[-1]["updates"] == 20 * 2 * 3
    assert len(records[-1]["accuracy"]) == (0 if regime == "random" else 2)
    assert all(0 <= share <= 1 for record in records for share in record["accuracy"])


@pytest.mark.parametrize("regime", REGIMES)
def test_the_softmax_does_not_touch_hidden_weights(regime):
    """With hidden layers that do not learn, only the softmax changes; a rate of the softmax changes no hidden
    weight in the update it is used in."""
    first, second = make(regime, softmax_rate=1e-2), make(regime, softmax_rate=0.5)
    index = torch.arange(8)
    start = weights(first)
    with torch.no_grad():
        first.learn(index, "both")
        second.learn(index, "both")
    hidden = [name for name in start if name.startswith("layers") and "running" not in name]
    assert all(torch.equal(weights(first)[name], weights(second)[name]) for name in hidden)
    assert not torch.equal(weights(first)["readout.weight"], weights(second)["readout.weight"])
    unchanged = all(torch.equal(weights(first)[name], start[name]) for name in hidden)
    assert unchanged == (regime == "random")


@pytest.mark.parametrize("regime", ["random"])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_random_features_stay_what_they_are(regime, decay):
    trainer = make(regime, weight_decay=decay)
    start = weights(trainer)
    list(trainer.run())
    assert torch.equal(
        weights(trainer)["layers.0.connections.0.weight"], start["layers.0.connections.0.weight"]
    )
    assert torch.equal(weights(trainer)["layers.1.bias"], start["layers.1.bias"])


def test_wake_learns_from_data_and_sleep_from_what_is_generated(monkeypatch):
    trainer = make("sleep")
    learnt = spy(trainer, monkeypatch)
    index = torch.arange(8)
    real = rows(windows_of(trainer.strings[index], WINDOW).flatten(0, 1))
    before = trainer.network.readout.weight.clone()
    with torch.no_grad():
        trainer.learn(index, "wake")
    assert [list(update) for update in learnt] == [[1.0]]
    assert rows(learnt[0][1.0]) <= real
    after = trainer.network.readout.weight.clone()
    assert not torch.equal(before, after)
    trainer.negatives[index] = trainer.generate(trainer.strings[index], trainer.draws)
    with torch.no_grad():
        trainer.learn(index, "sleep")
    assert [list(update) for update in learnt] == [[1.0], [-1.0]]
    assert rows(learnt[1][-1.0]) == rows(windows_of(trainer.negatives[index], WINDOW)[:, 1:].flatten(0, 1))
    assert torch.equal(trainer.network.readout.weight, after)  # the softmax learns in wake phases alone


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("regime", LEARNING)
def test_positive_and_negative_passages_are_of_equal_number_and_end_where_they_should(
    regime, lookahead, monkeypatch
):
    trainer = make(regime, {"lookahead": lookahead})
    learnt = spy(trainer, monkeypatch)
    with torch.no_grad():
        trainer.update(torch.arange(8))
    kinds = {sign: passages for update in learnt for sign, passages in update.items()}
    positive, negative = kinds[1.0], kinds[-1.0]
    assert positive.shape == negative.shape == (8 * 10, WINDOW + lookahead)
    every = windows_of(trainer.strings[:8], WINDOW + lookahead).flatten(0, 1)
    assert rows(positive) <= rows(every)
    if regime == "teacher-forced":
        assert rows(negative[:, :-1]) <= rows(every[:, :-1])


def test_teacher_forced_negatives_are_the_networks_own_predictions():
    trainer = make("teacher-forced", {"lookahead": True}, strings=1)
    windows, _ = trainer.network.cases(trainer.strings)
    trainer.network.readout.bias[3] = 1000.0
    logits = trainer.network.logits(trainer.network.encode(windows))
    negative = trainer.predicted(windows, logits)
    assert torch.equal(negative[:, :-1], windows)
    assert (negative[:, -1] == 3).all()


def test_every_negative_string_starts_with_its_real_context():
    trainer = make()
    made = trainer.generate(trainer.strings, trainer.draws)
    assert made.shape == trainer.strings.shape
    assert torch.equal(made[:, :WINDOW], trainer.strings[:, :WINDOW])


def test_negative_strings_are_kept_until_the_next_are_generated_together():
    trainer = make("night", night=4)
    called, seen = [], []
    trainer.on_generate = lambda strings: called.append(strings.clone())
    with torch.no_grad():
        for batch in [*trainer.batches(), *trainer.batches()]:
            trainer.update(batch)
            seen.append(trainer.negatives.clone())
    assert len(called) == 3
    assert [torch.equal(strings, called[i // 4]) for i, strings in enumerate(seen)] == [True] * 12
    assert not torch.equal(called[0], called[1])


@pytest.mark.parametrize(
    "fields", [{"goodness": "scores"}, {"goodness": "random-scores"}, {"blocks": SYMBOLS}]
)
def test_scores_of_characters_learn_without_negative_strings(fields, monkeypatch):
    network = {"objective": "classes", "sharpness": 10.0} | fields
    network |= {"hidden": (36, 24)} if "blocks" in fields else {}
    trainer = make("teacher-forced", network, epochs=15, rate=5e-3)
    learnt = spy(trainer, monkeypatch)
    index = torch.arange(8)
    with torch.no_grad():
        trainer.update(index)
    ((target, passages),) = learnt
    windows, following = trainer.network.cases(trainer.strings[index])
    assert torch.equal(passages, windows)
    assert target == following.tolist()
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True):
        assert last < 0.6 * first
    assert min(records[-1]["accuracy"]) > 0.7
    assert records[-1]["validation"]["perplexity"] < 3


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("stop_after", [1, 5, 8])
def test_a_resumed_run_ends_bitwise_equal(tmp_path, regime, stop_after):
    extra = {"memory": 10.0} if regime == "night" else {}
    settings = {"dropout": 0.2} | ({"night": 4} if regime == "night" else {})
    whole = make(regime, extra, **settings)
    list(whole.run(None, counting(10, seed=9)))
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 1, "fp32"))
    first = make(regime, extra, **settings)
    events = list(first.run(folder, counting(10, seed=9), lambda: first.updates == stop_after))
    assert isinstance(events[-1], Interrupted)
    second = make(regime, extra, **settings)
    resume(second, folder, wanted)
    assert torch.equal(second.negatives, first.negatives)
    list(second.run(folder, counting(10, seed=9)))
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(whole).items())
    assert torch.equal(second.negatives, whole.negatives)


def test_validation_fills_and_empties_the_memory():
    trainer = make("random", {"memory": 10.0}, epochs=10)
    records = [e.record for e in trainer.run(None, counting(20, seed=9)) if isinstance(e, Epoch)]
    found = records[-1]["validation"]
    assert not trainer.network.memory.filled
    assert found["perplexity"] <= found["softmax_perplexity"]  # its share is the best one there
    assert 0 < float(trainer.network.memory.share) < 1


def test_only_so_many_strings_are_used():
    assert len(make(strings=7).strings) == 7
    assert len(make(strings=None).strings) == 24
    assert len(torch.cat(make(strings=7, batch=3).batches())) == 14


def test_decay_of_the_softmax_can_be_another():
    groups = make(weight_decay=0.1, softmax_weight_decay=0.5).optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.5, 0.0]
    groups = make(weight_decay=0.1).optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.1, 0.0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"regime": "slep"}, "did you mean sleep"),
        ({"regime": "teacher-forced", "objective": "classes"}, "found squares"),
        ({"objective": "classes", "goodness": "scores"}, "expected regime teacher-forced, found night"),
        ({"objective": "classes", "goodness": "scores", "lookahead": True}, "no lookahead"),
        ({"objective": "pairwise"}, "compares candidates of one case"),
        ({"temperature": 0}, "temperature"),
        ({"night": 0}, "night"),
        ({"window": 1}, "window"),
        ({"reads": [4]}, "reads names level 4 but there are 3"),
        ({"recency": 0}, "recency"),
        ({"threshold": -1.0}, "threshold: expected 0 or above with activity max"),
        ({"nigth": 3}, "did you mean night"),
    ],
)
def test_wrong_settings_are_named(values, words):
    from ffrec.recipes import recipe

    with pytest.raises(ConfigError, match=words):
        recipe("aesop-night").override(values)


def test_a_recipe_comes_back_from_plain_values():
    import json

    from ffrec.config import recipe_from
    from ffrec.recipes import RECIPES

    for make_recipe in RECIPES.values():
        recipe = make_recipe()
        assert recipe_from(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe


@pytest.mark.slow
@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")),
    ],
)
@pytest.mark.parametrize("arithmetic", ["fp32", "bf16"])
def test_it_learns_on_every_device_in_every_precision(device, arithmetic):
    recipe = make("sleep", {"memory": 10.0, "lookahead": True}, epochs=30).recipe
    trainer = TextTrainer(recipe, counting(24), SYMBOLS, seed=1, device=device, arithmetic=arithmetic)
    *_, last = trainer.run(None, counting(20, seed=9).to(device))
    assert isinstance(last, Epoch)
    assert last.record["validation"]["softmax_perplexity"] < 2
    assert all(p.dtype is torch.float32 for p in trainer.network.parameters())


def test_a_perplexity_beyond_all_numbers_stops_the_run(tmp_path):
    trainer = make("random", softmax_rate=1e6)
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 1, "fp32"))
    with pytest.raises(Diverged, match="validation perplexity is inf"):
        list(trainer.run(folder, counting(20, seed=9)))
    resume(again := make("random", softmax_rate=1e6), folder, folder.config)
    with pytest.raises(Diverged, match="train again with --force"):
        list(again.run(folder, counting(20, seed=9)))
    assert folder.metrics() == []
