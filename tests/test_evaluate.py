"""Evaluation: the right window, the right label, the right count."""

import pytest
import torch

from ffrec.data.images import Images
from ffrec.evaluation.images import choose, evaluate_images, examples, label_goodness

HISTORY = torch.tensor([[[9.0, 0, 0]], [[0, 3.0, 0]], [[0, 0, 2.0]], [[0, 1.0, 0]]])  # (iterations, 1, 3)


@pytest.mark.parametrize(("window", "expected"), [((1, 1), 7), ((2, 2), 4), ((3, 4), 5), ((2, 4), 4)])
def test_the_window_decides_the_label(window, expected):
    assert choose(HISTORY, torch.tensor([[7, 4, 5]]), window).tolist() == [expected]


def test_goodness_is_summed_over_layers(tiny, cases):
    images, labels = cases
    network = tiny()
    history = label_goodness(network, network.look(images), labels, 3)
    for iteration, goodness in zip(network.iterate(network.look(images), labels, 3), history, strict=True):
        expected = sum(h.square().mean(-1) for h in iteration.activities.values())
        torch.testing.assert_close(goodness, expected.expand(5, 2))


@pytest.fixture
def setting(tiny, generator):
    network = tiny().float()
    images = Images(
        torch.randint(256, (60, 3, 4), generator=generator, dtype=torch.uint8), torch.device("cpu")
    )
    network.readout.weight.normal_(generator=generator)
    return network, images, torch.randint(4, (60,), generator=generator)


def test_errors_agree_with_labels_judged_one_by_one(setting):
    network, images, truth = setting
    first, last = network.config.window
    judged = []
    for case in range(60):
        seen = network.look(images.batch(slice(case, case + 1)))
        scores = [
            label_goodness(network, seen, torch.tensor([[k]]), last)[first - 1 : last].mean().item()
            for k in range(4)
        ]
        judged.append(scores.index(max(scores)))
    found = evaluate_images(network, images, truth)
    wrong = [j != t for j, t in zip(judged, truth.tolist(), strict=True)]
    assert found["error_goodness"] == pytest.approx(100 * sum(wrong) / 60)
    table = [[0] * 4 for _ in range(4)]
    for j, t in zip(judged, truth.tolist(), strict=True):
        table[t][j] += 1
    assert found["confusion"] == table
    logits = network.classify(network.look(images.batch(slice(None))))[1]
    assert found["error_softmax"] == pytest.approx(100 * (logits.argmax(1) != truth).float().mean().item())
    assert len(found["error_by_iteration"]) == network.config.iterations


def test_stopping_at_the_window_changes_no_answer(setting):
    network, images, truth = setting
    whole, short = (evaluate_images(network, images, truth, all_iterations=a) for a in (True, False))
    assert short["error_goodness"] == whole["error_goodness"]
    assert short["error_by_iteration"] == whole["error_by_iteration"][: network.config.window[1]]


def test_one_candidate_is_the_softmax_and_all_candidates_are_goodness(setting):
    network, images, truth = setting
    one, every, plain = (evaluate_images(network, images, truth, candidates=k) for k in (1, 4, None))
    assert one["error_goodness"] == one["error_softmax"]
    assert every["error_goodness"] == plain["error_goodness"]
    assert (one["candidates"], plain["candidates"]) == (1, 4)


def test_two_candidates_choose_the_better_of_the_softmaxs_two(setting):
    network, images, truth = setting
    seen = network.look(images.batch(slice(None)))
    two = network.classify(seen)[1].topk(2, dim=1).indices
    judged = choose(label_goodness(network, seen, two, 5), two, network.config.window)
    found = evaluate_images(network, images, truth, candidates=2)
    assert found["error_goodness"] == pytest.approx(100 * (judged != truth).float().mean().item())


def test_examples_show_mistakes_and_their_goodness(setting):
    network, images, truth = setting
    kept = examples(network, images, truth, (truth + 1) % 4, count=8)
    every = torch.arange(4).expand(60, 4)
    history = label_goodness(network, network.look(images.batch(slice(None))), every, 8)
    torch.testing.assert_close(kept["goodness"], history[:, kept["index"]])
    judged = choose(history, every, network.config.window)
    assert (judged != truth)[kept["index"][-4:]].all()
    assert kept["positive"].shape == kept["negative"].shape == (2, 60)
    summed = history[network.config.window[1] - 1]
    torch.testing.assert_close(kept["positive"].sum(0), summed.gather(1, truth[:, None]).squeeze(1))
