"""Corrupted images, each corruption by its property; and what the command makes of them."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from commands import ROOT, assert_refused, ffrec

import corpora
import ffrec as package
from ffrec.data.draws import Draws
from ffrec.data.images import Images
from ffrec.evaluation import corruptions
from ffrec.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from ffrec.evaluation.images import choose, evaluate_images, label_goodness
from ffrec.evaluation.iterating import errors_by_iteration

RANDOM = {"gaussian_noise", "speckle_noise", "impulse_noise", "occlusion", "dropped_pixels"} | {
    "translate",
    "rotate",
}
SHAPES = [(60, 28, 28), (60, 8, 8), (60, 12, 12, 3)]


def pictures(shape, generator) -> torch.Tensor:
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def test_there_are_ten():
    assert len(CORRUPTIONS) == 10


def test_the_page_states_the_strengths():
    lines = (ROOT / "docs/robustness.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    stated = {row[0].lower().replace(" ", "_"): row[2:] for row in cells if len(row) == 5}
    for name, corruption in CORRUPTIONS.items():
        numbers = [float(re.search(r"[\d.]+", cell)[0]) for cell in stated[name]]
        assert numbers == list(corruption.strengths), name


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_stay_in_range_and_something_changes(name, shape, generator):
    images = pictures(shape, generator)
    found = [corrupted(images, name, severity, 255.0) for severity in SEVERITIES]
    for each in found:
        assert each.shape == shape
        assert each.dtype == torch.float32
        assert each.min() >= 0
        assert each.max() <= 255.001
        assert not torch.equal(each, images.float())
    if shape[1] == 28:
        assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_the_image_itself_and_others_are_refused(name, generator):
    images = pictures((3, 8, 8), generator)
    assert torch.equal(corrupted(images, name, 0, 255.0), images.float())
    with pytest.raises(ValueError, match="severity: expected 0 to 3, found 4"):
        corrupted(images, name, 4, 255.0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_drawn_depends_on_the_place_alone(name, generator, monkeypatch):
    images = pictures((30, 8, 8), generator)
    whole = corrupted(images, name, 2, 255.0)
    assert torch.equal(whole, corrupted(images, name, 2, 255.0))
    monkeypatch.setattr(corruptions, "BATCH", 7)
    assert torch.equal(whole, corrupted(images, name, 2, 255.0))
    assert torch.equal(whole[:9], corrupted(images[:9], name, 2, 255.0))
    same = corrupted(images[:1].expand(30, -1, -1), name, 3, 255.0)
    assert (len(same.unique(dim=0)) > 1) == (name in RANDOM)
    assert torch.equal(whole, corrupted(images, name, 2, 255.0, seed=1)) == (name not in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_brightness_of_the_data_set_is_only_a_unit(name, generator):
    images = pictures((5, 8, 8), generator) // 16
    torch.testing.assert_close(
        corrupted(images, name, 2, 15.0) * 17, corrupted(images * 17, name, 2, 255.0), rtol=1e-4, atol=1e-3
    )


def test_no_two_corruptions_share_their_draws(generator):
    grey = torch.full((50, 8, 8), 128, dtype=torch.uint8)
    noise, speckle = (corrupted(grey, name, 1, 255.0) - 128 for name in ("gaussian_noise", "speckle_noise"))
    assert abs(torch.corrcoef(torch.stack([noise.flatten(), speckle.flatten()]))[0, 1]) < 0.1


def apply(name, x, strength, seed=0):
    return CORRUPTIONS[name].apply(x, strength, Draws(seed))


def test_noise_has_its_mean_and_deviation():
    x = torch.full((200, 20, 20, 1), 0.4)
    for name, deviation in {"gaussian_noise": 0.3, "speckle_noise": 0.3 * 0.4}.items():
        added = apply(name, x, 0.3) - x
        assert added.mean().item() == pytest.approx(0, abs=4 * deviation / len(x.flatten()) ** 0.5)
        assert added.std().item() == pytest.approx(deviation, rel=0.02)


def test_speckle_leaves_black_black():
    assert apply("speckle_noise", torch.zeros(3, 8, 8, 1), 0.5).count_nonzero() == 0


def test_impulses_are_black_or_white_alike():
    x = torch.full((200, 20, 20, 1), 0.4)
    found = apply("impulse_noise", x, 0.3)
    for value, share in {0.0: 0.15, 1.0: 0.15, 0.4: 0.7}.items():
        assert (found == value).float().mean().item() == pytest.approx(share, abs=0.01)


def test_blur_is_a_gaussian_and_keeps_what_is_even():
    even = torch.full((2, 20, 20, 3), 0.3)
    torch.testing.assert_close(apply("gaussian_blur", even, 0.1), even)
    dot = torch.zeros(1, 21, 21, 1)
    dot[0, 10, 10] = 1
    found = apply("gaussian_blur", dot, 1.5 / 21)[0, :, :, 0]
    assert found.sum().item() == pytest.approx(1)
    ratio = (found[10, 12] / found[10, 10]).item()
    assert ratio == pytest.approx(np.exp(-(2**2) / (2 * 1.5**2)), rel=1e-5)
    torch.testing.assert_close(found, found.T)


def test_contrast_keeps_the_mean_of_each_colour_and_scales_what_differs(generator):
    x = torch.rand(4, 6, 6, 3, generator=generator)
    found = apply("contrast", x, 0.3)
    torch.testing.assert_close(found.mean((1, 2)), x.mean((1, 2)))
    torch.testing.assert_close(found[:, 0] - found[:, 1], 0.3 * (x[:, 0] - x[:, 1]))


def test_brightness_is_added(generator):
    x = torch.rand(4, 6, 6, 1, generator=generator)
    torch.testing.assert_close(apply("brightness", x, 0.2), x + 0.2)


def test_the_hidden_square_has_its_area_and_goes_everywhere():
    x = torch.ones(2000, 10, 10, 3)
    gone = apply("occlusion", x, 0.4) == 0
    assert (gone.flatten(1).sum(1) == 4 * 4 * 3).all()
    assert torch.equal(gone[..., 0], gone[..., 2])
    rows, columns = gone[..., 0].any(2), gone[..., 0].any(1)
    assert (rows.sum(1) == 4).all()
    assert (columns.sum(1) == 4).all()
    tops = {(int(r.float().argmax()), int(c.float().argmax())) for r, c in zip(rows, columns, strict=True)}
    assert tops == {(top, left) for top in range(7) for left in range(7)}


def test_dropped_pixels_are_dropped_in_all_colours():
    gone = apply("dropped_pixels", torch.ones(200, 20, 20, 3), 0.25) == 0
    assert gone.float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(gone.any(3), gone.all(3))


def test_translation_moves_by_whole_pixels_both_ways(generator):
    x = torch.rand(40, 10, 10, 1, generator=generator)
    found, seen = apply("translate", x, 0.2), set()
    for before, after in zip(x, found, strict=True):
        moves = []
        for down in (-2, 2):
            for right in (-2, 2):
                wanted = torch.zeros_like(before)
                to = (slice(max(down, 0), 10 + min(down, 0)), slice(max(right, 0), 10 + min(right, 0)))
                fro = (slice(max(-down, 0), 10 + min(-down, 0)), slice(max(-right, 0), 10 + min(-right, 0)))
                wanted[to] = before[fro]
                moves += [(down, right)] if torch.equal(wanted, after) else []
        assert len(moves) == 1
        seen |= set(moves)
    assert len(seen) == 4


def test_a_quarter_turn_is_one_to_either_side(generator):
    x = torch.rand(20, 9, 9, 3, generator=generator)
    found, turns = apply("rotate", x, 90.0), []
    for before, after in zip(x, found, strict=True):
        turns.append([torch.allclose(before.rot90(k), after, atol=1e-4) for k in (1, -1)])
    assert all(sum(turn) == 1 for turn in turns)
    assert 0 < sum(turn[0] for turn in turns) < 20


def test_a_turn_keeps_a_round_thing_and_loses_nothing_inside():
    down, across = torch.meshgrid(torch.arange(41) - 20, torch.arange(41) - 20, indexing="ij")
    disc = torch.exp(-(down**2 + across**2) / 50)[None, :, :, None]
    torch.testing.assert_close(apply("rotate", disc, 30.0), disc, atol=0.01, rtol=0)


def test_errors_by_iteration_by_hand(tiny, generator):
    network = tiny(window=(2, 3)).float()
    network.readout.weight.normal_(generator=generator)
    images = Images(pictures((40, 3, 4), generator))
    truth = torch.randint(4, (40,), generator=generator)
    found = errors_by_iteration(network, images, truth, 9)
    every = torch.arange(4).expand(40, -1)
    history = label_goodness(network, network.encode(images.batch(slice(None))), every, 9)

    def wrong(window):
        return 100 * (choose(history, every, window) != truth).float().mean().item()

    assert found["error_by_iteration"] == pytest.approx([wrong((t, t)) for t in range(1, 10)])
    assert found["error_so_far"] == pytest.approx([wrong((2, t)) for t in range(2, 10)])
    plain = evaluate_images(network, images, truth)
    for key in ("error_goodness", "error_softmax"):
        assert found[key] == pytest.approx(plain[key])
    with pytest.raises(ValueError, match="iterations: expected at least 3"):
        errors_by_iteration(network, images, truth, 2)


@pytest.fixture(scope="module")
def measured(small_runs, tmp_path_factory):
    """A copy of the runs, measured."""
    folder = tmp_path_factory.mktemp("measured") / "runs"
    shutil.copytree(small_runs, folder)
    done = ffrec("robustness", "r0", "r1", "ff", "bp", "--iterations", "7", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, json.loads(done.stdout)["runs"]


def test_the_command_agrees_with_evaluate_and_the_model(measured):
    folder, found = measured
    digits = corpora.load_images("digits", None)
    for run, name in zip(found, ("r0", "r1", "ff", "bp"), strict=True):
        assert json.loads((folder / name / "robustness.json").read_text()) == run
        assert (folder / name / "pictures" / "robustness.png").is_file()
        evaluated = json.loads((folder / name / "result.json").read_text())["test"]
        for key in {"error_goodness", "error_softmax"} & evaluated.keys():
            assert run["errors"]["clean"][key] == pytest.approx(evaluated[key])
        kinds = [run["errors"][kind]["error_softmax"] for kind in CORRUPTIONS]
        assert run["errors"]["mean"]["error_softmax"] == pytest.approx(np.mean(kinds))
        model = package.load(folder / name)
        spoiled = corrupted(digits.test.images, "contrast", 2, 16.0) / 16
        wrong = model.predict(spoiled) != digits.test.labels.numpy()
        key = "error_goodness" if "error_goodness" in evaluated else "error_softmax"
        assert run["errors"]["contrast"][key] == pytest.approx(100 * wrong.mean(), abs=0.3)
    assert [len(run["errors"]["clean"].get("error_by_iteration", [])) for run in found] == [7, 7, 1, 0]
    by_iteration = [found[0]["errors"][kind]["error_so_far"][3] for kind in CORRUPTIONS]
    assert found[0]["errors"]["mean"]["error_so_far"][3] == pytest.approx(np.mean(by_iteration))


def test_one_column_a_recipe_and_one_table_for_what_iterates(measured):
    folder, found = measured
    (folder / "docs.md").write_text("<!-- robustness -->\n<!-- /robustness -->\n")
    done = ffrec("robustness", "r0", "r1", "ff", "--into", "docs.md", "--figure", "all.png", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "all.png").is_file()
    lines = (folder / "docs.md").read_text().splitlines()
    head = lines[1].split(" | ")
    assert len(head) == 3
    assert "(seeds 0, 1), by goodness" in head[1]
    assert "supervised-digits" in head[2]
    assert len([line for line in lines if line.startswith("| ")]) == 1 + 12 + 1 + 7
    errors = [run["errors"]["rotate"]["error_goodness"] for run in found[:3]]
    assert (
        f"| rotate | {np.mean(errors[:2]):.2f} ± {np.std(errors[:2], ddof=1):.2f} | {errors[2]:.2f} |"
        in lines
    )
    so_far = [run["errors"]["clean"]["error_so_far"][0] for run in found[:2]]
    third = next(line for line in lines if line.startswith("| 3 |"))
    assert f"{np.mean(so_far):.2f} ± {np.std(so_far, ddof=1):.2f}" in third
    assert "| 5 (the last of the evaluation window) |" in "\n".join(lines)


def test_settings_and_severities_are_kept_apart(measured, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(measured[0], folder)
    done = ffrec("robustness", "all", "--severity", "1", "--iterations", "5", cwd=folder)
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((folder / name / "robustness.json").read_text()) for name in ("all", "r0"))
    assert (one["severity"], two["severity"]) == (1, 2)
    assert (
        one["errors"]["gaussian_noise"]["error_goodness"] < two["errors"]["gaussian_noise"]["error_goodness"]
    )
    (folder / "d.md").write_text("<!-- robustness -->\n<!-- /robustness -->\n")
    mixed = ffrec("robustness", "r0", "all", "--into", "d.md", cwd=folder)
    assert_refused(mixed, "one severity, found 1 and 2")
    one["severity"] = 2
    (folder / "all" / "robustness.json").write_text(json.dumps(one))
    assert ffrec("robustness", "r0", "all", "--into", "d.md", cwd=folder).returncode == 0
    head = (folder / "d.md").read_text().splitlines()[1]
    assert "train_on_validation" in head
    assert head.count(" | ") == 2


def test_a_mistake_is_one_line(measured):
    folder, _ = measured
    assert_refused(ffrec("robustness", "text", cwd=folder), "is a run on a text")
    assert_refused(ffrec("robustness", "all", "--into", "d.md", cwd=folder), "has no robustness.json")
    assert_refused(ffrec("robustness", "r0", "--into", "d.md", "--severity", "1", cwd=folder), "--severity")
    assert_refused(ffrec("robustness", "r0", "--figure", "all.pdf", cwd=folder), "ends in .png", "found .pdf")
    assert_refused(ffrec("robustness", "r0", "--iterations", "4", cwd=folder), "at least 5", "found 4")
