"""Settings that cannot be: one line before training starts, and no run folder."""

import pytest
from commands import assert_refused, ffrec
from hypothesis import given, settings
from hypothesis import strategies as st

from ffrec.config import ConfigError
from ffrec.recipes import recipe

SMALL = ["--set", "hidden=[20,20]", "--set", "epochs=1", "--out", "new"]
WILD = [
    ("epochs=2020-01-01", "training.epochs", "date"),
    ("optimiser_options={a=2020-01-01T00:00:00}", "optimiser_options.a", "datetime"),
    ("optimiser_options={foreach=true,fused=true}", "optimiser_options", "cannot be `True` together"),
    ("optimiser_options={betas=[0.9]}", "optimiser_options"),
    ("optimiser_options={eps='small'}", "optimiser_options"),
    ("optimiser_options={eps=nan}", "optimiser_options.eps", "nan"),
    ("optimiser_options={lr=1}", "lr would be ignored"),
    ("epochs=99999999999999999999999", "training.epochs", "64 bits"),
    ("batch=-9223372036854775809", "training.batch", "64 bits"),
    ("hidden=[99999999999999999999999]", "network.hidden", "64 bits"),
    (f"epochs={'9' * 5000}", "--set epochs"),
    (f"hidden={'[' * 3000}", "--set hidden"),
    ("threshold=-1e308", "network.threshold", "float32"),
    ("rate=1e-320", "training.rate", "float32"),
    ("rate=inf", "training.rate", "float32"),
]


@pytest.mark.parametrize(("setting", "words"), [(setting, words) for setting, *words in WILD])
def test_a_setting_that_cannot_be_is_refused(setting, words, tmp_path):
    done = ffrec("train", "recurrent-digits", *SMALL, "--set", setting, cwd=tmp_path)
    assert_refused(done, *words)
    assert not (tmp_path / "new").exists()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["hidden", "epochs", "rate", "threshold", "optimiser_options", "negatives"]), values)
def test_any_value_makes_a_recipe_or_one_error(name, value):
    try:
        made = recipe("recurrent-digits").override({name: value})
    except ConfigError as error:
        assert str(error)
    else:
        assert made.override({}) == made  # what was accepted can be stored
