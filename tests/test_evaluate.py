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


def probabilities_together(network, images, sharpness):
    """p q of every label: the softmax over labels of sharpness times goodness, times that of the softmax."""
    encoding = network.encode(images.batch(slice(None)))
    every, (first, last) = torch.arange(4).expand(60, -1), network.window
    goodness = label_goodness(network, encoding, every, last)[first - 1 : last].mean(0)
    return (sharpness * goodness).softmax(1) * network.logits(encoding).softmax(1)


@pytest.mark.parametrize("sharpness", [0.5, (0.2, 3.0), 50.0])
def test_both_together_choose_the_likeliest_label_by_the_product(tiny, setting, generator, sharpness):
    _, images, truth = setting
    network = tiny(sharpness=sharpness).float()
    network.readout.weight.normal_(generator=generator)
    p = probabilities_together(network, images, 1.6 if isinstance(sharpness, tuple) else sharpness)
    found = evaluate_images(network, images, truth)
    assert found["error_together"] == pytest.approx(100 * (p.argmax(1) != truth).float().mean().item())
    two = network.logits(network.encode(images.batch(slice(None)))).topk(2, dim=1).indices
    chosen = two.gather(1, p.gather(1, two).argmax(1, keepdim=True)).squeeze(1)
    of_two = evaluate_images(network, images, truth, candidates=2)["error_together"]
    assert of_two == pytest.approx(100 * (chosen != truth).float().mean().item())


def test_both_together_take_scores_of_classes_as_they_are(generator):
    config = FeedForwardConfig(
        hidden=(8, 6), objective="classes", goodness="scores", label="none", sharpness=3.0
    )
    network = FeedForward(config, 12, 4, generator)
    network.readout.weight.normal_(generator=generator)
    images = Images(torch.randint(256, (60, 3, 4), dtype=torch.uint8), torch.device("cpu"))
    truth, p = torch.randint(4, (60,)), probabilities_together(network, images, 1.0)
    found = evaluate_images(network, images, truth)["error_together"]
    assert found == pytest.approx(100 * (p.argmax(1) != truth).float().mean().item())


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
