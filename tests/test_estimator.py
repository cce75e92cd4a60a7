"""The scikit-learn classifier: scikit-learn's own checks, and what they do not check."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ffrec
from ffrec import FFClassifier
from ffrec.estimator import set_aside

TINY = {"hidden": (24, 24), "epochs": 15, "batch_size": 20, "learning_rate": 1e-2, "random_state": 0}


@parametrize_with_checks([FFClassifier("recurrent", **TINY), FFClassifier("feedforward", **TINY)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    """Training and test features, training and test labels."""
    X, y = load_digits(return_X_y=True)  # noqa: N806
    return train_test_split(X / 16, y, test_size=0.25, stratify=y, random_state=100)


@pytest.fixture(scope="module", params=["recurrent", "feedforward"])
def fitted(request, digits):
    X, _, y, _ = digits  # noqa: N806
    options = {"hidden": (100, 100), "epochs": 10, "batch_size": 20, "learning_rate": 3e-3}
    return FFClassifier(request.param, random_state=0, **options).fit(X, y)


def test_digits_are_learnt(fitted, digits):
    assert fitted.score(digits[1], digits[3]) > 0.93
    assert fitted.n_iter_ == 10
    assert fitted.n_features_in_ == 64
    assert fitted.classes_.tolist() == list(range(10))


def test_probabilities_are_calibrated_on_rows_put_aside(fitted, digits):
    _, X, _, y = digits  # noqa: N806
    proba = fitted.predict_proba(X)
    assert fitted.calibration_.fitted_on == "validation"
    assert fitted.calibration_.n == pytest.approx(0.1 * 1347, abs=6)
    assert (proba.argmax(1) == fitted.predict(X)).all()
    assert ffrec.expected_calibration_error(torch.from_numpy(proba), torch.from_numpy(y)) < 0.06


def test_a_fit_is_repeatable_and_leaves_global_chance_alone(digits):
    X, Z, y, _ = digits  # noqa: N806
    small = FFClassifier(hidden=(20, 20), epochs=1, random_state=3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, other = clone(small).fit(X, y), clone(small).fit(X, y)
    assert (torch.get_rng_state() == before).all()
    assert (one.predict_proba(Z) == other.predict_proba(Z)).all()
    third = clone(small).set_params(random_state=4).fit(X, y)
    assert (one.predict_proba(Z) != third.predict_proba(Z)).any()


def test_pickle_and_float32(fitted, digits):
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(digits[1]) == fitted.predict_proba(digits[1])).all()
    single = fitted.predict_proba(digits[1].astype(np.float32))
    assert single == pytest.approx(fitted.predict_proba(digits[1]), abs=1e-4)


def test_a_common_factor_of_all_features_changes_nothing(digits):
    X, Z, y, _ = digits  # noqa: N806
    small = FFClassifier(hidden=(20, 20), epochs=1, random_state=3)
    wanted = clone(small).fit(X, y).decision_function(Z)
    for factor in (1e-3, 1e200):
        assert clone(small).fit(X * factor, y).decision_function(Z * factor) == pytest.approx(
            wanted, abs=1e-3
        )


def test_the_length_of_a_row_counts():
    X = np.random.default_rng(0).uniform(0.5, 4, (200, 1))  # noqa: N806
    y = np.where(X[:, 0] > 2, "long", "short")
    found = FFClassifier(**TINY).fit(X, y)
    assert found.score(X, y) > 0.9


def test_standardised_features_in_a_pipeline_and_a_search():
    X, y = make_moons(200, noise=0.1, random_state=0)  # noqa: N806
    pipe = make_pipeline(StandardScaler(), FFClassifier(**TINY))
    search = GridSearchCV(pipe, {"ffclassifier__network": ["recurrent", "feedforward"]}, cv=2)
    assert search.fit(X * 100 + 1000, y).best_score_ > 0.85


@pytest.mark.parametrize("network", ["recurrent", "feedforward"])
def test_constant_rows_and_two_samples(network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two = FFClassifier(network, **TINY).fit([[0.0, 0.0], [1.0, 1.0]], ["a", "b"])
        zeros = two.predict_proba(np.zeros((3, 2)))
        images = FFClassifier(network, image_shape=(1, 2), **TINY).fit([[0.0, 0.0], [1.0, 1.0]], ["a", "b"])
    assert two.predict([[0.0, 0.0], [1.0, 1.0]]).tolist() == ["a", "b"]
    assert np.isfinite(zeros).all()
    assert (two.calibration_.fitted_on, two.calibration_.n) == ("training", 2)
    assert np.isfinite(images.predict_proba(np.zeros((3, 2)))).all()


def test_images_keep_their_shape_and_may_shift(digits):
    X, Z, y, _ = digits  # noqa: N806
    options = {"hidden": (30, 30), "epochs": 2, "random_state": 0, "image_shape": (8, 8), "jitter": 1}
    found = FFClassifier(**options).fit(X, y)
    assert found.decision_function(Z) == pytest.approx(found.decision_function(Z / 7), abs=1e-9)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"network": "convolutional"}, "expected 'recurrent' or 'feedforward'"),
        ({"hidden": ()}, "hidden"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": -1}, "batch"),
        ({"jitter": 1}, "give image_shape"),
        ({"image_shape": (3, 3)}, "image_shape: expected"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"device": "abacus"}, "device"),
        ({"negatives": "hybrid"}, "negatives"),
    ],
)
def test_wrong_parameters_are_told_at_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        FFClassifier(**parameters).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])


def test_one_class_is_told():
    with pytest.raises(ValueError, match="found one class"):
        FFClassifier().fit([[0.0, 1.0], [1.0, 0.0]], [1, 1])


def test_two_classes_have_one_decision():
    X = np.array([[0.0, 1.0], [1.0, 0.0]] * 10)  # noqa: N806
    found = FFClassifier(**TINY).fit(X, [5, 9] * 10)
    assert found.decision_function(X).shape == (20,)
    assert (np.where(found.decision_function(X) > 0, 9, 5) == found.predict(X)).all()


def test_rows_put_aside_are_of_every_class_its_share():
    codes = np.array([0] * 60 + [1] * 40)
    learnt, held = set_aside(codes, 0.2, np.random.RandomState(0))
    assert np.bincount(codes[held]).tolist() == [12, 8]
    assert sorted([*learnt, *held]) == list(range(100))
    learnt, held = set_aside(codes[:20], 0.2, np.random.RandomState(0))  # 4 rows would be too few
    assert (len(learnt), len(held)) == (20, 0)


def test_verbose_prints_a_line_an_epoch(capsys):
    FFClassifier(**TINY | {"epochs": 2, "verbose": 1}).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_is_written_to_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FFClassifier(**TINY).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    assert not list(tmp_path.iterdir())
