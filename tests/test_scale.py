"""The clock of docs/scale.md: hand calculations."""

import json
import sys
from pathlib import Path

import pytest

from ffrec.bench.formulas import Computation, Product
from ffrec.studies.scale import (
    Device,
    Habits,
    Spent,
    averaging,
    data_parallel,
    half,
    pipeline,
    ring,
    roofline,
    spent,
    stages,
    tree,
    two_levels,
)

ROOT = Path(__file__).parent.parent
EACH = Spent({1: 3.0, 2: 2.0, 3: 1.0}, {1: 4.0, 2: 4.0, 3: 1.0}, {1: 0.5, 2: 0.5, 3: 0.0}, rest=6.0)
WORK = Computation(1, (), {1: 1, 2: 1, 3: 1}, 1, hidden=(10, 20))


def test_an_update_is_the_sum_of_its_parts():
    products = (Product(1, "forward", 2, 3, 5), Product(1, "grad", 4, 3, 5), Product(2, "forward", 2, 5, 1))
    work = Computation(2, products, {1: 20, 2: 6}, formed=10, hidden=(5,))
    device = Device(lambda p: float(p.rows), near=2.0, far=4.0, call=0.5, weight=0.1)
    found = spent(work, Habits(activity=6.0, weight=2.0, operations=8), device)
    assert (found.forward, found.grad) == ({1: 2.0, 2: 2.0}, {1: 4.0, 2: 0.0})
    assert found.rest == 10 * 6 / 2 + 26 * 2 / 4 + 8 * 0.5
    assert found.optimiser == pytest.approx({1: 2.0, 2: 0.6})
    assert found.whole == pytest.approx(8 + 47 + 2.6)


def test_everything_takes_longer():
    assert EACH.times(2).whole == 2 * EACH.whole
    assert EACH.times(2).ways == 2 * EACH.ways


def test_a_product_takes_what_is_slower():
    product = Product(1, "forward", 2, 10, 10)  # 400 flops on 140 numbers
    assert roofline(100, 1e9, 4)(product) == 4
    assert roofline(1e9, 70, 4, call=1)(product) == 1 + 8


def test_rings():
    assert ring(1, 10, 1)(100) == 0
    assert ring(4, 10, 1)(100) == 2 * 3 * (25 / 10 + 1)
    assert two_levels(4, 8, (10, 1), (1, 5))(100) == ring(4, 10, 1)(100)
    assert two_levels(32, 8, (10, 1), (1, 5))(80) == ring(8, 10, 1)(80) + ring(4, 1, 5)(10)
    assert tree(1, 10, 1)(100) == 0
    assert tree(8, 10, 1)(100) == 2 * (10 + 3)
    assert two_levels(32, 8, (10, 1), (1, 5), tree)(80) == ring(8, 10, 1)(80) + tree(4, 1, 5)(10)


def test_gradients_travel_while_the_next_layer_computes():
    def alone(data):
        return data / 4  # a second for every weight

    weights = {1: 2, 2: 3, 3: 1}
    # products end at 12 + 4, + 4, + 1; gradients: 16 to 18, 20 to 23, 23 to 24
    assert data_parallel(EACH, weights, alone) == 24 + 1
    assert data_parallel(EACH, weights, lambda data: 0.0) == EACH.whole == 22
    # in half the bytes: 16 to 17, 20 to 21.5, 21.5 to 22
    assert data_parallel(EACH, weights, alone, gradient=2) == 22 + 1
    # all of the time of the two first ones is lost to products: 16 + 2 + 4 + 3 + 1 + 1, no overlap is left
    assert data_parallel(EACH, weights, alone, busy=1.0) == 27 + 1
    # a quarter of the optimiser, and the weights come back
    assert data_parallel(EACH, weights, alone, half(alone), shards=4) == 24 + 0.25 + 3
    assert averaging(EACH, weights, alone, every=3) == 22 + 2


def test_a_pipeline_is_as_fast_as_its_slowest_stage():
    one, two = stages(EACH, WORK, 2)
    assert (one.whole, two.whole) == (3 + 4 + 0.5 + 2, 2 + 1 + 4 + 1 + 0.5 + 4)
    assert pipeline([one, two], message=1.0) == 12.5
    assert pipeline([one, two], message=20.0) == 20
    assert pipeline([one, two], message=1.0, busy=0.5) == 13
    assert pipeline(stages(EACH, WORK, 1), message=1.0, busy=0.5) == EACH.whole
    with pytest.raises(ValueError, match="expected 1 to 2 stages"):
        stages(EACH, WORK, 3)


def test_stages_are_cut_where_the_slowest_is_fastest():
    each = Spent(
        {1: 5.0, 2: 1.0, 3: 1.0, 4: 3.0, 5: 0.0},
        dict.fromkeys(range(1, 6), 0.0),
        dict.fromkeys(range(1, 6), 0.0),
        0.0,
    )
    work = WORK._replace(hidden=(1, 1, 1, 1))
    assert [sorted(stage.forward) for stage in stages(each, work, 2)] == [[1], [2, 3, 4, 5]]
    assert [sorted(stage.forward) for stage in stages(each, work, 3)] == [[1], [2, 3], [4, 5]]


def test_the_page_holds_the_tables_of_the_stored_measurements(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    scale = pytest.importorskip("scale")
    inputs, page = json.loads(scale.STORED.read_text()), (ROOT / "docs/scale.md").read_text()
    for name, make in scale.TABLES.items():
        assert f"<!-- {name} -->\n{make(inputs)}\n<!-- /{name} -->" in page, "run benchmarks/scale.py --into"
    sys.modules.pop("scale")
