"""What `ffrec bench` compares a step to: its own products, and its twin by autograd; and how it says so."""

import json

import pytest
import torch
from commands import assert_refused, ffrec

from ffrec.baselines.chain import autograd_chain
from ffrec.bench import suite, timing, works
from ffrec.bench.formulas import Product
from ffrec.bench.products import multiply
from ffrec.bench.works import image_trainer, image_work, text_work, tried_work
from ffrec.recipes import recipe
from ffrec.recipes.text import aesop_goodness, figure_5
from ffrec.training.text import TextTrainer

RECURRENT = recipe("recurrent-mnist").override(
    {"hidden": [6, 7], "iterations": 4, "loss": [3, 4], "batch": 5}
)
SUPERVISED = recipe("supervised-mnist").override({"hidden": [6, 7, 8], "batch": 5})
CANDIDATES = aesop_goodness(state=True).override({"hidden": [6, 7], "batch": 2})
CHARACTERS = figure_5("together", small=True).override({"hidden": [6, 7], "batch": 3})


def text_trainer():
    return TextTrainer(CHARACTERS, torch.zeros(3, 12, dtype=torch.long), 30)


@pytest.fixture
def asked_for(monkeypatch):
    """All products that are to be timed."""
    found = []
    original = works.multiply
    monkeypatch.setattr(
        works, "multiply", lambda products, *how: found.extend(products) or original(found, *how)
    )
    return found


@pytest.mark.parametrize(
    ("make", "cases", "left_out"),
    [
        (lambda: image_work(RECURRENT, "fp32", "cpu", side=8), 5, []),
        (lambda: image_work(SUPERVISED, "fp32", "cpu", side=8), 5, []),
        (lambda: text_work(CHARACTERS, "fp32", "cpu", length=14), 3 * 4, []),
        (lambda: tried_work(CANDIDATES, "fp32", "cpu", length=14), 2 * 4, [(30, 6)]),
    ],
)
def test_the_products_that_are_timed_are_those_of_the_network(make, cases, left_out, asked_for, monkeypatch):
    """Every matrix of the network has a gradient, but that of characters that are tried; rows are multiples
    of the cases."""
    networks = []
    original = works.computing
    monkeypatch.setattr(
        works, "computing", lambda network, *how: networks.append(network) or original(network, *how)
    )
    make().variants["step"]()
    network = networks[-1]
    connected = [layer.connection(source).weight for layer in network.layers for source in layer.sources]
    shapes = [tuple(weight.shape) for weight in (*connected, network.readout.weight)]
    learnt = [(source, units) for _, kind, _, source, units in asked_for if kind == "grad"]
    assert sorted(learnt + left_out) == sorted(shapes)
    assert all(product.rows % cases == 0 for product in asked_for)


def test_a_string_is_written_beside_the_products_of_its_second_layer(asked_for):
    suite.sampling(8)("fp32", "cpu")
    assert asked_for == [Product(2, "forward", 30, 8, 8)] * suite.ROLLED


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_formed_in_the_type_that_was_asked_for(dtype, monkeypatch):
    seen = []
    products = [Product(1, "forward", 5, 3, 4), Product(1, "grad", 6, 3, 4), Product(1, "forward", 2, 3, 4)]
    run = multiply(products, dtype, torch.device("cpu"))
    mm = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b: seen.append((a, b)) or mm(a, b))
    run()
    shapes = [(tuple(a.shape), tuple(b.shape)) for a, b in seen]
    assert shapes == [((5, 3), (3, 4)), ((3, 6), (6, 4)), ((2, 3), (3, 4))]
    assert seen[0][1] is seen[2][1]  # a layer has one matrix, which stays in the cache
    assert {x.dtype for pair in seen for x in pair} == {dtype}


def test_a_chain_by_autograd_has_the_gradients_of_the_local_update():
    trainer = image_trainer(SUPERVISED, "fp32", "cpu", side=8)
    network = trainer.network.double()
    rows, labels = torch.rand(5, 64, dtype=torch.float64), torch.tensor([[0, 1]]).expand(5, 2)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    with torch.no_grad():
        encoding = network.encode(rows)
        loss, _ = network.learn(encoding, labels, signs)
    found = {name: p.grad.clone() for name, p in network.layers.named_parameters()}
    network.layers.requires_grad_()
    network.layers.zero_grad()
    inputs = {"0": encoding.input, "label": labels.unsqueeze(2)}
    whole = autograd_chain([network.layer(level) for level in network.levels], inputs, signs)
    torch.testing.assert_close(whole, loss.sum())
    for name, p in network.layers.named_parameters():
        torch.testing.assert_close(p.grad, found[name], msg=name)


@pytest.mark.parametrize("arithmetic", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["recurrent", "supervised", "characters"])
def test_a_step_and_its_twin_learn_alike(kind, arithmetic, monkeypatch):
    """Same weights, same data: after one step each, hidden layers have moved in nearly the same direction."""
    kept = []
    made = {
        "recurrent": lambda: image_work(RECURRENT, arithmetic, "cpu", side=8),
        "supervised": lambda: image_work(SUPERVISED.override({"dropout": 0.0}), arithmetic, "cpu", side=8),
        "characters": lambda: text_work(CHARACTERS, arithmetic, "cpu", length=14),
    }
    build = works.variants

    def keep(trainer, twin, *rest):
        kept.extend((trainer, twin))
        return build(trainer, twin, *rest)

    monkeypatch.setattr(works, "variants", keep)
    work = made[kind]()
    assert work.cases == {"recurrent": 5, "supervised": 5, "characters": 3 * 4}[kind]
    trainer, twin = kept
    work.variants["step"]()  # the twin has had its first step already
    for name, weight in trainer.network.layers.named_parameters():
        grad = twin.network.layers.get_parameter(name).grad
        assert grad is not None
        cosine = torch.cosine_similarity(weight.grad.flatten(), grad.float().flatten(), dim=0)
        assert cosine > (0.999 if arithmetic == "fp32" else 0.9), name


def test_variants_take_turns_and_the_fastest_round_counts(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    takes = {"a": iter([9.0, 3.0, 1.0, 2.0]), "b": iter([9.0, 5.0, 7.0, 6.0])}

    def variant(name):
        def run():
            order.append(name)
            clock[0] += next(takes[name])

        return run

    found = timing.turns({name: variant(name) for name in takes}, seconds=0.0)
    assert order == ["a", "b"] * 4  # one round warms up, three are counted
    assert found == {"a": timing.Timed(1.0, 2.0), "b": timing.Timed(5.0, 6.0)}


TINY = (
    suite.Bench("tiny step", lambda *where: image_work(SUPERVISED, *where, side=8)),
    suite.Bench("tiny rollouts", suite.rollouts(8, together=6)),
    suite.Bench("tiny labels", suite.evaluation(lambda: RECURRENT)),
    suite.Bench("tiny sampling", suite.sampling(8)),
    suite.Bench("tiny candidates", lambda *where: tried_work(CANDIDATES, *where, length=14)),
)


def test_rows_hold_the_ratios_of_what_was_timed():
    rows = list(suite.measured(list(TINY), ("fp32", "bf16"), "cpu", 0.0))
    assert [row["work"] for row in rows] == [bench.name for bench in TINY for _ in range(2)]
    for row in rows[:2]:
        assert row["ratio"] == pytest.approx(row["seconds"] / (row["products"] + row["optimiser"]))
        assert row["over_products"] == pytest.approx(row["seconds"] / row["products"])
        assert row["per_second"] == pytest.approx(5 / row["seconds"])
        assert row["twin"] > 0
    assert rows[2]["per_second"] == pytest.approx(6 * suite.ROLLED / rows[2]["seconds"])
    assert rows[5]["over_float32"] == pytest.approx(rows[5]["seconds"] / rows[4]["seconds"])
    assert all(row["busy"] >= 1 for row in rows)
    assert rows[6]["per_second"] == pytest.approx(suite.ROLLED / rows[6]["seconds"])
    assert rows[6]["over_products"] == pytest.approx(rows[6]["seconds"] / rows[6]["products"])
    assert "ratio" not in rows[6]
    assert rows[8]["per_second"] == pytest.approx(2 * (14 - CANDIDATES.network.window) / rows[8]["seconds"])
    assert rows[8]["ratio"] == pytest.approx(
        rows[8]["seconds"] / (rows[8]["products"] + rows[8]["optimiser"])
    )
    assert "twin" not in rows[8]


def test_a_row_says_what_the_times_of_its_variants_say():
    seconds = {"step": (6.0, 9.0), "products": (2.0, 8.0), "optimiser": (1.0, 8.0), "twin": (12.0, 12.0)}
    found = {name: timing.Timed(*pair) for name, pair in seconds.items()}
    row = suite.row_of(suite.Work("images", 30, {}), found)
    assert row["ratio"] == 2.0
    assert row["over_products"] == 3.0
    assert row["twin"] == 2.0
    assert row["busy"] == 1.5
    assert row["per_second"] == 5.0
    found = {"step": timing.Timed(4.0, 4.0), "single": timing.Timed(2.0, 2.0)}
    row = suite.row_of(suite.Work("characters", 248 * suite.ROLLED, {}), found)
    assert row["over_single"] == 124.0


def test_the_command_prints_lines_or_one_json(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "BENCHES", TINY)
    done = ffrec("bench", "--device", "cpu", "--seconds", "0", "--only", "tiny*s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "threads; bfloat16 products" in done.stdout
    assert "tiny rollouts" in done.stdout
    done = ffrec("bench", "--device", "cpu", "--seconds", "0", "--only", "step", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["rows"][0]["work"] == "tiny step"
    assert {"torch", "device", "threads", "bfloat16_over_float32"} <= found.keys()


def test_a_name_that_nothing_has_is_refused(tmp_path):
    assert_refused(ffrec("bench", "--only", "nonsense", cwd=tmp_path), "--only", "recurrent 3 × 2000")


def test_the_script_for_the_time_of_an_update_has_a_row_for_every_way_to_learn():
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parent.parent
    script = [sys.executable, str(root / "benchmarks" / "update_time.py")]
    asked = [*script, "--recipe", "conv-mnist", "--batch", "4", "--seconds", "0"]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["`conv-mnist`", "`backprop-conv-mnist`", "`deep-conv-mnist`"]
    assert [rows[1][2], rows[1][4]] == ["1.00", "1.00"]
    assert all(float(cell) > 0 for row in rows for cell in row[1:])
