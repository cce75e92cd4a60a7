"""The commands of the character model as a user meets them: real output, one line for a mistake."""

import json
import math
import re
import shutil
import subprocess

import pytest
import safetensors.torch
import torch
from commands import assert_refused, command, environment, ffrec

import corpora
from corpora import ALPHABET, encode
from ffrec import load
from ffrec.evaluation.ngram import KneserNey

SIZE = ["--set", "hidden=[20]", "--set", "window=6", "--set", "epochs=2", "--set", "passes=1"]
SIZE += ["--set", "validate_every=2", "--set", "strings=60"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small finished run of regime night with a memory, its dreams, and what `train --json` printed."""
    folder = tmp_path_factory.mktemp("text")
    night = ["--set", "regime=night", "--set", "night=2", "--dreams", "dreams.txt"]
    done = ffrec("train", "fables", *SIZE, *night, "--seed", "3", "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout)


def test_train_json_has_the_promised_keys(trained):
    run, said = trained
    assert (said["recipe"], said["seed"], said["updates"]) == ("fables", 3, 6)
    for part in ("train", "validation", "test"):
        low, high = said[part]["interval"]
        assert 1 < low < said[part]["perplexity"] < high < 30
        assert said[part]["characters"] == 94 * said[part]["strings"]
        assert sum(said[part]["by_symbol"]["count"]) == said[part]["characters"]
    assert list(said["baselines"])[:2] == ["uniform", "unigram"]
    assert said["baselines"]["uniform"]["test"]["perplexity"] == pytest.approx(30)
    assert json.loads((run / "result.json").read_text()) == said


def test_the_run_folder_stores_the_symbols_as_json(trained):
    config = json.loads((trained[0] / "config.json").read_text())
    assert "".join(config["symbols"]) == ALPHABET
    assert re.fullmatch("[0-9a-f]{64}", config["text"])


def test_the_file_of_dreams_has_the_strings_of_every_round(trained):
    lines = (trained[0].parent / "dreams.txt").read_text().split("\n")
    assert len(lines) == 3 * 60 + 1  # three rounds in six batches
    assert {len(line) for line in lines[:-1]} == {100}
    assert set("".join(lines)) <= set(ALPHABET)


def test_perplexity_agrees_with_training(trained):
    run, said = trained
    again = json.loads(ffrec("perplexity", str(run), "--json", cwd=run.parent).stdout)
    for part in ("train", "validation", "test"):
        assert again[part]["perplexity"] == pytest.approx(said[part]["perplexity"], rel=1e-6)
    assert again["baselines"] == said["baselines"]
    assert again["with_counts"] == said["with_counts"]


def test_the_network_and_the_best_count_model_predict_together(trained):
    """By hand, of every character: (1 − share) p + share q, with the share that suits validation strings."""
    run, said = trained
    found = said["with_counts"]
    network, text = load(run).network, corpora.load("fables")
    network.remember(text.train[:60])
    kneser_ney = KneserNey(text.train[:60], int(found["model"].split()[-1]), 30)
    for part in ("validation", "test"):
        strings = getattr(text, part)
        windows = strings.unfold(1, 6, 1)[:, :-1].flatten(0, 1)
        with torch.no_grad():
            own = network.predict(windows).exp().double()
        following = strings[:, 6:].reshape(-1, 1)
        own, counted = (p.gather(1, following) for p in (own, kneser_ney.probabilities(windows)))

        def surprise(share, own=own, counted=counted):
            return -((1 - share) * own + share * counted).log().mean().item()

        assert found[part]["perplexity"] == pytest.approx(math.exp(surprise(found["share"])), rel=1e-5)
        if part == "validation":
            assert surprise(found["share"]) <= min(surprise(share / 50) for share in range(51)) + 1e-3
    assert found["validation"]["perplexity"] < said["baselines"][found["model"]]["validation"]["perplexity"]


def test_perplexity_of_another_text(trained, tmp_path):
    run, _ = trained
    (tmp_path / "other.txt").write_text("A dog, a Bone!\r\n" * 30)
    done = ffrec("perplexity", str(run), "--text", "other.txt", cwd=tmp_path)
    assert "text: perplexity" in done.stdout
    assert "deleted 30 characters outside the alphabet: '!' × 30" in done.stdout


@pytest.mark.parametrize("prompt", ["", "a", "the fox and the grapes"])
def test_samples_go_on_from_the_prompt(trained, prompt):
    run, _ = trained
    arguments = ["--prompt", prompt, "--length", "30", "--count", "3", "--seed", "1"]
    done = ffrec("sample", str(run), *arguments, cwd=run.parent)
    lines = done.stdout.split("\n")[:-1]
    assert [len(line) for line in lines] == [len(prompt) + 30] * 3
    assert all(line.startswith(prompt) and set(line) <= set(ALPHABET) for line in lines)
    assert len(set(lines)) == 3
    assert ffrec("sample", str(run), *arguments, cwd=run.parent).stdout == done.stdout


def test_temperature_zero_always_writes_the_same(trained):
    run, _ = trained
    done = ffrec("sample", str(run), "--temperature", "0", "--length", "20", "--count", "2", cwd=run.parent)
    first, second = done.stdout.split("\n")[:-1]
    assert first == second


def test_a_lenient_prompt_drops_and_length_zero_writes_nothing_more(trained):
    run, _ = trained
    done = ffrec("sample", str(run), "--prompt", "Fox 7!", "--lenient", "--length", "0", cwd=run.parent)
    assert done.stdout == "fox \n"


def test_dreams_are_written_and_scored(trained, tmp_path):
    run, _ = trained
    done = ffrec(
        "dream", str(run), "--count", "5", "--out", str(tmp_path / "d.txt"), "--score", cwd=run.parent
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "d.txt").read_text().split("\n")[:-1]
    assert [len(line) for line in lines] == [100] * 5
    assert len(re.findall(r"layer 1: \d+\.\d+ \d+\.\d+", done.stdout)) == 5
    assert re.search(r"\d+\.\d % have the higher goodness for the real one", done.stdout)
    assert (run / "pictures" / "dreams_scored.png").stat().st_size > 1000


def test_pictures_of_one_run_and_of_several(trained):
    run, _ = trained
    done = ffrec("plot", "run", cwd=run.parent)
    assert "run/pictures/perplexity.png" in done.stdout
    assert "Kneser-Ney" in (run / "report.html").read_text()
    done = ffrec("plot", "run", "run", "--out", "both.png", cwd=run.parent)
    assert done.stdout == "both.png\n"
    assert (run.parent / "both.png").read_bytes().startswith(b"\x89PNG")


def test_ls_and_report_know_text_runs(trained):
    run, said = trained
    listed = ffrec("ls", "--runs", ".", cwd=run.parent).stdout
    assert f"perplexity {said['test']['perplexity']:.2f}" in listed
    table = ffrec("report", ".", "--results", cwd=run.parent).stdout
    assert "| test perplexity |" in table
    assert f"| {said['test']['perplexity']:.2f} |" in table


WORDS = ["the", "quick", "fox", "jumps", "over", "a", "lazy", "dog,", "wolf;", "crow", "and", "grapes."]
FEW = ["--set", "hidden=[12]", "--set", "strings=20", "--set", "rate=0.03", "--set", "softmax_rate=0.1"]
OWN = " ".join(WORDS[(i * i + i // 7) % len(WORDS)] for i in range(1500))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A run on a text file that is no longer there, and what `train` printed."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my.txt").write_text(OWN + "!!")
    done = ffrec("train", "fables", *SIZE, *FEW, "--text", "my.txt", "--out", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "my.txt").unlink()
    return folder / "run", done.stdout


def test_training_on_a_text_says_what_of_it_is_not_used(own):
    _, said = own
    before, _ = said.split("perplexity", 1)
    assert re.search(r"trains on the first 20 of \d+ strings: --set strings=none trains on all", before)


def test_a_run_keeps_its_strings(own, tmp_path):
    run, _ = own
    shutil.copytree(run, tmp_path / "run")
    for arguments in (["perplexity"], ["sample", "--seed", "1"], ["dream", "--count", "2"]):
        done = ffrec(arguments[0], "run", *arguments[1:], cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    codes = safetensors.torch.load_file(run / "text.safetensors")
    assert {name: part.shape[1] for name, part in codes.items()} == dict.fromkeys(
        ("train", "validation", "test"), 100
    )
    assert_refused(ffrec("sample", "run", "--data", ".", cwd=tmp_path), "keeps its own strings")
    data = bytearray((run / "text.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "run/text.safetensors").write_bytes(data)
    assert_refused(ffrec("sample", "run", cwd=tmp_path), "text.safetensors is damaged")


def test_an_older_run_reads_its_text_and_refuses_another(trained, own, tmp_path):
    for name, (run, _) in {"older": trained, "moved": own}.items():
        shutil.copytree(run, tmp_path / name)
        (tmp_path / name / "text.safetensors").unlink()
        config = json.loads((tmp_path / name / "config.json").read_text())
        del config["text_file"]
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    again = json.loads(ffrec("perplexity", "older", "--json", cwd=tmp_path).stdout)
    assert again["test"]["perplexity"] == pytest.approx(trained[1]["test"]["perplexity"], rel=1e-6)
    assert ffrec("sample", "moved", cwd=tmp_path).returncode == 2
    config["recipe"]["data"] = "fables"
    (tmp_path / "moved/config.json").write_text(json.dumps(config))
    done = ffrec("sample", "moved", cwd=tmp_path)
    assert_refused(done, "fables is not what moved was trained on: expected SHA-256")


def test_resuming_with_another_text_is_refused(own, tmp_path):
    shutil.copytree(own[0], tmp_path / "run")
    (tmp_path / "other.txt").write_text(OWN[::-1])
    asked = ["train", "fables", *SIZE, *FEW, "--text", "other.txt", "--out", "run", "--resume"]
    assert_refused(ffrec(*asked, cwd=tmp_path), "other.txt is not what run was trained on")


def test_baselines_are_trained_once_and_kept(own):
    run, _ = own
    said = json.loads(ffrec("perplexity", str(run), "--baselines", "--json", cwd=run.parent).stdout)
    names = {"random features", "backpropagation"}
    note = " (plain initial weights)"
    assert (
        names | {"random features with the memory"} | {name + note for name in names}
        < said["baselines"].keys()
    )
    chosen = said["baselines"]["backpropagation"]
    assert 1 <= chosen["passes"] <= chosen["of"]
    assert said["worth"].keys() == {"learning, below random features", "over backpropagation"}
    kept = (run / "baselines.json").stat().st_mtime_ns
    again = json.loads(ffrec("perplexity", str(run), "--baselines", "--json", cwd=run.parent).stdout)
    assert again["baselines"] == said["baselines"]
    assert (run / "baselines.json").stat().st_mtime_ns == kept


def test_perplexity_of_another_text_stands_beside_counting_models(own, tmp_path):
    run, _ = own
    (tmp_path / "other.txt").write_text("the crow and the wolf, " * 40)
    said = json.loads(ffrec("perplexity", str(run), "--text", "other.txt", "--json", cwd=tmp_path).stdout)
    assert said["baselines"]["uniform"]["text"]["perplexity"] == pytest.approx(30)
    config = json.loads((run / "config.json").read_text())
    train = safetensors.torch.load_file(run / "text.safetensors")["train"][:20].long()
    count = torch.bincount(train.flatten(), minlength=30) + 1.0
    codes = encode("the crow and the wolf, " * 40)
    strings = codes[: len(codes) // 100 * 100].view(-1, 100)[:, config["recipe"]["network"]["window"] :]
    by_hand = float((-(count / count.sum()).log()[strings].mean()).exp())
    assert said["baselines"]["unigram"]["text"]["perplexity"] == pytest.approx(by_hand, rel=1e-4)
    printed = ffrec("perplexity", str(run), "--text", "other.txt", cwd=tmp_path).stdout
    assert re.search(r"Kneser-Ney of order \d: text \d+\.\d\d\n", printed)


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_traceback(trained):
    run, _ = trained
    with subprocess.Popen(
        command("sample", str(run), "--length", "400", "--count", "40"),
        env=environment(),
        cwd=run.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as writer:
        writer.stdout.read(10)
        writer.stdout.close()
        assert b"Traceback" not in writer.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "RUN", "--prompt", "caf\u00e9!"], "found '!', 'é'"),
        (["sample", "RUN", "--temperature", "-1"], "temperature"),
        (["sample", "RUN", "--top-k", "31"], "--top-k: expected 1 to 30, found 31"),
        (["sample", "RUN", "--top-k", "0"], "top-k"),
        (["sample", "RUN", "--top-p", "1.5"], "top-p"),
        (["sample", "RUN", "--length", "-1"], "length"),
        (["sample", "nowhere"], "not a run folder"),
        (["dream", "RUN", "--count", "0"], "count"),
        (["perplexity", "RUN", "--text", "nowhere.txt"], "nowhere.txt: expected a readable file"),
        (["perplexity", "RUN", "--text", "latin1.txt"], "expected UTF-8 text, found byte 0xe9"),
        (["perplexity", "RUN", "--text", "empty.txt"], "at least 7 letters of the alphabet, found 0"),
        (["evaluate", "RUN"], "ffrec perplexity"),
        (["train", "fables", "--text", "empty.txt", "--out", "new"], "at least 100 letters"),
        (
            ["train", "fables", "--dreams", "d.txt", "--out", "new"],
            "--dreams expects regime night, found sleep",
        ),
        (
            ["train", "recurrent-digits", "--text", "empty.txt"],
            "--text is read by character recipes (for example fables), found recurrent-digits",
        ),
        (["train", "fables", "--set", "window=200"], "window"),
        (["train", "fables", "--data", "."], "--data is not read for the embedded fables"),
        (["train", "fables", "--images", "."], "--images is read by image recipes"),
        (["train", "fables", "--text", "empty.txt", "--data", "."], "--data is not read where --text"),
        (["perplexity", "RUN", "--text", "empty.txt", "--baselines"], "leave out --text"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(trained, tmp_path, arguments, words):
    run, _ = trained
    (tmp_path / "latin1.txt").write_bytes("caf\u00e9 con leche y mas".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("")
    done = ffrec(*(str(run) if word == "RUN" else word for word in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "latin1.txt"]


def test_an_image_run_is_no_text_run(tmp_path):
    quick = ["--set", "hidden=[12,12]", "--set", "epochs=1", "--set", "batch=300"]
    assert ffrec("train", "recurrent-digits", *quick, "--out", "run", cwd=tmp_path).returncode == 0
    done = ffrec("sample", "run", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "ffrec evaluate run" in done.stderr


def test_a_run_that_predicts_by_goodness_says_what_each_layer_predicts(goodness_run):
    run, said = goodness_run
    parts = said["test"]["by_part"]
    assert list(parts) == ["layer 1", "layer 2", "softmax"]
    assert said["test"]["perplexity"] < min(parts.values())  # by all of them, with fitted exponents
    found = json.loads(ffrec("perplexity", str(run), "--json", cwd=run.parent).stdout)
    assert found["test"]["by_part"] == pytest.approx(parts)
    printed = ffrec("perplexity", str(run), cwd=run.parent).stdout
    assert f"by layer 1 {parts['layer 1']:.2f}, layer 2 {parts['layer 2']:.2f}, softmax" in printed
    counts = said["with_counts"]
    assert f"with {counts['model']}, {100 * counts['share']:.0f} % of it" in printed
    table = ffrec("report", ".", "--results", cwd=run.parent).stdout
    assert f"| layer 2 | {said['validation']['by_part']['layer 2']:.2f} | {parts['layer 2']:.2f} |" in table


def test_a_run_that_predicts_by_goodness_samples_dreams_and_is_loaded(goodness_run):
    run, _ = goodness_run
    asked = ["sample", str(run), "--prompt", "the fox", "--length", "9", "--seed", "4"]
    text = ffrec(*asked, cwd=run.parent).stdout
    assert len(text) == 7 + 9 + 1
    model = load(run)
    assert model.sample("the fox", 9, seed=4) == text[:-1]
    assert 1 < model.perplexity("the fox and the crow") < 200
    assert len(model.generate_negatives(2)[0]) == 100
    done = ffrec("dream", str(run), "--count", "3", "--score", cwd=run.parent)
    assert len(re.findall(r"layer 2: \d+\.\d+ \d+\.\d+", done.stdout)) == 3


def test_a_run_with_a_state_goes_on_from_all_of_a_prompt(tmp_path):
    """Each character is the likeliest after all that came before, not after the last window alone."""
    size = ["hidden=[20,10]", "window=6", "epochs=3", "strings=60", "state=1", "bias=0"]
    settings = [word for setting in size for word in ("--set", setting)]
    assert ffrec("train", "fables-goodness", *settings, "--out", "run", cwd=tmp_path).returncode == 0
    model, prompt = load(tmp_path / "run"), "a crow sat on a branch. the fox"
    written = model.sample(prompt, 12, temperature=0)
    codes = model.alphabet.encode(written)[None]  # as written: with spaces side by side
    (windows, following), states = model.network.cases(codes), model.network.states(codes)
    assert torch.equal(model.network.predict(windows, states).argmax(1)[-12:], following[-12:])
    read = model.encode(prompt)[None]
    expected = model.network.predict(model.network.cases(read)[0], model.network.states(read)).numpy()
    assert model.predictions(prompt) == pytest.approx(expected, abs=1e-5)
    asked = ["sample", "run", "--prompt", prompt, "--length", "12", "--temperature", "0"]
    assert ffrec(*asked, cwd=tmp_path).stdout.strip() == written.strip()
    likely = model.network.predict(windows).exp()[-12:]
    assert (likely - model.network.predict(windows, states).exp()[-12:]).abs().max() > 0.01
    assert_refused(
        ffrec("perplexity", "run", "--baselines", cwd=tmp_path), "compare with a run without state"
    )


def test_a_run_that_predicts_by_goodness_stands_beside_networks_of_its_shape(goodness_run):
    run, _ = goodness_run
    said = json.loads(ffrec("perplexity", str(run), "--baselines", "--json", cwd=run.parent).stdout)
    assert {"random features", "backpropagation"} < said["baselines"].keys()
    assert "random features with the memory" not in said["baselines"]
    printed = ffrec("perplexity", str(run), "--baselines", cwd=run.parent).stdout
    share = said["worth"]["learning, below random features"]
    assert f"learning, below random features {100 * share:.1f} %, by the softmax alone" in printed
