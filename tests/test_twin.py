"""Twin networks: what they compute, learn, measure, refuse; and FFCL's and FFCM's stages."""

import json
import re

import numpy as np
import pytest
import torch
from commands import ROOT, assert_refused, ffrec
from torch.nn.functional import cross_entropy

import corpora
from ffrec import registry
from ffrec.config import ConfigError, StagedConfig, TwinConfig, recipe_from
from ffrec.data.images import Images
from ffrec.evaluation.collapse import collapse
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.goodness import normalise
from ffrec.networks.readout import BinaryReadout, Readout
from ffrec.networks.twin import Twin
from ffrec.parallel.team import Team
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer
from ffrec.tasks.recorded import plain
from ffrec.training.events import Epoch

QUICK = {"hidden": [30, 20], "batch": 100, "epochs": 2}
STAGES = [["local", 1], ["global", 1], ["softmax", 1], ["backprop", 1]]


@pytest.fixture(scope="module")
def digits():
    return corpora.load("digits")


def trainer_of(digits, name="twin-digits", **fields):
    chosen = recipe(name).override(QUICK | fields)
    return new_trainer(chosen, digits.train.images, digits.train.labels, 10)


def staged(digits, stages, **fields):
    values = plain(recipe("twin-digits"))
    values["network"] = {"kind": "staged", "hidden": [30, 20], "stages": stages, **fields}
    values["training"] |= {"batch": 100, "epochs": sum(epochs for _, epochs in stages)}
    return new_trainer(recipe_from(values), digits.train.images, digits.train.labels, 10)


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def changed(trainer, before):
    """The modules whose weights are not what they were."""
    now = trainer.network.state_dict()
    return {
        name.split(".connections")[0].rsplit(".bias", 1)[0].rsplit(".weight", 1)[0]
        for name in now
        if not torch.equal(now[name], before[name])
    }


@pytest.mark.parametrize("kind", [Readout, BinaryReadout])
@pytest.mark.parametrize("soft", [False, True])
def test_the_gradients_of_a_softmax_equal_autograd(kind, soft, generator):
    readout = kind(5, 4).double()
    readout.weight.normal_(generator=generator)
    readout.bias.normal_(generator=generator)
    x = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    hard = torch.tensor([0, 1, 2, 3, 1, 1])
    p = torch.rand(6, 4, generator=generator, dtype=torch.float64).softmax(1)
    wanted = p if soft else torch.eye(4, dtype=torch.float64)[hard]
    loss = readout.learn(x, readout(x), p if soft else hard)
    found = readout.weight.grad.clone(), readout.bias.grad.clone()
    readout.requires_grad_()
    logits = x @ readout.weight + readout.bias
    if kind is Readout:
        expected = cross_entropy(logits, wanted)
    else:
        expected = torch.nn.functional.binary_cross_entropy(logits.softmax(1), wanted)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(
        list(found), list(torch.autograd.grad(expected, [readout.weight, readout.bias]))
    )


def test_a_softmax_that_is_sure_has_a_finite_binary_loss():
    readout = BinaryReadout(1, 3)
    logits = torch.tensor([[200.0, 0.0, 0.0]])
    for label in (0, 1):
        loss, error = readout.grade(logits, torch.tensor([label]))
        assert loss.isfinite()
        assert error.isfinite().all()


@pytest.mark.parametrize("normalised", [True, False])
def test_a_pass_by_hand(normalised, generator):
    network = Twin(TwinConfig(hidden=(5, 4), normalised=normalised, reads=(1, 2)), 6, 3, generator)
    for readout in network.readout:
        readout.weight.normal_(generator=generator)
    for layer in network.layers:
        layer.bias.normal_(0, 0.3, generator=generator)  # without biases no scale would show
    x = torch.rand(7, 2, 6, generator=generator) * 255
    logits = []
    for i, readout in enumerate(network.readout):
        first, second = network.layers[2 * i], network.layers[2 * i + 1]
        n = normalise if normalised else (lambda h: h)
        image = normalise(x[:, i]) if normalised else x[:, i] / x[:, i].amax(1, keepdim=True)
        h1 = (image @ first.connection("below").weight + first.bias).relu()
        h2 = (n(h1) @ second.connection("below").weight + second.bias).relu()
        logits.append(torch.cat([n(h1), n(h2)], dim=1) @ readout.weight)
    encoding = network.encode(x)
    torch.testing.assert_close(list(network.logits_apart(encoding)), logits)
    together = (logits[0].softmax(1) * logits[1].softmax(1)).sqrt()  # the geometric mean, unnormalised
    torch.testing.assert_close(network.logits(encoding), together.log())
    one = x[:, 0]
    torch.testing.assert_close(
        network.logits(network.encode(one)), network.logits(network.encode(torch.stack([one, one], 1)))
    )


def test_the_two_start_from_different_weights():
    network = Twin(TwinConfig(hidden=(5,)), 6, 3, torch.Generator())
    first, second = (layer.connection("below").weight for layer in network.layers)
    assert not torch.equal(first, second)


def test_each_network_and_both_are_evaluated(digits):
    trainer = trainer_of(digits)
    list(trainer.run())
    network, images = trainer.network, Images(digits.test.images)
    found = evaluate_images(network, images, digits.test.labels)
    encoding = network.encode(images.batch(slice(None)))
    errors = [
        float((logits.argmax(1) != digits.test.labels).float().mean() * 100)
        for logits in (*network.logits_apart(encoding), network.logits(encoding))
    ]
    assert [*found["error_by_network"], found["error_softmax"]] == pytest.approx(errors)
    assert sum(map(sum, found["confusion"])) == len(images)


def test_a_pair_of_views_of_one_class_is_learnt_from(digits, monkeypatch):
    trainer = trainer_of(digits, views="class", agreement="cosine", epochs=1)
    shown = []
    encode = trainer.network.encode
    monkeypatch.setattr(trainer.network, "encode", lambda x: shown.append(x) or encode(x))
    list(trainer.run())
    first, second = shown[0].unbind(1)
    images = trainer.images.rows(trainer.images.images)
    places = [[int((images == row).all(1).nonzero()[0]) for row in rows] for rows in (first, second)]
    assert torch.equal(*(trainer.labels[torch.tensor(place)] for place in places))
    assert sum(a == b for a, b in zip(*places, strict=True)) < len(first) / 2


@pytest.mark.parametrize(
    "settings", [{"jitter": 1}, {"mirror": True}, {"cutout": 3}, {"dropout": 0.2}, {"noise": 0.5}]
)
def test_images_that_are_varied_are_two_views(settings, digits):
    index = torch.arange(20)
    assert trainer_of(digits).views(index).shape == (20, 64)
    first, second = trainer_of(digits, **settings).views(index).unbind(1)
    assert not torch.equal(first, second)


def test_a_network_that_is_compared_with_itself_learns_from_both_sides(digits):
    """∂L/∂h has a part for a case that asks, and one for a case that is asked for."""
    trainer = staged(digits, [["local", 1], ["softmax", 1]], sharpness=5.0)
    network, rows = trainer.network, trainer.images.batch(slice(0, 40))
    target = torch.eye(10)[digits.train.labels[:40]]
    network.learn(network.encode(rows), target)
    weight = network.layer(1).connection("below").weight
    found = weight.grad.clone()
    weight.grad = None
    weight.requires_grad_()
    h = (normalise(rows) @ weight).relu()
    network.agreement.grade(h, h, target @ target.T).loss.backward()
    torch.testing.assert_close(found, weight.grad, atol=1e-6, rtol=1e-4)


def test_a_single_network_is_not_evaluated_apart(digits):
    trainer = staged(digits, [["local", 1], ["softmax", 1]])
    assert "error_by_network" not in evaluate_images(
        trainer.network, Images(digits.test.images), digits.test.labels
    )


@pytest.mark.slow
@pytest.mark.parametrize("agreement", ["contrast", "pairs", "goodness"])
def test_it_learns_digits(agreement, digits):
    taken = {"agreement": agreement, "sharpness": 10.0} if agreement != "pairs" else {"agreement": agreement}
    taken |= {"margin": 1.0} if agreement == "goodness" else {}
    trainer = trainer_of(digits, epochs=15, batch=50, rate=3e-3, softmax_rate=3e-3, scores=0.0, **taken)
    *_, last = trainer.run(None, trainer.held_out(digits.validation))
    assert isinstance(last, Epoch)
    assert last.record["validation"]["error_softmax"] < 25  # chance: 90
    between = last.record["validation"]["collapse"]
    assert all(w > b + 0.1 for w, b in zip(between["within"], between["between"], strict=True))


@pytest.mark.slow
def test_positive_pairs_alone_collapse_and_others_do_not(digits):
    ranks = {}
    for agreement in ("cosine", "contrast"):
        trainer = trainer_of(digits, epochs=20, batch=20, scores=0.0, agreement=agreement)
        *_, last = trainer.run(None, trainer.held_out(digits.validation))
        ranks[agreement] = last.record["validation"]["collapse"]
    assert ranks["cosine"]["spread"][-1] < 0.1 < ranks["contrast"]["spread"][-1]
    assert ranks["cosine"]["between"][-1] > 0.9


@pytest.mark.parametrize("agreement", ["cosine", "contrast", "decorrelation"])
def test_products_may_be_bfloat16(agreement, digits):
    trainer = trainer_of(digits, agreement=agreement)
    trainer.arithmetic, before = "bf16", weights(trainer)
    *_, last = trainer.run()
    assert all(p.dtype is torch.float32 and p.isfinite().all() for p in trainer.network.parameters())
    assert len(changed(trainer, before)) >= 6
    assert last.record["softmax_loss"] < 2.2


def test_collapse_by_hand():
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
    assert collapse(apart, labels) == pytest.approx(
        {"spread": 0.5, "rank": 1.0, "within": 1.0, "between": 0.0}
    )
    crossed = collapse(apart, torch.tensor([0, 1, 0, 1]))
    assert crossed["within"] == pytest.approx(0)
    assert crossed["between"] == pytest.approx(0.5)
    one = collapse(torch.ones(4, 3), labels)
    assert one["spread"] == pytest.approx(0)
    assert (one["within"], one["between"]) == pytest.approx((1, 1))
    square = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).repeat(2, 1)
    assert collapse(square, torch.tensor([0, 1, 0, 1, 0, 1]))["rank"] == pytest.approx(2)


def test_partners_are_of_the_same_class(digits):
    trainer = trainer_of(digits, views="class")
    labels = torch.tensor([3, 1, 3, 3, 1, 2])
    trainer.draws.begin(0, 6, 0)
    partners = trainer.partners(labels)
    assert torch.equal(labels[partners], labels)
    assert sorted(partners.tolist()) == list(range(6))
    found = {tuple(trainer.partners(labels).tolist()) for _ in range(40)}
    assert len(found) > 5


def test_a_teachers_answers_take_the_labels_place(digits):
    """Answers that are sure teach what labels do; others do not."""
    labelled, taught, other = (trainer_of(digits) for _ in range(3))
    taught.answers = torch.eye(10)[digits.train.labels]
    other.answers = torch.full((len(digits.train.labels), 10), 0.1)
    for trainer in (labelled, taught, other):
        list(trainer.run())
    for name, value in weights(labelled).items():
        torch.testing.assert_close(weights(taught)[name], value, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(other.network.readout[0].bias, labelled.network.readout[0].bias)


@pytest.mark.parametrize(("place", "stage"), list(enumerate(["local", "global", "softmax", "backprop"])))
def test_a_stage_changes_what_it_learns_and_nothing_else(place, stage, digits):
    trainer = staged(digits, STAGES)
    epochs = trainer.run()
    for _ in range(place):
        next(e for e in epochs if isinstance(e, Epoch))
    before = weights(trainer)
    next(e for e in epochs if isinstance(e, Epoch))
    layers, softmax = {"layers.0", "layers.1"}, {"readout.0"}
    expected = {"local": layers, "global": layers, "softmax": softmax, "backprop": layers | softmax}
    assert changed(trainer, before) == expected[stage]
    assert not any(p.requires_grad for p in trainer.network.parameters())


@pytest.mark.parametrize(("rate", "warned"), [(1e-3, [0, 0, 0]), (1e-12, [0, 0, 1])])
def test_a_softmax_that_has_not_learnt_yet_is_no_reason_to_warn(rate, warned, digits):
    """From half of the epochs on, as in all training; here the softmax learns in the last one."""
    trainer = staged(digits, [["local", 2], ["softmax", 1]])
    trainer.recipe = trainer.recipe.override({"softmax_rate": rate, "validate_every": 1})
    trainer = new_trainer(trainer.recipe, digits.train.images, digits.train.labels, 10)
    epochs = [
        e.record for e in trainer.run(None, trainer.held_out(digits.validation)) if isinstance(e, Epoch)
    ]
    assert [sum("guessing" in line for line in e["warnings"]) for e in epochs] == warned


def test_stages_are_not_captured(digits):
    with pytest.raises(ConfigError, match="--capture: what an update does changes with the stage"):
        staged(digits, STAGES).capture()


def test_dead_layers_are_counted_by_level(digits):
    """A layer is dead if it is so in both networks."""
    trainer = trainer_of(digits)
    trainer.network.layer(2).bias.fill_(-100.0)
    assert [bool((h != 0).any()) for h in trainer.activities()] == [True, True]
    trainer.network.layer(4).bias.fill_(-100.0)
    assert [bool((h != 0).any()) for h in trainer.activities()] == [True, False]


@pytest.mark.slow
def test_a_precision_that_would_be_replaced_is_refused(tmp_path):
    asked = ("train", "ffcl-mnist", "--precision", "bf16", "--images", "own.npz")
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", x=images, y=np.arange(60) % 2)
    assert_refused(ffrec(*asked, cwd=tmp_path), "precision: this recipe is computed in fp32")


def test_backpropagated_stages_are_computed_in_float32(digits):
    chosen = staged(digits, STAGES).recipe
    made = new_trainer(chosen, digits.train.images, digits.train.labels, 10, 0, "cpu", "bf16")
    assert made.arithmetic == "fp32"
    local = staged(digits, [["local", 1], ["softmax", 1]]).recipe
    assert (
        new_trainer(local, digits.train.images, digits.train.labels, 10, 0, "cpu", "bf16").arithmetic
        == "bf16"
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"reads": [3]}, "reads names level 3"),
        ({"reads": [1, 1]}, "twice"),
        ({"agreement": "cosine", "sharpness": 3.0}, "sharpness: agreement cosine has none"),
        ({"agreement": "decorrelation", "margin": 0.5}, "margin: agreement decorrelation has none"),
        ({"agreement": "contrsat"}, "did you mean contrast"),
        ({"negatives": "uniform"}, "negatives: agreement has no negative data"),
        ({"hidden_noise": 0.3, "hidden": [30], "reads": [1]}, "hidden_noise and unit_dropout"),
        ({"hidden_noise": 0.3, "normalised": False}, "hidden_noise and unit_dropout"),
        ({"views": "twins"}, "views"),
        ({"threshold": 2.0}, "unknown setting"),
    ],
)
def test_settings_that_do_not_fit_are_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        recipe("twin-digits").override(fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"stages": [["softmax", 3]]}, "give epochs=3"),
        ({"stages": [["local", 30]]}, "nothing ever predicts"),
        ({"stages": [["backprop", 30]], "output": "binary"}, "output: backprop stages"),
        ({"stages": [["softmax", 30]], "margin": 0.3}, "margin: no stage compares layers"),
        ({"agreement": "cosine"}, "a network agrees with itself"),
        ({"scores": 1.0, "stages": [["global", 29], ["softmax", 1]]}, "scores"),
        ({"stages": [["night", 30]]}, "stages"),
    ],
)
def test_stages_that_do_not_fit_are_refused(fields, says):
    values = plain(recipe("twin-digits"))
    values["network"] = {"kind": "staged", "hidden": [30], **fields}
    with pytest.raises(ConfigError, match=says):
        recipe_from(values)


def test_noise_that_stages_would_ignore_is_refused():
    with pytest.raises(ConfigError, match="hidden_noise and unit_dropout: stages have none"):
        recipe("ffcl-mnist").override({"hidden_noise": 0.3})


def test_a_batch_cannot_be_split(digits):
    with pytest.raises(ConfigError, match="train in one process"):
        trainer_of(digits).join(Team(0, 2))


def test_the_agreement_of_the_page_trains(digits, monkeypatch):
    page = (ROOT / "docs" / "twins.md").read_text()
    (code,) = re.findall(r"<!-- example: agreement -->\n```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setitem(registry.ENTRIES, "agreement", dict(registry.menu("agreement")))
    names: dict = {"__name__": "example_agreement"}
    exec(code, names)
    chosen = names["recipe"].override(QUICK)
    trainer = new_trainer(chosen, digits.train.images, digits.train.labels, 10)
    first, last = (e.record["loss"] for e in trainer.run() if isinstance(e, Epoch))
    assert sum(last) < sum(first)


def test_pupils_are_compared_with_those_of_their_own_teacher_and_settings(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setitem(registry.ENTRIES, "connection", dict(registry.menu("connection")))
    import distil

    first, second = ({"recipe": "t", "seed": 0, "error": error} for error in (2.0, 5.0))
    pupil, *_ = distil.PUPILS
    reached = {  # test error
        (2.0, distil.ALONE): 7.0,
        (2.0, "taught, all images"): 3.0,
        (5.0, distil.ALONE): 8.0,
        (5.0, "taught, all images"): 8.5,
    }
    lines = []
    for teacher in (first, second):
        for work in distil.pupils([0, 1], teacher):
            error = reached.get((teacher["error"], work.change))
            if work.title == pupil and error:
                monkeypatch.setattr(
                    distil.Pupil, "train", lambda w, e=error: {"teacher": w.teacher, "error": e}
                )
                lines.append(work.line())
    stale = json.loads(lines[0]) | {"settings": {"share": 2, "epochs": 61}, "error": 50.0}
    file = tmp_path / "distil.jsonl"
    file.write_text("\n".join([*lines, json.dumps(stale)]))
    found = distil.shown(file)
    of_first, of_second = found.split("The teacher: `t`, seed 0, ")[1:]
    assert "| taught, all images | 2 | 97.00 ± 0.00 | +4.00 ± 0.00 |" in of_first
    assert "| taught, all images | 2 | 91.50 ± 0.00 | −0.50 ± 0.00 |" in of_second
    assert f"| {distil.ALONE} | 2 | 93.00 ± 0.00 | – |" in of_first


def test_stages_follow_each_other():
    config = StagedConfig(stages=(("local", 2), ("softmax", 1)))
    assert [config.stage(epoch) for epoch in range(3)] == ["local", "local", "softmax"]
    assert not config.backpropagates
