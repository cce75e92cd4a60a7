"""What users hold: models of run folders and files, probabilities, and `train`."""

import json
import math
import pickle
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import ffrec
from ffrec.config import BackpropConfig, FeedForwardConfig, ImageRecipe, TrainingConfig
from ffrec.evaluation.calibration import expected_calibration_error, fit_temperature, probabilities
from ffrec.models.arrays import as_images, class_values
from ffrec.reports.summary import read_all
from ffrec.storage.files import RunError
from ffrec.training.events import Epoch, Update

SYMBOLS = "abcdefghijklmnopqrstuvwxyz ,;."
QUIET = {"device": "cpu", "progress": False}


def likelihood(scores, labels, temperature):
    """Mean negative log likelihood of n cases, and of one more whose label is any, alike."""
    log_p = (scores.double() / temperature).log_softmax(1)
    known = -log_p.gather(1, labels[:, None]).mean()
    return float((len(labels) * known - log_p.mean()) / (len(labels) + 1))


@pytest.mark.parametrize(("right", "n"), [(8, 9), (9, 9), (5, 9), (99, 100)])
def test_temperature_of_two_classes_is_the_log_odds_of_being_right(right, n):
    scores = torch.tensor([[2.0, 0.0]]).expand(n, 2)
    labels = torch.tensor([0] * right + [1] * (n - right))
    share = (right + 0.5) / (n + 1)  # the one more case is half right
    assert fit_temperature(scores, labels) == pytest.approx(2 / math.log(share / (1 - share)), rel=1e-9)


def test_temperature_makes_labels_likeliest_whatever_the_scores_scale(generator):
    scores, labels = torch.randn(40, 5, generator=generator), torch.arange(40) % 5
    scores[torch.arange(40), labels] += 1
    best = fit_temperature(scores, labels)
    assert likelihood(scores, labels, best) <= min(
        likelihood(scores, labels, best * f) for f in (0.5, 0.9, 0.99, 1.01, 1.1, 2)
    )
    assert fit_temperature(1000 * scores + 7, labels) == pytest.approx(1000 * best, rel=1e-4)


def test_scores_that_say_nothing_leave_all_classes_alike():
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    temperature = fit_temperature(scores, torch.tensor([1, 1]))
    assert probabilities(scores, temperature) == pytest.approx(torch.full((2, 2), 0.5).numpy(), abs=1e-5)
    assert fit_temperature(torch.ones(3, 2), torch.tensor([0, 1, 1])) == 1.0


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (torch.ones(0, 2), torch.ones(0).long()),
        (torch.ones(3, 2), torch.tensor([0, 1])),
        (torch.ones(2, 2), torch.tensor([0, 2])),
        (torch.tensor([[math.nan, 1.0]]), torch.tensor([0])),
    ],
)
def test_temperature_refuses_what_it_cannot_fit(scores, labels):
    with pytest.raises(ValueError, match="fit_temperature: expected"):
        fit_temperature(scores, labels)


def test_calibration_error_by_hand():
    proba = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = torch.tensor([0, 1, 1, 1])  # sure 0.9: half right; sure 0.6: all right
    assert expected_calibration_error(proba, labels, 10) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert expected_calibration_error(proba, labels, 1) == pytest.approx(0.0)  # 3 of 4 right, 0.75 sure
    with pytest.raises(ValueError, match="expected probabilities"):
        expected_calibration_error(proba, labels[:2])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recurrent network on the embedded digits, in a run folder."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    return ffrec.train("recurrent-digits", epochs=4, hidden=(40, 30), rate=3e-3, out=out, **QUIET)


@pytest.fixture(scope="module")
def test_images():
    import corpora

    return corpora.load("digits").test


def test_what_training_returns(run):
    assert [record["epoch"] for record in run.history] == [1, 2, 3, 4]
    assert run.result["test"]["images"] == 360
    assert run.model.classes.tolist() == list(range(10))
    assert run.model.image_shape == (8, 8)
    assert run.model.recipe.name == "recurrent-digits"
    assert "recurrent-digits" in repr(run.model)
    assert "8×8" in repr(run.model)


def test_predictions_agree_with_the_evaluation(run, test_images):
    model = ffrec.load(run.folder, "cpu")
    images, labels = test_images.images, test_images.labels
    answers = model.predict(images)
    assert model.score(images, labels) == pytest.approx(1 - run.result["test"]["error_goodness"] / 100)
    assert model.score(images, labels) > 0.5
    assert (answers == labels.numpy()).mean() == pytest.approx(model.score(images, labels))
    proba = model.predict_proba(images)
    assert proba.shape == (360, 10)
    assert proba.sum(1) == pytest.approx(np.ones(360))
    assert (proba.argmax(1) == answers).all()
    goodness, (first, last) = model.goodness(images), model.recipe.network.window
    assert goodness.shape == (360, model.recipe.network.iterations, 10)
    assert (goodness[:, first - 1 : last].mean(1).argmax(1) == answers).all()
    by_iteration = (goodness.argmax(2) != labels.numpy()[:, None]).mean(0) * 100
    assert by_iteration == pytest.approx(np.array(run.result["test"]["error_by_iteration"]), abs=1e-4)


def test_probabilities_are_calibrated_on_validation_images(run, test_images):
    model = run.model
    assert (model.calibration.fitted_on, model.calibration.n) == ("validation", 237)
    scores, labels = torch.from_numpy(model.scores(test_images.images)), test_images.labels
    fitted = torch.from_numpy(model.predict_proba(test_images.images))
    assert expected_calibration_error(fitted, labels) < expected_calibration_error(scores.softmax(1), labels)
    assert expected_calibration_error(fitted, labels) < 0.1


def test_every_way_to_give_an_image_gives_the_same_answer(run, test_images):
    model, grey = run.model, (test_images.images[:5] * 15).clamp(max=255)  # PIL has bytes
    wanted = model.predict_proba(grey)
    pictures = [Image.fromarray(image) for image in grey.numpy()]
    for images in (
        grey.numpy(),
        grey.numpy().tolist(),
        grey[..., None],
        grey.double() / 255,
        (grey / 255).numpy().astype(np.float32),
        pictures,
        [picture.convert("RGB") for picture in pictures],
        list(grey),
    ):
        assert model.predict_proba(images) == pytest.approx(wanted, abs=1e-4)
    for one in (grey[0], grey[0].numpy()[..., None], pictures[0], (grey[0] / 255).numpy()):
        assert model.predict_proba(one) == pytest.approx(wanted[:1], abs=1e-4)
        assert model.predict(one).shape == (1,)


def test_floats_are_scaled_to_the_pixels_of_the_run(run):
    assert run.model.brightest == 16
    half = np.full((1, 8, 8), 0.5)
    assert as_images(half, (8, 8), 16.0).unique().tolist() == [8.0]
    assert as_images(np.full((8, 8), 200, np.int64), (8, 8), 16.0).unique().tolist() == [200]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 9, 8)), r"expected shape \(n, 8, 8\), found \(2, 9, 8\)"),
        (np.zeros((2, 64)), r"expected shape \(n, 8, 8\), found \(2, 64\)"),
        (np.zeros((2, 8, 8, 3)), r"expected shape \(n, 8, 8\), found \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 8)), "expected at least one"),
        (np.full((1, 8, 8), 16.0), r"expected floats in \[0, 1\] without NaN, found 16 to 16: divide"),
        (np.full((1, 8, 8), -0.1), r"expected floats in \[0, 1\]"),
        (np.full((1, 8, 8), np.nan), r"without NaN"),
        (np.full((1, 8, 8), np.inf), r"expected floats"),
        (np.full((1, 8, 8), 256), "expected integers 0 to 255"),
        (np.full((1, 8, 8), -1), "expected integers 0 to 255"),
        (np.full((1, 8, 8), "x"), "expected numbers"),
        (np.zeros((1, 8, 8), complex), "expected numbers"),
        ([np.zeros((8, 8)), np.zeros((7, 8))], "expected images of one size"),
        ("digits", "expected numbers"),
        (None, "expected numbers"),
    ],
)
def test_wrong_images_are_told(run, images, message):
    with pytest.raises(ValueError, match=message):
        run.model.predict(images)


def test_wrong_labels_are_told(run, test_images):
    with pytest.raises(ValueError, match="expected 2 labels"):
        run.model.score(test_images.images[:2], [1])
    with pytest.raises(ValueError, match=r"found \['cat'\]"):
        run.model.score(test_images.images[:2], ["cat", "cat"])


def test_a_saved_file_is_the_same_model(run, test_images, tmp_path):
    path = run.model.save(tmp_path / "digits.safetensors")
    again = ffrec.load(path, "cpu")
    assert (again.goodness(test_images.images) == run.model.goodness(test_images.images)).all()
    assert again.calibration == run.model.calibration
    assert again.classes.tolist() == run.model.classes.tolist()
    assert again.save(tmp_path / "copy").read_bytes() == path.read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"digits.safetensors", "copy"}
    with pytest.raises(ValueError, match="found a folder"):
        run.model.save(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        run.model.save(tmp_path / "nowhere" / "file")


def test_what_is_no_model_is_told(tmp_path):
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    for name in ("pickle", "empty", "folder", "missing"):
        with pytest.raises(RunError, match=name):
            ffrec.load(tmp_path / name)


def test_folders_older_than_their_notes(run, test_images, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(run.folder, old)
    (old / "calibration.json").unlink()
    (old / "data.json").unlink()
    model = ffrec.load(old, "cpu")
    assert (model.calibration.temperature, model.calibration.fitted_on) == (1.0, "nothing")
    assert (model.image_shape, model.brightest) == ((8, 8), 16.0)
    assert (model.predict(test_images.images) == run.model.predict(test_images.images)).all()
    config = json.loads((old / "config.json").read_text())
    config["recipe"]["data"] = "mine"
    (old / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"expected data\.json"):
        ffrec.load(old)


def test_a_figure_that_notebooks_show(run, test_images):
    figure = run.model.plot_goodness(test_images.images[:3])
    assert figure._repr_png_().startswith(b"\x89PNG")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [str(answer) for answer in run.model.predict(test_images.images[:3])]
    with pytest.raises(ValueError, match="at most 16"):
        run.model.plot_goodness(test_images.images[:17])


def toy(size=(6, 5), n=40):
    """Images of a bright left or right half, and their labels, 0 and 1."""
    images = np.zeros((n, *size), np.uint8)
    labels = np.arange(n) % 2
    middle = size[1] // 2
    images[labels == 0, :, :middle] = 200
    images[labels == 1, :, middle:] = 200
    return images + np.random.default_rng(0).integers(0, 20, images.shape, np.uint8), labels


def toy_recipe(network, **training):
    training = {"epochs": 8, "batch": 10, "rate": 1e-2, "softmax_rate": 1e-2} | training
    return ImageRecipe("toy", "–", "digits", network, TrainingConfig(**training))


@pytest.mark.parametrize(
    ("network", "training"),
    [
        (FeedForwardConfig(hidden=(20, 20), label="append"), {}),
        (FeedForwardConfig(hidden=(20, 20), label="none"), {"negatives": "hybrid"}),
        (BackpropConfig(hidden=(20,)), {}),
    ],
)
def test_arrays_of_ones_own(network, training, tmp_path):
    images, codes = toy()
    names = np.array(["left", "right"])
    trained = ffrec.train(toy_recipe(network, **training), data=(images, names[codes]), **QUIET)
    model = ffrec.load(trained.model.save(tmp_path / "toy"), "cpu")
    assert trained.folder is None
    assert model.predict(images).tolist() == names[codes].tolist()
    assert model.score(images, names[codes]) == 1
    assert (model.calibration.fitted_on, model.calibration.n) == ("training", 4)
    if isinstance(network, FeedForwardConfig) and network.label == "append":
        assert model.goodness(images).shape == (40, 1, 2)
    else:
        with pytest.raises(ValueError, match="expected a network that scores labels"):
            model.goodness(images)


def test_colour_and_labels_that_are_any_integers():
    images, codes = toy((4, 4, 3))
    labels = np.array([7, 3])[codes]
    network = FeedForwardConfig(hidden=(20, 20), label="append")
    model = ffrec.train(toy_recipe(network), data=(torch.from_numpy(images) / 255, labels), **QUIET).model
    assert model.image_shape == (4, 4, 3)
    assert model.classes.tolist() == [3, 7]
    assert (model.predict(images) == labels).mean() > 0.9
    assert model.predict(Image.fromarray(images[0])).tolist() == model.predict(images[0]).tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((toy()[0],), "expected a pair"),
        ((toy()[0], toy()[1][:3]), "expected 40 labels"),
        ((toy()[0], toy()[1] * 0), "2 classes at least"),
        ((toy()[0], toy()[1] * 0.5), "integers or names"),
    ],
)
def test_wrong_data_is_told(data, message):
    with pytest.raises(ffrec.ConfigError, match=message):
        ffrec.train("recurrent-digits", data=data, **QUIET)


def test_training_tells_callbacks_everything_and_prints_nothing(capsys):
    seen = []
    network = FeedForwardConfig(hidden=(5,), label="append")
    ffrec.train(toy_recipe(network), epochs=2, data=toy(), callbacks=[seen.append], device="cpu")
    assert [type(event) for event in seen] == [*[Update] * 4, Epoch, *[Update] * 4, Epoch]
    assert capsys.readouterr() == ("", "")


def test_training_refuses_a_folder_that_is_there_and_unknown_settings(tmp_path):
    with pytest.raises(RunError, match="force=True replaces it"):
        ffrec.train("recurrent-digits", out=tmp_path, **QUIET)
    with pytest.raises(ffrec.ConfigError, match="did you mean hidden"):
        ffrec.train("recurrent-digits", hiden=(3,), **QUIET)


def test_the_progress_line(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    ffrec.train(toy_recipe(FeedForwardConfig(hidden=(5,), label="append")), data=toy(), device="cpu")
    last = shown.getvalue().split("\r")[-1]
    assert "epoch 8/8" in last
    assert "░" not in last
    assert last.endswith("\n")


# Text.


@pytest.fixture(scope="module")
def text():
    codes = torch.tensor([SYMBOLS.index(c) for c in "the fox and the crow, the crow and the fox. " * 30])
    strings = codes[: len(codes) // 40 * 40].view(-1, 40)
    about = SimpleNamespace(classes=tuple(SYMBOLS))
    parts = {"train": strings[:20], "validation": strings[20:26], "test": strings[26:]}
    return SimpleNamespace(**parts, sha256="0" * 64, description=about)


@pytest.fixture(scope="module", params=[0.0, 20.0], ids=["softmax", "memory"])
def speaker(request, text, tmp_path_factory):
    """A next-character network without and with a memory."""
    out = tmp_path_factory.mktemp("text") / "run"
    settings = {"hidden": (30,), "passes": 3, "memory": request.param, "strings": 15}
    return ffrec.train("fables", epochs=1, data=text, out=out, **settings, **QUIET)


def test_samples(speaker):
    model = speaker.model
    assert model.symbols == tuple(SYMBOLS)
    one = model.sample("The\n fox", 20, seed=3)
    assert one.startswith("the fox")
    assert len(one) == len("the fox") + 20
    assert one == model.sample("the fox", 20, seed=3)
    assert len({model.sample("", 20, seed=seed) for seed in range(5)}) > 1
    assert model.sample("the crow and ", 9, temperature=0) == model.sample("the crow and ", 9, top_k=1)
    assert model.sample("", 0) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "fox 1 é"}, "found '1', 'é'"),
        ({"length": -1}, "length: expected 0 or more"),
        ({"temperature": -1}, "temperature"),
        ({"top_k": 0}, "top_k: expected 1 to 30"),
        ({"top_p": 1.1}, "top_p"),
    ],
)
def test_wrong_wishes_are_told(speaker, arguments, message):
    with pytest.raises(ValueError, match=message):
        speaker.model.sample(**arguments)


def test_likelihood_is_that_of_one_character_after_another(speaker):
    model, text = speaker.model, "the crow and the fox."
    size, total = model.recipe.network.window, 0.0
    for place in range(size, len(text)):
        log_p = model.network.predict(model.encode(text[place - size : place])[None])[0]
        total += float(log_p[SYMBOLS.index(text[place])])
    assert model.log_likelihood(text) == pytest.approx(total, rel=1e-5)
    assert model.perplexity(text) == pytest.approx(math.exp(-total / (len(text) - size)), rel=1e-5)
    with pytest.raises(ValueError, match=f"more than {size} characters"):
        model.perplexity(text[:size])


def test_predictions_are_those_of_every_symbol(speaker, monkeypatch):
    model, text = speaker.model, "the crow and the fox."
    size = model.recipe.network.window
    log_p = model.predictions(text)
    assert log_p.shape == (len(text) - size, len(SYMBOLS))
    assert np.exp(log_p).sum(1) == pytest.approx(1, abs=1e-5)
    came = [SYMBOLS.index(character) for character in text[size:]]
    assert log_p[range(len(came)), came].sum() == pytest.approx(model.log_likelihood(text), rel=1e-5)
    monkeypatch.setattr(type(model.network), "batch", 3)
    assert model.predictions(text) == pytest.approx(log_p, abs=1e-5)


def test_a_figure_of_what_was_expected_and_what_came(speaker):
    size, text = speaker.model.recipe.network.window, "the crow and the fox."
    figure = speaker.model.plot_predictions(text)
    assert figure._repr_png_().startswith(b"\x89PNG")
    axes = figure.axes[0]
    assert "".join(label.get_text() for label in axes.get_xticklabels()) == text[size:].replace(" ", "␣")
    came = [SYMBOLS.index(character) for character in text[size:]]
    assert axes.lines[0].get_ydata().tolist() == came
    with pytest.raises(ValueError, match=r"at most 150 characters .* found 190: shorten"):
        speaker.model.plot_predictions("the crow. " * 20)
    with pytest.raises(ValueError, match=f"more than {size} characters"):
        speaker.model.plot_predictions("the fox")


def test_the_perplexity_of_the_test_strings(speaker, text):
    model = speaker.model
    strings = ["".join(SYMBOLS[code] for code in string) for string in text.test.tolist()]
    mean = sum(map(model.log_likelihood, strings)) / (len(strings) * (40 - model.recipe.network.window))
    assert math.exp(-mean) == pytest.approx(speaker.result["test"]["perplexity"], rel=1e-4)


def test_negatives_go_on_from_training_strings(speaker, text):
    model, size = speaker.model, speaker.model.recipe.network.window
    negatives = model.generate_negatives(12)
    starts = {"".join(SYMBOLS[code] for code in string[:size]) for string in text.train[:15].tolist()}
    assert len(negatives) == 12
    assert {len(string) for string in negatives} == {40}
    assert {string[:size] for string in negatives} <= starts
    assert negatives == model.generate_negatives(12, seed=0)
    assert negatives != model.generate_negatives(12, seed=1)
    with pytest.raises(ValueError, match="n: expected 1 or more"):
        model.generate_negatives(0)


def test_a_saved_text_model_is_the_same(speaker, tmp_path):
    again = ffrec.load(speaker.model.save(tmp_path / "fables"), "cpu")
    sentence = "the fox and the crow."
    assert again.log_likelihood(sentence) == speaker.model.log_likelihood(sentence)
    assert again.generate_negatives(2) == speaker.model.generate_negatives(2)
    assert "30 symbols" in repr(again)


def test_damaged_notes_are_named(run, speaker, tmp_path):
    for name, folder in {"calibration.json": run.folder, "text.safetensors": speaker.folder}.items():
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        (copy / name).write_text('{"heat": 3}')
        with pytest.raises(RunError, match=f"{name} is damaged"):
            ffrec.load(copy)


def test_a_memory_needs_its_strings(speaker, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(speaker.folder, bare)
    (bare / "text.safetensors").unlink()
    if speaker.model.recipe.network.memory:
        with pytest.raises(RunError, match=r"expected the training strings in text\.safetensors"):
            ffrec.load(bare)
    else:
        model = ffrec.load(bare, "cpu")
        assert model.sample("the ", 3, seed=0) == speaker.model.sample("the ", 3, seed=0)
        with pytest.raises(RunError, match=r"text\.safetensors"):
            model.generate_negatives(1)


def test_the_public_names_are_there_and_light():
    assert set(ffrec.__all__) <= set(dir(ffrec))
    assert all(hasattr(ffrec, name) for name in ffrec.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ffrec.nonsense


@pytest.mark.slow
@pytest.mark.parametrize("use", ["", "ffrec.load, ffrec.train"])
def test_importing_is_light(use):
    heavy = {"sklearn", "matplotlib", "PIL", "rich", "corpora"}
    code = f"import sys, ffrec\n{use}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("names", "found"), [(["0", "10"], [0, 10]), (["01", "1"], ["01", "1"]), (["a"], ["a"])]
)
def test_classes_are_numbers_only_where_that_changes_no_name(names, found):
    assert class_values(names).tolist() == found


def test_a_run_records_the_data_it_was_given(tmp_path):
    images, labels = np.random.default_rng(0).random((60, 8, 8)), np.arange(60) % 3
    np.savez(tmp_path / "pets.npz", x=images, y=labels)
    quick = {"epochs": 1, "hidden": [8, 8], "progress": False}
    for data, name in ((tmp_path / "pets.npz", str(tmp_path / "pets.npz")), ([images, labels], "arrays")):
        trained = ffrec.train("recurrent-digits", data=data, out=tmp_path / "run", force=True, **quick)
        assert trained.model.recipe.data == name
    summary, *_ = read_all(tmp_path)[0]
    assert summary.result is None  # arrays have no test images
