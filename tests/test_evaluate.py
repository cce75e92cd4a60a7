"""Evaluation: the right window, the right label, the right count."""

import pytest
import torch

from ffrec.config import FeedForwardConfig
from ffrec.data.images import Images
from ffrec.evaluation.images import choose, evaluate_images, examples, label_goodness
from ffrec.networks.feedforward import FeedForward

HISTORY = torch.tensor([[[9.0, 0, 0]], [[0, 3.0, 0]], [[0, 0, 2.0]], [[0, 1.0, 0]]])  # (iterations, 1, 3)


@pytest.mark.parametrize(("window", "expected"), [((1, 1), 7), ((2, 2), 4), ((3, 4), 5), ((2, 4), 4)])
def test_the_window_decides_the_label(window, expected):
    assert choose(HISTORY, torch.tensor([[7, 4, 5]]), window).tolist() == [expected]


def test_goodness_is_summed_over_layers(tiny, cases):
    images, labels = cases
    network = tiny()
    history = label_goodness(network, network.encode(images), labels, 3)
    for step, goodness in zip(network.steps(network.encode(images), labels, 3), history, strict=True):
        expected = sum(h.square().mean(-1) for h in step.activities.values())
        torch.testing.assert_close(goodness, expected.expand(5, 2))


@pytest.fixture
def setting(tiny, generator):
    network = tiny().float()
    images = Images(
        torch.randint(256, (60, 3, 4), generator=generator, dtype=torch.uint8), torch.device("cpu")
    )
    network.readout.weight.normal_(generator=generator)
    return network, images, torch.randint(4, (60,), generator=generator)


def test_errors_agree_with_labels_scored_one_by_one(setting):
    network, images, truth = setting
    first, last = network.config.window
    chosen = []
    for case in range(60):
        encoding = network.encode(images.batch(slice(case, case + 1)))
        scores = [
            label_goodness(network, encoding, torch.tensor([[k]]), last)[first - 1 : last].mean().item()
            for k in range(4)
        ]
        chosen.append(scores.index(max(scores)))
    found = evaluate_images(network, images, truth)
    wrong = [j != t for j, t in zip(chosen, truth.tolist(), strict=True)]
    assert found["error_goodness"] == pytest.approx(100 * sum(wrong) / 60)
    table = [[0] * 4 for _ in range(4)]
    for j, t in zip(chosen, truth.tolist(), strict=True):
        table[t][j] += 1
    assert found["confusion"] == table
    logits = network.logits(network.encode(images.batch(slice(None))))
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
    encoding = network.encode(images.batch(slice(None)))
    two = network.logits(encoding).topk(2, dim=1).indices
    chosen = choose(label_goodness(network, encoding, two, 5), two, network.config.window)
    found = evaluate_images(network, images, truth, candidates=2)
    assert found["error_goodness"] == pytest.approx(100 * (chosen != truth).float().mean().item())


def test_examples_show_mistakes_and_their_goodness(setting):
    network, images, truth = setting
    kept = examples(network, images, truth, (truth + 1) % 4, count=8)
    every = torch.arange(4).expand(60, 4)
    history = label_goodness(network, network.encode(images.batch(slice(None))), every, 8)
    torch.testing.assert_close(kept["goodness"], history[:, kept["index"]])
    chosen = choose(history, every, network.config.window)
    assert (chosen != truth)[kept["index"][-4:]].all()
    assert kept["positive"].shape == kept["negative"].shape == (2, 60)
    summed = history[network.config.window[1] - 1]
    torch.testing.assert_close(kept["positive"].sum(0), summed.gather(1, truth[:, None]).squeeze(1))


def test_a_network_that_scores_no_labels_is_evaluated_by_its_softmax(setting):
    network, images, truth = setting
    expected = evaluate_images(network, images, truth)["error_softmax"]
    network.scored = ()
    found = evaluate_images(network, images, truth)
    assert found["error_softmax"] == expected
    assert "error_goodness" not in found
    assert torch.tensor(found["confusion"]).sum(1).tolist() == torch.bincount(truth, minlength=4).tolist()


def test_class_scores_are_evaluated_by_the_highest(generator):
    config = FeedForwardConfig(hidden=(8, 6), objective="classes", goodness="scores", label="none")
    network = FeedForward(config, 12, 4, generator)
    images = Images(torch.randint(256, (60, 3, 4), generator=generator, dtype=torch.uint8))
    truth = torch.randint(4, (60,), generator=generator)
    step = network.encode(images.batch(slice(None))).step
    chosen = network.layer(2).goodness.value(step.activities[2][:, 0]).argmax(1)
    found = evaluate_images(network, images, truth)
    assert found["error_goodness"] == pytest.approx(100 * (chosen != truth).float().mean().item())
    assert found["error_by_iteration"] == [found["error_goodness"]]
