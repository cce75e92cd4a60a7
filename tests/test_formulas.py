"""The formulas of docs/scale.md against what one update of each network really multiplies."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, mm_flop

from ffrec.bench.formulas import Product, character, feedforward, generation, goodness_character, recurrent
from ffrec.config import CharacterConfig, FeedForwardConfig, GoodnessCharacterConfig, RecurrentConfig
from ffrec.recipes import recipe
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

CLASSES, SYMBOLS, CASES = 10, 30, 7
# torch counts no product that adds onto its first argument in place
IN_PLACE = {torch.ops.aten.addmm_: lambda onto, a, b, *_, out_shape=None, **__: mm_flop(a, b)}


def multiplied(work):
    """Flops of all matrix products that a function makes."""
    with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
        work()
    return counter.get_total_flops()


def image_trainer(name, **settings):
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (CASES, 12, 12), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (CASES,), generator=drawn)
    chosen = recipe(name).override({"batch": CASES, "dropout": 0.0} | settings)
    return ImageTrainer(chosen, images, labels, CLASSES)


def parameters(trainer):
    return sum(
        p.numel() for part in (trainer.network.layers, trainer.network.readout) for p in part.parameters()
    )


@pytest.mark.parametrize(
    ("name", "formula", "settings"),
    [
        ("recurrent-mnist", recurrent, {"hidden": [20, 30, 40]}),
        ("recurrent-mnist", recurrent, {"hidden": [20, 30], "loss": [2, 5], "iterations": 6}),
        ("recurrent-mnist", recurrent, {"hidden": [20, 20, 20], "skip": [[0, 2], [1, 3], [3, 1]]}),
        ("supervised-mnist", feedforward, {"hidden": [20, 30, 40]}),
        ("supervised-mnist", feedforward, {"hidden": [20, 30, 40], "label": "append", "reads": [1, 2, 3]}),
        ("unsupervised-mnist", feedforward, {"hidden": [20, 30, 40]}),
    ],
)
def test_the_products_of_an_update_on_images(name, formula, settings):
    trainer = image_trainer(name, **settings)
    work = formula(trainer.recipe.network, 144, CLASSES, CASES)
    trainer.rows(torch.arange(CASES))  # the filter that blurs masks is made once
    masks = multiplied(lambda: trainer.rows(torch.arange(CASES)))
    assert work.flops == multiplied(lambda: trainer.update(torch.arange(CASES))) - masks
    assert sum(work.weights.values()) == parameters(trainer)


@pytest.mark.parametrize("lookahead", [False, True])
def test_the_products_of_an_update_on_text(lookahead):
    drawn = torch.Generator().manual_seed(0)
    strings = torch.randint(SYMBOLS, (2, 30), generator=drawn)
    settings = {"hidden": [20, 30, 40], "lookahead": lookahead, "batch": 2}
    trainer = TextTrainer(recipe("aesop-together-small").override(settings), strings, SYMBOLS)
    config, cases = trainer.recipe.network, 2 * (30 - 10)
    work = character(config, SYMBOLS, cases)
    assert work.flops == multiplied(lambda: trainer.learn(torch.arange(2), "both"))
    assert sum(work.weights.values()) == parameters(trainer)
    assert generation(config, SYMBOLS, cases) == multiplied(lambda: trainer.generate(strings, trainer.draws))


@pytest.mark.parametrize("settings", [{}, {"iterations": 2}, {"state": 1}, {"state": 2}])
def test_the_products_of_an_update_with_candidate_characters(settings):
    """What the formula leaves out is of a size that does not grow with the windows."""
    drawn = torch.Generator().manual_seed(0)
    strings = torch.randint(SYMBOLS, (2, 30), generator=drawn)
    chosen = recipe("aesop-goodness").override({"hidden": [20, 30], "batch": 2} | settings)
    trainer = TextTrainer(chosen, strings, SYMBOLS)
    config = trainer.recipe.network
    work = goodness_character(config, SYMBOLS, 2 * (30 - config.window))
    characters = 2 * SYMBOLS * SYMBOLS * 20
    last = 2 * 2 * {0: 0, 1: 20 * 20, 2: 30 * 20 + 20 * 30}[config.state]
    found = multiplied(lambda: trainer.try_characters(torch.arange(2), "both"))
    assert found == work.flops + characters - last
    assert sum(work.weights.values()) == parameters(trainer)


def listed(computed):
    """(kind, rows, shape of the weights) of every product, in any order."""
    return sorted((kind, rows, (source, units)) for _, kind, rows, source, units in computed.products)


def test_products_of_a_recurrent_step():
    """Pixels 64, hidden 6 and 7, ten labels, batch 5. By hand: the image once, the pass up once; then four
    iterations, of which the first knows the label in no hidden layer, the second in the upper one, which
    sends down; gradients over the two iterations with a loss and both labels."""
    config = RecurrentConfig(hidden=(6, 7), iterations=4, loss=(3, 4), window=(3, 4))
    up = [("forward", 5, (6, 7))] + [("forward", rows, (6, 7)) for rows in (5, 5, 10, 10)]
    down = [("forward", rows, (7, 6)) for rows in (5, 10, 10, 10)]
    image, softmax = ("forward", 5, (64, 6)), ("forward", 5, (13, 10))
    grads = [("grad", 5, (64, 6)), ("grad", 20, (6, 7)), ("grad", 20, (7, 6)), ("grad", 10, (10, 7))]
    assert listed(recurrent(config, 64, 10, 5)) == sorted(
        [image, *up, *down, softmax, *grads, ("grad", 5, (13, 10))]
    )


def test_products_of_a_supervised_step():
    """Two labels share the product with the image; the neutral pass goes up with one row a case."""
    config = FeedForwardConfig(hidden=(6, 7, 8), label="overwrite")
    forward = [(5, (54, 6)), (5, (6, 7)), (10, (6, 7)), (5, (7, 8)), (10, (7, 8)), (5, (15, 10))]
    grads = [(5, (54, 6)), (10, (10, 6)), (10, (6, 7)), (10, (7, 8)), (5, (15, 10))]
    wanted = [("forward", *part) for part in forward] + [("grad", *part) for part in grads]
    assert listed(feedforward(config, 64, 10, 5)) == sorted(wanted)


def test_products_of_a_step_on_characters():
    """Six windows, and as many negative ones; 30 symbols in a window of 10."""
    config = CharacterConfig(hidden=(6, 7), window=10)
    forward = [(12, (6, 7)), (6, (13, 30))]
    grads = [(12, (300, 6)), (12, (6, 7)), (6, (13, 30))]
    wanted = [("forward", *part) for part in forward] + [("grad", *part) for part in grads]
    assert listed(character(config, 30, 6)) == sorted(wanted)


def test_products_of_a_step_on_candidates():
    """Six windows and five symbols: a state is made and read; the second layer sends up, and down twice."""
    config = GoodnessCharacterConfig(hidden=(6, 7), window=3, state=1, iterations=2)
    forward = [(6, (6, 6)), (6, (6, 6)), (6, (6, 7)), *[(30, (6, 7))] * 3, *[(30, (7, 6))] * 2, (6, (13, 5))]
    grads = [(6, (18, 6)), (6, (6, 6)), (60, (6, 7)), (60, (7, 6)), (6, (13, 5))]
    wanted = [("forward", *part) for part in forward] + [("grad", *part) for part in grads]
    assert listed(goodness_character(config, 5, 6)) == sorted(wanted)


def test_a_hand_calculation():
    two = recurrent(RecurrentConfig(hidden=(4, 4), loss=(2, 3), iterations=3), 9, 2, 1)
    assert [p for p in two.products if (p.source, p.units) == (9, 4)] == [
        Product(1, "forward", 1, 9, 4),
        Product(1, "grad", 1, 9, 4),
    ]
    between = [(p.level, p.kind, p.rows) for p in two.products if (p.source, p.units) == (4, 4)]
    # layer 2 sends what it knows of the label from its first iteration on: layer 1 hears it in the second
    assert sorted(between) == sorted(
        [(1, "forward", 1), (1, "forward", 2), (1, "forward", 2), (1, "grad", 4)]
        + [(2, "forward", 1)] * 3
        + [(2, "forward", 2), (2, "grad", 4)]
    )
    assert two.weights == {1: 9 * 4 + 4 * 4 + 4, 2: 4 * 4 + 2 * 4 + 4, 3: 8 * 2 + 2}
    assert two.formed == (1 + 2 * 3) * 8


def test_what_more_of_everything_costs():
    """Twice the cases double the flops; twice the width makes four times as many between hidden layers."""
    config = FeedForwardConfig(hidden=(50, 50, 50))
    assert feedforward(config, 100, 10, 20).flops == 2 * feedforward(config, 100, 10, 10).flops
    text = CharacterConfig(hidden=(50, 50, 50))
    one = sum(p.flops for p in character(text, 30, 10).products if p.source == p.units)
    wide = CharacterConfig(hidden=(100, 100, 100))
    assert sum(p.flops for p in character(wide, 30, 10).products if p.source == p.units) == 4 * one
