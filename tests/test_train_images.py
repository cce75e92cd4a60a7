"""Training on images: what networks and the baselines learn, and from what."""

import pytest
import safetensors.torch
import torch

import corpora
from ffrec.config import BackpropConfig, ConfigError, ImageRecipe, recipe_from
from ffrec.data.draws import Draws
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.goodness import normalise
from ffrec.learning.update import local_update
from ffrec.recipes import RECIPES, recipe
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import finish_images, new_trainer, trained_network
from ffrec.tasks.recorded import configuration, plain, resume
from ffrec.training.events import Epoch, Interrupted

QUICK = {"hidden": [60, 60], "epochs": 12, "batch": 50, "rate": 3e-3, "softmax_rate": 3e-3}
SCORES = {"label": "none", "activity": "max", "threshold": 1.0, "sharpness": 10.0}
KINDS = {
    "supervised": ("supervised-digits", QUICK),
    "unsupervised": ("unsupervised-mnist", QUICK | {"rate": 1e-3, "hidden": [100, 100], "epochs": 25}),
    "hybrids": (
        "supervised-digits",
        QUICK | {"negatives": "hybrid", "activity": "max", "threshold": 1.0, "reads": [1, 2], "epochs": 25},
    ),
    "local": (
        "local-mnist",
        QUICK | {"hidden": [9 * 8, 4 * 20], "local": [[4, 2, 8], [2, 1, 20]], "rate": 1e-3, "reads": [1, 2]},
    ),
    "candidates": (
        "supervised-digits",
        QUICK | {"activity": "max", "threshold": 1.0, "negatives": "all", "objective": "candidates"},
    ),
    "pairwise": (
        "supervised-digits",
        QUICK | {"activity": "max", "threshold": 1.0, "objective": "pairwise"},
    ),
    "pairwise of all": (
        "supervised-digits",
        QUICK | {"negatives": "all", "objective": "pairwise"},
    ),
    "classes": (
        "supervised-digits",
        QUICK | SCORES | {"negatives": "none", "objective": "classes", "goodness": "scores"},
    ),
    "groups": (
        "supervised-digits",
        QUICK | SCORES | {"negatives": "none", "objective": "classes", "blocks": 10},
    ),
    "recurrent candidates": (
        "recurrent-digits",
        QUICK
        | {
            "negatives": "all",
            "objective": "candidates",
            "iterations": 5,
            "loss": [2, 4],
            "window": [2, 4],
            "epochs": 6,
        },
    ),
    "recurrent pairwise": (
        "recurrent-digits",
        QUICK | {"objective": "pairwise", "iterations": 5, "loss": [2, 4], "window": [2, 4]},
    ),
    "collaborating": (  # what the layers' losses see together scores a label
        "supervised-digits",
        QUICK | {"context": "all", "threshold": -2.0, "reads": [1, 2]},
    ),
    "twin": ("twin-digits", QUICK),
    "backprop": ("backprop-mnist", QUICK),
    "random": ("random-mnist", QUICK | {"hidden": [300], "reads": [1]}),
    "linear": ("linear-mnist", QUICK | {"hidden": []}),
}


@pytest.fixture(scope="module")
def digits():
    return corpora.load("digits")


def make(kind, digits, **fields):
    name, quick = KINDS[kind]
    chosen = recipe(name).override(quick | fields)
    return new_trainer(chosen, digits.train.images, digits.train.labels, 10)


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


OLD = ("supervised", "unsupervised", "hybrids", "local", "backprop", "random", "linear")
SOFTMAX_ALONE = ("unsupervised", "local", "twin", "backprop", "random", "linear")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_digits(kind, digits):
    trainer = make(kind, digits)
    before = weights(trainer)
    *_, last = trainer.run(None, trainer.held_out(digits.validation))
    assert isinstance(last, Epoch)
    found = last.record["validation"]
    bar = 15 if kind in ("local", "hybrids") else 10
    assert found["error_softmax"] < bar
    assert ("error_goodness" in found) == (kind not in SOFTMAX_ALONE)
    assert found.get("error_goodness", 0) < bar
    for name, now in weights(trainer).items():
        if name.startswith("layers") and name.endswith("weight"):
            assert torch.equal(now, before[name]) == (kind == "random")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["candidates", "classes"])
def test_objectives_learn_in_bfloat16_too_and_keep_float32_weights(kind, digits):
    trainer = make(kind, digits, epochs=8)
    trainer.arithmetic = "bf16"
    *_, last = trainer.run(None, trainer.held_out(digits.validation))
    assert last.record["validation"]["error_goodness"] < 10
    assert all(p.dtype is torch.float32 and p.isfinite().all() for p in trainer.network.parameters())


@pytest.mark.parametrize("kind", [*OLD, "candidates", "classes", "twin"])
def test_a_resumed_run_ends_bitwise_equal(kind, digits, tmp_path):
    few = {"epochs": 2, "batch": 400, "jitter": 1, "dropout": 0.1}
    whole = make(kind, digits, **few)
    list(whole.run())
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 0, "fp32"))
    first = make(kind, digits, **few)
    events = list(first.run(folder, stop=lambda: first.updates == 4))
    assert isinstance(events[-1], Interrupted)
    second = make(kind, digits, **few)
    resume(second, folder, wanted)
    list(second.run(folder))
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(whole).items())


@pytest.mark.parametrize("kind", [*OLD, "classes"])
def test_a_finished_run_is_read_back_as_it_was(kind, digits, tmp_path):
    trainer = make(kind, digits, epochs=1)
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 0, "fp32"))
    list(trainer.run(folder, trainer.held_out(digits.validation)))
    result = finish_images(trainer, folder, digits.test)
    test = result["test"]
    assert result["validation"] == folder.metrics()[-1]["validation"]
    again = recipe_from(folder.config["recipe"])
    assert again == trainer.recipe
    cpu = torch.device("cpu")
    _, saved, *_ = folder.load(cpu)
    network = trained_network(saved, again, digits.test.images, 10, cpu)
    found = evaluate_images(network, Images(digits.test.images), digits.test.labels)
    for key in ("error_softmax", "confusion"):
        assert found[key] == test[key]
    matrix = torch.tensor(test["confusion"])
    wrong = 100 * (1 - matrix.diag().sum().item() / matrix.sum().item())
    assert wrong == pytest.approx(test.get("error_goodness", test["error_softmax"]))
    assert torch.equal(matrix.sum(1), torch.bincount(digits.test.labels))


APART = {"wake": 3, "sleep": 2, "wake_rate": 1e-3, "baseline": 0.5, "epochs": 2} | {
    "centring": True,
    "scaling": 0.1,
    "peer": 0.0,
}


@pytest.mark.parametrize("kind", ["supervised", "unsupervised", "local"])
@pytest.mark.parametrize("stop_after", [2, 4, 5, 7])
def test_a_run_resumed_in_a_wake_or_sleep_phase_ends_bitwise_equal(kind, stop_after, digits, tmp_path):
    few = APART | {
        "batch": 300,
        "states": "separate",
    }  # four batches an epoch: sleep phases go on into the next
    whole = make(kind, digits, **few)
    epochs = [event for event in whole.run() if isinstance(event, Epoch)]
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 0, "fp32"))
    first = make(kind, digits, **few)
    list(first.run(folder, stop=lambda: first.updates == stop_after))
    second = make(kind, digits, **few)
    resume(second, folder, wanted)
    list(second.run(folder))
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(whole).items())
    assert [record["goodness"] for record in folder.metrics()] == [e.record["goodness"] for e in epochs]


def test_weights_of_another_version_are_one_clear_line(digits, tmp_path):
    before, now = (make("supervised", digits, **APART | {"centring": c}) for c in (False, True))
    folder = RunFolder.create(tmp_path / "run", configuration(now.recipe, 0, "fp32"))
    list(before.run(folder, stop=lambda: before.updates == 1))
    with pytest.raises(RunError, match=r"run: expected weights of the network.*train it again"):
        resume(now, folder, folder.config)
    _, saved, *_ = folder.load(torch.device("cpu"))
    with pytest.raises(RunError, match=f"{now.recipe.name}: expected weights of the network"):
        trained_network(saved, now.recipe, digits.train.images, 10, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["supervised", "hybrids", "unsupervised"])
def test_wake_sees_nothing_negative_and_sleep_nothing_positive(kind, digits, monkeypatch):
    trainer = make(kind, digits, **APART | {"batch": 100, "dropout": 0.0})
    learn, seen = trainer.network.learn, []

    def record(encoding, labels, target):
        truth, image = trainer.labels[index], encoding.input
        if kind != "supervised":  # real rows are in the data, hybrids are not
            real = (image[:, 0] - image_rows[index]).abs().amax(1) < 1e-5
            seen.append((target.tolist(), image.shape[1], real.float().mean().item()))
        else:
            seen.append((target.tolist(), labels.shape[1], (labels[:, 0] == truth).float().mean().item()))
        return learn(encoding, labels, target)

    monkeypatch.setattr(trainer.network, "learn", record)
    image_rows = trainer.network.encode(trainer.images.batch(slice(None))).input[:, 0]
    for index in trainer.batches()[:10]:
        before = trainer.network.readout.weight.clone()
        with torch.no_grad():
            trainer.update(index)
        assert torch.equal(trainer.network.readout.weight, before) == (seen[-1][0] == [-1.0])
    assert [target for target, *_ in seen] == ([[1.0]] * 3 + [[-1.0]] * 2) * 2
    for target, candidates, truth in seen:
        assert candidates == 1
        assert truth == 1 if target == [1.0] else truth < 0.15


@pytest.mark.parametrize(("wake_rate", "expected"), [(None, 8.0 / 4), (0.9, 0.9)])
def test_rates_of_wake_phases_follow_equation_4_or_their_setting(wake_rate, expected, digits):
    fields = {"wake": 4, "sleep": 1, "rate": 8.0, "wake_rate": wake_rate, "softmax_rate": 0.1}
    trainer = make("supervised", digits, optimiser="SGD", schedule="constant", **fields)
    for index in trainer.batches()[:5]:
        weight = trainer.network.layer(2).connection("1").weight
        before, readout = weight.clone(), trainer.network.readout.weight.clone()
        with torch.no_grad():
            trainer.update(index)
        sleeping = trainer.network.readout.weight.grad is None
        rate = 8.0 if sleeping else expected
        assert rate * weight.grad.abs().max() > 1e-5  # far above rounding
        torch.testing.assert_close(weight - before, -rate * weight.grad, atol=1e-7, rtol=1e-2)
        if not sleeping:
            step = trainer.network.readout.weight - readout
            wanted = -0.1 * trainer.network.readout.weight.grad
            torch.testing.assert_close(step, wanted, atol=1e-7, rtol=1e-2)
    assert sleeping


def test_repeats_are_updates_one_after_another_from_the_same_data(digits, monkeypatch):
    once, thrice = (make("supervised", digits, repeats=n, jitter=1, negatives="uniform") for n in (1, 3))
    shown = []
    learn = thrice.network.learn

    def record(*data):
        shown.append(data)
        return learn(*data)

    monkeypatch.setattr(thrice.network, "learn", record)
    index = torch.arange(50)
    with torch.no_grad():
        once.update(index)
        thrice.update(index)
    state = [t.optimiser.state[t.network.layer(1).bias]["step"].item() for t in (once, thrice)]
    assert state == [1, 3]
    assert len(shown) == 3
    for encoding, labels, _ in shown[1:]:
        assert torch.equal(encoding.input, shown[0][0].input)
        assert not torch.equal(encoding.drive[1], shown[0][0].drive[1])  # as the weights are others
        assert torch.equal(labels, shown[0][1])


def test_every_repeat_learns_from_gradients_of_its_own(digits):
    """Gradients are set to zero before each update: with weights that stay, they are what they were."""
    found = []
    for repeats in (1, 3):
        trainer = make(
            "supervised", digits, repeats=repeats, optimiser="SGD", rate=1e-30, negatives="uniform"
        )
        with torch.no_grad():
            trainer.update(torch.arange(50))
        found.append(trainer.network.layer(2).connection("1").weight.grad)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("kind", "labels", "target"),
    [
        ("supervised", 2, [1.0, -1.0]),
        ("pairwise of all", 10, [1.0] + [-1.0] * 9),
        ("candidates", 10, "first"),
        ("classes", 1, "label"),
        ("groups", 1, "label"),
    ],
)
def test_an_objective_is_shown_the_candidates_and_the_target_it_expects(
    kind, labels, target, digits, monkeypatch
):
    trainer, seen = make(kind, digits), []
    learn = trainer.network.learn
    monkeypatch.setattr(trainer.network, "learn", lambda *data: seen.append(data) or learn(*data))
    truth = trainer.labels[:50]
    with torch.no_grad():
        trainer.update(torch.arange(50))
    ((_, candidates, given),) = seen
    assert candidates.shape == (50, labels)
    assert torch.equal(candidates[:, 0], truth)
    assert all(len(set(row)) == labels for row in candidates.tolist())
    assert given.tolist() == {"first": [0] * 50, "label": truth.tolist()}.get(str(target), target)


def test_every_update_ends_with_synaptic_scaling(digits):
    fields = {"activity": "max", "threshold": 2.0, "scaling": 1.0, "optimiser": "SGD", "rate": 1e-9}
    trainer = make("supervised", digits, **fields)
    with torch.no_grad():
        for _ in range(4):  # of weights that learn next to nothing
            trainer.update(torch.arange(50))
    for level in trainer.network.levels:
        assert trainer.network.layer(level).goodness_midpoint.now == pytest.approx(2.0, rel=0.1)


def test_what_has_been_learnt_from_validates_nothing(digits):
    trainer = make("linear", digits, epochs=1, train_on_validation=True)
    *_, last = trainer.run(None, trainer.held_out(digits.validation))
    assert "validation" not in last.record


@pytest.mark.slow
@pytest.mark.parametrize(("cured", "low", "high"), [(True, 0, 15), (False, 25, 90)])
def test_sleep_far_from_wake_needs_a_cure(cured, low, high, digits):
    """A wake phase of an epoch, then a sleep phase of one: the paper's rule forgets in the second what the
    whole cure keeps; what each of its parts does is tested where it is."""
    far = {"wake": 24, "sleep": 24, "epochs": 20, "schedule": "constant", "negatives": "uniform"}
    layers = {"activity": "max", "threshold": 1.0, "sharpness": 10.0, "reads": [1, 2]}
    rule = {"centring": True, "scaling": 0.1, "baseline": 0.5} if cured else {"label_size": 0.11}
    trainer = make("supervised", digits, **QUICK | far | layers | rule | {"rate": 1e-3, "wake_rate": 1e-3})
    assert trainer.steps == 24
    *_, last = trainer.run(None, trainer.held_out(digits.validation))
    assert low < last.record["validation"]["error_goodness"] < high


def test_labels_do_not_touch_the_hidden_layers_of_an_unsupervised_network(digits):
    one, two = make("unsupervised", digits, epochs=1), make("unsupervised", digits, epochs=1)
    two.labels = (two.labels + 1) % 10
    list(one.run())
    list(two.run())
    for name, value in one.network.layers.state_dict().items():
        assert torch.equal(value, two.network.layers.state_dict()[name])
    assert not torch.equal(one.network.readout.weight, two.network.readout.weight)


def labels_learnt(trainer, monkeypatch):
    """The labels that a first update on 400 images shows: what the network's `learn` gets."""
    seen = []
    learn = trainer.network.learn

    def record(encoding, labels, target):
        seen.append(labels)
        return learn(encoding, labels, target)

    monkeypatch.setattr(trainer.network, "learn", record)
    trainer.update(torch.arange(400))
    (labels,) = seen
    assert torch.equal(labels[:, 0], trainer.labels[:400])
    return labels.T


def test_labels_of_hybrids_are_those_of_the_batch_in_another_order(digits, monkeypatch):
    right, shown = labels_learnt(make("hybrids", digits), monkeypatch)
    assert torch.equal(shown.sort().values, right.sort().values)
    assert 0.04 < (shown == right).float().mean() < 0.2  # a tenth by chance


def test_labels_of_hybrids_may_all_be_wrong_for_the_first_image(digits, monkeypatch):
    right, shown = labels_learnt(make("hybrids", digits, hybrid_labels="uniform"), monkeypatch)
    assert not (shown == right).any()
    assert len(((shown - right) % 10).unique()) == 9


def test_twins_share_their_shift_and_silence_hits_pixels_alone(digits):
    trainer = make("unsupervised", digits, jitter=2, dropout=0.0)
    trainer.images.images = torch.zeros(200, 12, 12, dtype=torch.uint8)
    trainer.images.images[:, 4:8, 4:8] = (
        9  # all images alike: a hybrid is the image itself where both lie alike
    )
    trainer.cases = 200
    rows = trainer.rows(torch.arange(200)).view(200, 2, 12, 12)
    image, twin = rows[:, 0], rows[:, 1]
    assert (image.sum((1, 2)) == 16 * 9).all()
    places = image.flatten(1).argmax(1).unique()
    assert len(places) == 25
    inside = (twin * (image > 0)).sum((1, 2)) / (16 * 9)
    assert (
        0.5 < inside.mean() < 0.95
    )  # more than half stays where the image is, the rest comes from elsewhere


def test_jitter_and_dropout_reach_the_network(digits):
    index = torch.arange(300)
    still = make("supervised", digits).rows(index)
    moved = make("supervised", digits, jitter=1).rows(index)
    assert 0.8 < (moved != still).any(1).float().mean() < 0.95  # one shift in nine is none
    silent = make("supervised", digits, dropout=0.4).rows(index)
    lit = still > 0
    assert (silent[lit] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(silent[silent > 0], still[silent > 0])


def test_noise_on_images_is_in_units_of_each_image(digits):
    index = torch.arange(300)
    still, noisy = (normalise(make("supervised", digits, noise=n).rows(index)) for n in (0.0, 0.5))
    scale = (noisy * still).mean(1) / still.square().mean(1)  # noise of 0.5 shrinks an image by √1.25
    assert scale.mean().item() == pytest.approx(1.25**-0.5, abs=0.02)
    rest = noisy - scale.unsqueeze(1) * still
    assert rest.square().mean(1).sqrt().mean().item() == pytest.approx(0.5 * 1.25**-0.5, abs=0.02)


def test_hidden_noise_is_added_to_what_layers_send_while_they_learn_alone(digits, monkeypatch):
    trainer, quiet = (make("recurrent candidates", digits, hidden_noise=n, loss=[4, 4]) for n in (0.5, 0.0))
    dropping = make("recurrent candidates", digits, unit_dropout=0.4, hidden_noise=0.0, loss=[4, 4])
    seen = []

    def spy(layers, steps, *given):
        seen.append(list(steps))
        return local_update(layers, seen[-1], *given)

    monkeypatch.setattr("ffrec.networks.network.local_update", spy)
    for each in (trainer, quiet, dropping):
        each.draws.begin(0, 200)
        each.update(torch.arange(200))
    (noisy,), (clean,), (dropped,) = seen
    for source in ("1", "2"):
        found = noisy.inputs[source]
        assert found.shape[:2] == (200, 10)  # a number of its own for each candidate
        assert clean.inputs[source].square().mean().item() == pytest.approx(1, abs=1e-3)
        assert found.square().mean().item() == pytest.approx(1.25, abs=0.02)
        assert not torch.equal(dropped.inputs[source][:, 0], clean.inputs[source][:, 0])
    x = dropping.perturb(torch.full((200, 10, 60), 3.0))
    assert (x == 0).float().mean().item() == pytest.approx(0.4, abs=0.01)
    torch.testing.assert_close(x[x != 0], torch.full_like(x[x != 0], 5.0))  # as much on average as before
    rows = digits.test.images.flatten(1).float()
    every = torch.arange(10).expand(len(rows), -1)
    network = trainer.network
    with torch.no_grad():  # an evaluation is free of it
        *_, step = network.steps(network.encode(rows), every, 4)
    assert step.inputs["1"].square().mean().item() == pytest.approx(1, abs=1e-3)


def test_a_permuted_run_is_tested_on_permuted_images(digits, tmp_path):
    trainer = make("supervised", digits, permute=3, epochs=8)
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 0, "fp32"))
    list(trainer.run(folder, trainer.held_out(digits.validation)))
    test = finish_images(trainer, folder, digits.test)["test"]
    assert test["error_softmax"] < 15
    unpermuted = evaluate_images(trainer.network, Images(digits.test.images), digits.test.labels)
    assert unpermuted["error_softmax"] > 50


def test_a_finished_unsupervised_run_keeps_hybrids_for_its_pictures(digits, tmp_path):
    trainer = make("unsupervised", digits, epochs=4)
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 0, "fp32"))
    list(trainer.run(folder, trainer.held_out(digits.validation)))
    finish_images(trainer, folder, digits.test)
    kept = safetensors.torch.load((folder.path / "examples.safetensors").read_bytes())
    assert torch.equal(kept["images"], digits.test.images[:8])
    mask = kept["masks"]
    assert torch.equal(kept["hybrids"], kept["images"] * mask + kept["others"] * (1 - mask))
    assert (kept["positive"] - kept["negative"]).mean() > 0  # real ones have more


def test_backpropagation_smooths_labels_and_drops_units(digits):
    plain_loss = make("backprop", digits).update(torch.arange(100))
    smooth = make("backprop", digits, label_smoothing=0.1)
    torch.testing.assert_close(smooth.update(torch.arange(100)), plain_loss)  # all logits are 0 at first
    for trainer in (smooth, make("backprop", digits)):
        for _ in range(150):
            loss = trainer.update(torch.arange(100))
        assert (loss > 0.3) == (trainer is smooth)  # a smoothed target keeps its entropy
    dropping = make("backprop", digits, hidden=[60], hidden_dropout=0.5).network
    rows = torch.rand(50, 64)
    drop = Draws(0)

    def features(*draws):
        return dropping.features(dropping.encode(rows, *draws))

    silent = (features(drop) == 0).float().mean()
    assert silent > (features() == 0).float().mean() + 0.15
    mean = torch.stack([features(drop) for _ in range(500)]).mean(0)
    torch.testing.assert_close(mean, features(), atol=0.3, rtol=0.2)  # none is missing on average


def test_a_baseline_has_no_loss_of_its_hidden_layers_and_keeps_activity_even(digits):
    trainer = make("backprop", digits, hidden=[400, 400, 400], epochs=1)
    last = trainer.network.features(trainer.network.encode(torch.rand(50, 64)))
    assert 0.5 < last.square().mean() < 2  # He et al. 2015: as large as at the input
    *_, end = trainer.run(None, trainer.held_out(digits.validation))
    assert (end.record["loss"], end.record["pairwise_accuracy"]) == ([], [])


def test_random_features_are_read_from_the_same_levels_as_those_of_ff():
    assert RECIPES["random-mnist"]().network.read == RECIPES["supervised-mnist"]().network.read


@pytest.mark.parametrize("name", [name for name in RECIPES if name in KINDS or "mnist" in name])
def test_a_recipe_is_known_by_its_settings(name):
    made = RECIPES[name]()
    assert recipe_from(plain(made)) == made


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("unsupervised-mnist", {"negatives": "hard"}, "label none leaves no label to be wrong"),
        ("supervised-mnist", {"blocks": 3}, "blocks: 3 must divide"),
        ("supervised-mnist", {"threshold": [-1.0, -2.0]}, "threshold has 2 values for 4 hidden layers"),
        (
            "supervised-mnist",
            {"threshold": [1.0, 1.0, 1.0, -1.0]},
            "expected 0 or below with activity min, found",
        ),
        ("supervised-mnist", {"sharpness": [1.0, 1.0, 0.0, 1.0]}, "sharpness must be above 0"),
        ("supervised-mnist", {"reads": [5]}, "reads names level 5 but there are 4"),
        ("supervised-mnist", {"local": [[10, 6, 128]]}, "local has 1 entries for 4"),
        ("local-mnist", {"label": "append", "negatives": "hard"}, "no place for a label"),
        ("supervised-mnist", {"goodness": "sum"}, "goodness.*choose from squares, activities"),
        ("supervised-mnist", {"reads": [2, 2]}, "names a level twice"),
        ("supervised-mnist", {"masked": True}, "give local as well"),
        ("supervised-mnist", {"permute": 1}, "use label append"),
        ("recurrent-digits", {"negatives": "hybrid"}, "^negatives: hybrid images need a feed-forward"),
        ("sleep-mnist", {"hybrid_labels": "uniform"}, "^hybrid_labels: .*found negatives uniform"),
        (
            "unsupervised-mnist",
            {"hybrid_labels": "uniform"},
            "found negatives hybrid, label none: leave it out",
        ),
        ("supervised-mnist", {"jitter": 1000}, "jitter.*less than or equal to 28"),
        ("supervised-mnist", {"permute": 10**30}, "permute"),
        ("backprop-mnist", {"reads": [5]}, "reads names level 5"),
        ("backprop-mnist", {"hidden_dropout": 1.0}, "hidden_dropout.*less than 1"),
        ("supervised-mnist", {"wake": "epoch"}, "wake_rate: expected one"),
        ("supervised-mnist", {"baseline": 0.5}, "give wake as well"),
        (
            "sleep-mnist",
            {"wake": "night"},
            "training.wake: ",
        ),
        ("local-mnist", {"centring": True}, "give peer=0 or no centring"),
        ("threshold-0", {"scaling": 0.1}, "cannot bring goodness to a threshold of 0"),
        ("aesop-together", {"centring": True}, "are for wake and sleep phases: give wake"),
        ("aesop-together", {"scaling": 0.1}, "are for wake and sleep phases: give wake"),
        ("aesop-sleep", {"wake": 3}, "need regime together, found sleep"),
        ("backprop-mnist", {"sharpness": 1.0}, "unknown setting 'sharpness'"),
        ("backprop-mnist", {"wake": 2}, "wake: backpropagation has no negative data"),
        ("backprop-mnist", {"repeats": 2}, "repeats: backpropagation has no negative data"),
        ("supervised-mnist", {"objective": "max"}, "unknown objective 'max'"),
        ("threshold-2", {"objective": "pairwise"}, "objective pairwise has no threshold"),
        (
            "threshold-0",
            {"threshold": 1.0, "objective": "pairwise", "scaling": 0.1},
            "no threshold: leave",
        ),
        (
            "threshold-2",
            {"threshold": 1.0, "objective": "candidates", "peer": 0.1},
            "no sign: leave peer",
        ),
        ("unsupervised-mnist", {"objective": "candidates"}, "expected label overwrite or append"),
        ("unsupervised-mnist", {"objective": "classes"}, "goodness for every class, found squares"),
        (
            "unsupervised-mnist",
            {"objective": "classes", "goodness": "scores"},
            "none belongs to an objective over classes",
        ),
        ("supervised-mnist", {"negatives": "none"}, "none belongs to an objective over classes"),
        ("threshold-2", {"threshold": 1.0, "objective": "classes", "goodness": "scores"}, "give label none"),
        ("unsupervised-mnist", {"goodness": "scores"}, "one for each class: give objective=classes"),
        (
            "unsupervised-mnist",
            {"goodness": "scores", "blocks": 10, "objective": "classes", "negatives": "none"},
            "leave blocks out",
        ),
        (
            "unsupervised-mnist",
            {"goodness": "scores", "activity": "min", "threshold": -1.0, "objective": "classes"},
            "leave activity and context out",
        ),
        ("supervised-digits", {"label_size": 2.0, "label": "none", "negatives": "hybrid"}, "label_size"),
        ("supervised-digits", {"negatives": "all", "scaling": 0.3}, "as many negative as positive"),
        ("supervised-digits", {"hidden": [50], "context": "below"}, "several hidden layers"),
        ("supervised-digits", {"sleep": 4}, "give wake as well"),
        ("supervised-digits", {"optimiser_options": {"lr": 1.0}}, "give rate"),
        ("backprop-mnist", {"hidden": [], "hidden_dropout": 0.5}, "no hidden layer"),
        ("sleep-mnist", {"threshold": 1.0, "objective": "pairwise"}, "compares candidates of one update"),
        ("recurrent-mnist", {"objective": "classes", "goodness": "scores"}, "without labels at its top"),
        (
            "unsupervised-mnist",
            {"hidden_noise": 0.5},
            "hidden_noise and unit_dropout: expected a network that",
        ),
        ("backprop-mnist", {"unit_dropout": 0.5}, "for layers that learn locally: use hidden_dropout"),
        (
            "recurrent-digits",
            {"hidden": [50], "hidden_noise": 0.5},
            "a single hidden layer sends to no other",
        ),
        ("recurrent-mnist", {"noise": -0.5}, "noise: .*greater than or equal to 0"),
        ("local-mnist", {"connection": "dence"}, "did you mean dense"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(name, values, words):
    with pytest.raises(ConfigError, match=words) as error:
        recipe(name).override(values)
    assert "\n" not in str(error.value)
    assert "Config" not in str(error.value)


def test_a_baseline_is_no_forward_forward_network():
    assert isinstance(RECIPES["backprop-mnist"](), ImageRecipe)
    assert isinstance(RECIPES["backprop-mnist"]().network, BackpropConfig)


def test_none_is_a_place_for_a_label():
    chosen = recipe("supervised-mnist").override({"label": None, "negatives": "hybrid"})
    assert chosen.network.label == "none"
