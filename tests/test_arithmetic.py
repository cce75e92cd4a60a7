"""Products in bfloat16: weights are cast once an update, and what is learnt is what float32 learns."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch

from ffrec.config import ConfigError
from ffrec.learning.arithmetic import Weighted, wide
from ffrec.learning.connection import BLOCK, Codes, Connection, Dense
from ffrec.learning.goodness import Blocks, Goodness, MeanSquare, Minus
from ffrec.learning.layer import Layer
from ffrec.recipes import recipe
from ffrec.registry import PluginError
from ffrec.training.arithmetic import computing, pick_precision
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

CPU = torch.device("cpu")
IMAGES = {
    "recurrent": ("recurrent-digits", {"hidden": [40, 30]}),
    "alternating": ("recurrent-mnist-alternating", {"hidden": [40, 30], "loss": [3, 6], "iterations": 6}),
    "supervised": ("supervised-digits", {"hidden": [40, 30, 30]}),
    "student-t": ("supervised-digits", {"hidden": [40, 30, 30], "activation": "student-t"}),
    "peers": ("supervised-digits", {"hidden": [40, 30, 30], "peer": 0.03}),
    "classes": (
        "supervised-digits",
        {
            "hidden": [40, 30],
            "reads": [1, 2],
            "objective": "classes",
            "goodness": "scores",
            "negatives": "none",
        }
        | {"label": "none", "negatives": "none", "activity": "max", "threshold": 1.0},
    ),
    "hybrids": ("unsupervised-mnist", {"hidden": [40, 30, 30], "reads": [2, 3]}),
    "centred": ("sleep-digits-cure", {"hidden": [40, 30, 30]}),
}


def of_images(name, arithmetic="fp32", **changed):
    chosen, settings = IMAGES[name]
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (64, 8, 8), generator=drawn, dtype=torch.uint8)
    labels = torch.arange(64) % 10
    made = recipe(chosen).override({"batch": 32} | settings | changed)
    return ImageTrainer(made, images, labels, 10, arithmetic=arithmetic)


def of_text(regime="together"):
    strings = torch.randint(30, (12, 40), generator=torch.Generator().manual_seed(0))
    chosen = recipe("aesop-together-small").override({"hidden": [40, 30], "batch": 6, "regime": regime})
    return TextTrainer(chosen, strings, 30)


def gradients(trainer, precision):
    """Of one update, from the weights that a new trainer has."""
    with torch.no_grad(), computing(trainer.network, precision, CPU):
        trainer.optimiser.step = lambda: None
        trainer.update(torch.arange(6 if isinstance(trainer, TextTrainer) else 32))
    return {name: p.grad.clone() for name, p in trainer.network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", IMAGES)
def test_gradients_are_those_of_float32_but_for_rounding(name):
    exact, rounded = gradients(of_images(name), "fp32"), gradients(of_images(name), "bf16")
    assert exact.keys() == rounded.keys()
    for parameter, grad in exact.items():
        assert rounded[parameter].dtype is torch.float32
        assert (rounded[parameter] - grad).norm() <= 0.05 * grad.norm() + 1e-6, parameter


@pytest.mark.parametrize("regime", ["together", "teacher-forced"])
def test_gradients_of_text_are_those_of_float32_but_for_rounding(regime):
    exact, rounded = gradients(of_text(regime), "fp32"), gradients(of_text(regime), "bf16")
    for parameter, grad in exact.items():
        assert (rounded[parameter] - grad).norm() <= 0.05 * grad.norm() + 1e-6, parameter


def test_activities_and_what_is_sent_are_bfloat16_and_goodness_float32():
    network = of_images("recurrent").network
    with computing(network, "bf16", CPU):
        encoding = network.encode(torch.rand(4, 64))
        *_, step = network.steps(encoding, torch.zeros(4, 2, dtype=torch.long), 4)
        sent = [x for name, x in step.inputs.items() if name != "3"]
        assert {x.dtype for x in (*sent, *step.activities.values())} == {torch.bfloat16}
        assert network.mean_goodness(step).dtype is torch.float32
        assert network.logits(encoding).dtype is torch.float32
    assert network.encode(torch.rand(4, 64)).input.dtype is torch.float32


@pytest.mark.parametrize("repeats", [1, 3])
def test_weights_are_cast_once_an_update(repeats, monkeypatch):
    trainer = of_images("recurrent", repeats=repeats)
    cast = []
    copy_ = torch.Tensor.copy_

    def counted(onto, source, *more):
        if onto.dtype is torch.bfloat16 and isinstance(source, torch.nn.Parameter):
            cast.append(id(source))
        return copy_(onto, source, *more)

    monkeypatch.setattr(torch.Tensor, "copy_", counted)
    with torch.no_grad(), computing(trainer.network, "bf16", CPU):
        trainer.update(torch.arange(32))
    assert sorted(cast) == sorted(id(m.weight) for m in trainer.network.weighted for _ in range(repeats))


def test_a_cast_is_of_the_weights_as_they_are_now():
    trainer = of_images("supervised")
    with torch.no_grad():
        for _ in range(2):
            with computing(trainer.network, "bf16", CPU):
                for module in trainer.network.weighted:
                    assert torch.equal(module.working, module.weight.to(torch.bfloat16))
                trainer.update(torch.arange(32))
                for module in trainer.network.weighted:
                    assert torch.equal(module.working, module.weight.to(torch.bfloat16))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_casts_its_own_weights(duplicate, generator):
    dense = Dense(5, 3, generator)
    dense.arithmetic = torch.bfloat16
    assert dense.working.dtype is torch.bfloat16
    other = duplicate(dense)
    other.weight.zero_()
    assert not other.working.any()
    assert dense.working.any()


def test_weights_in_their_own_type_are_not_copied(generator):
    dense = Dense(5, 3, generator)
    assert dense.working is dense.weight
    assert dense.double().working is dense.weight
    assert dense.dtype is torch.float64
    assert isinstance(dense, Weighted)


def test_sums_of_many_terms_are_float32_at_least():
    assert [wide(t) for t in (torch.bfloat16, torch.float32, torch.float64)] == [
        torch.float32,
        torch.float32,
        torch.float64,
    ]


@pytest.mark.parametrize("given", [1, 3])
@pytest.mark.parametrize("rows", [7, BLOCK + 3])
def test_sums_of_codes_equal_the_product_with_codes_written_out(given, rows, generator):
    codes = Codes(4, 5, generator, positions=3).double()
    x = torch.randint(4, (rows, given), generator=generator)
    delta = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    codes.weight_grad.fill_(1.0)
    codes.add_weight_grad(x, delta)
    torch.testing.assert_close(codes.weight.grad, 1 + codes.dense(x).T @ delta)


def test_auto_is_bfloat16_where_that_is_faster(monkeypatch):
    taken = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr("ffrec.training.arithmetic.seconds", taken.get)
    assert of_images("recurrent", arithmetic="auto").arithmetic == "bf16"
    assert pick_precision("auto", CPU) == "bf16"
    taken[torch.bfloat16] = 1.9
    assert pick_precision("auto", CPU) == "fp32"
    assert pick_precision("bf16", CPU) == "bf16"
    assert pick_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize(("name", "message"), [("tf32", "needs --device cuda"), ("fp16", "found 'fp16'")])
def test_other_precisions_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        pick_precision(name, CPU)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_product_that_borrows_the_casts_memory_leaves_the_weights_as_they_are(dtype, generator):
    dense = Dense(5, 3, generator)
    dense.arithmetic = dtype
    x, delta = torch.randn(7, 5).to(dense.dtype), torch.randn(7, 3).to(dense.dtype)
    before = dense(x)
    dense.add_weight_grad(x, delta)
    assert torch.equal(dense(x), before)
    first = dense.weight.grad.clone()
    dense.add_weight_grad(x, delta)
    torch.testing.assert_close(dense.weight.grad, 2 * first)


def test_a_gradient_that_nothing_was_added_to_is_zero(generator):
    dense = Dense(5, 3, generator)
    dense.add_weight_grad(torch.ones(7, 5), torch.ones(7, 3))
    dense.weight.grad = None
    assert not dense.weight_grad.any()


class Cubes(Goodness):
    """Σ h³ / units, by someone who thinks of float32 alone."""

    def value(self, h):
        assert h.dtype is torch.float32
        return h.pow(3).mean(-1)

    def grad(self, h, weight):
        assert h.dtype is torch.float32
        return 3 * h.square() * (weight / h.shape[-1]).unsqueeze(-1)

    def norm(self, h):
        return h.square().mean(-1).sqrt()


@pytest.mark.parametrize("wrapped", [Minus, lambda whole: Blocks(whole, 5)])
def test_a_goodness_that_says_nothing_of_bfloat16_is_given_float32(wrapped):
    trainer = of_images("supervised")
    for level in trainer.network.levels:
        trainer.network.layer(level).goodness = wrapped(Cubes())
    assert all(grad.any() and grad.isfinite().all() for grad in gradients(trainer, "bf16").values())


@pytest.mark.parametrize("shape", [(7, 2, 5), (3, 9), (4,)])
def test_a_large_sum_of_squares_is_made_of_parts(shape, monkeypatch, generator):
    monkeypatch.setattr("ffrec.learning.goodness.LARGE", 11)
    h = torch.randn(shape, generator=generator).to(torch.bfloat16)
    found = MeanSquare().value(h)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, h.float().square().mean(-1))


def test_weights_that_are_loaded_are_cast_anew():
    network, other = of_images("recurrent").network, of_images("recurrent").network
    other.layer(1).connection("0").weight.mul_(2)
    network.compute_in(torch.bfloat16).encode(torch.rand(4, 64))
    network.load_state_dict(other.state_dict())
    for module in network.weighted:
        assert torch.equal(module.working, module.weight.to(torch.bfloat16))


def test_a_connection_that_multiplies_by_its_own_weights_is_named(generator):
    class Old(Connection):
        def forward(self, x):
            return x @ self.weight

        def add_weight_grad(self, x, delta):
            self.add_grad(x.T @ delta)

    layer = Layer({"0": Old(5, 3, (5, 3), 5, generator)})
    layer(torch.ones(2, 5))
    layer.connection("0").arithmetic = torch.bfloat16
    with pytest.raises(PluginError, match=r"connection Old: expected products with self\.working"):
        layer(torch.ones(2, 5, dtype=torch.bfloat16))


def silent(steps: int) -> torch.Tensor:
    """Adam's moving average of a gradient that has been zero for so many steps."""
    weight = torch.zeros(8, requires_grad=True)
    optimiser = torch.optim.Adam([weight], betas=(0.5, 0.9))
    for step in range(steps):
        weight.grad = torch.full((8,), float(step == 0))
        optimiser.step()
    return optimiser.state[weight]["exp_avg"]


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this CPU cannot take them for zero")
def test_averages_of_silent_units_end_at_zero_instead_of_denormal_numbers():
    assert 0 < silent(140).abs().max() < torch.finfo(torch.float32).tiny
    with computing(of_images("supervised").network, "fp32", CPU):
        assert not silent(140).any()
    assert silent(140).any(), "denormal numbers are put back"


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this CPU cannot take them for zero")
def test_a_user_who_flushes_denormal_numbers_goes_on_doing_so():
    torch.set_flush_denormal(True)
    try:
        with computing(of_images("supervised").network, "fp32", CPU):
            pass
        assert not silent(140).any()
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.slow
def test_threads_that_start_inside_take_denormal_numbers_for_zero_too():
    code = """
import torch
from ffrec.training.arithmetic import without_denormals
with without_denormals():
    torch.set_num_threads(2)
    made = torch.full((4_000_000,), 1e-38) * 0.01
print(made.view(torch.int32).count_nonzero().item())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
