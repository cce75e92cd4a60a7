"""Plant one-line defects, one at a time, and fail if the tests let one live.

    python tests/mutants.py [part of a file name ...]

Each mutant is a file, a line's fragment, its wrong twin, and the tests that must notice. The working tree is
copied first and never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOODNESS, LAYER, RECURRENT = (
    "ffrec/learning/goodness.py",
    "ffrec/learning/layer.py",
    "ffrec/networks/recurrent.py",
)
TRAIN = "ffrec/training/trainer.py"
OPTIMISE = "ffrec/training/optimiser.py"
EVALUATE = "ffrec/evaluation/images.py"
CHECKPOINT = "ffrec/storage/checkpoint.py"
CHARACTER, MEMORY, SAMPLING = (
    "ffrec/networks/character.py",
    "ffrec/networks/memory.py",
    "ffrec/data/sampling.py",
)
NGRAM, EVALUATE_TEXT, TRAIN_TEXT = (
    "ffrec/evaluation/ngram.py",
    "ffrec/evaluation/text.py",
    "ffrec/training/text.py",
)
TEXT = "corpora/text.py"
WIRING = "ffrec/learning/connection.py"
FEEDFORWARD = "ffrec/networks/feedforward.py"
BASELINES, PICTURES, TRAIN_IMAGES = (
    "ffrec/baselines/baselines.py",
    "ffrec/reports/pictures.py",
    "ffrec/training/images.py",
)
SWEEP = "ffrec/studies/sweep.py"
SLEEP = "ffrec/studies/sleep.py"
MIDPOINT = "ffrec/learning/midpoint.py"
IDX, IMAGES, NEGATIVES, REPORT = (
    "corpora/idx.py",
    "ffrec/data/images.py",
    "ffrec/negatives/labels.py",
    "ffrec/reports/tables.py",
)
BASELINE = "ffrec/learning/gradient_baseline.py"
RUNS = "ffrec/training/runs.py"

MUTANTS = [
    (GOODNESS, "mean_square(h) * self.factor", "mean_square(h)", "goodness"),
    (GOODNESS, "2 * self.factor", "self.factor", "goodness"),
    (GOODNESS, "torch.mul(h.sign(), (", "torch.mul(torch.ones_like(h), (", "goodness"),
    (GOODNESS, "return self.whole.size(h)", "return self.value(h)[..., 0]", "goodness"),
    (GOODNESS, ".clamp_min(SMALLEST)", "", "goodness layer"),
    (GOODNESS, "logsigmoid(correct *", "logsigmoid(", "goodness"),
    (GOODNESS, "torch.sigmoid(-logit)", "torch.sigmoid(logit)", "goodness"),
    (GOODNESS, "length.square() / h.shape[-1]", "length.square()", "goodness layer"),
    (LAYER, "delta *= slope", "pass", "feedforward"),
    ("corpora/corpus.py", "(self.train, self.validation)", "(self.train, self.train)", "corpora"),
    (RUNS, "settings(completed(folder.config))", "settings(folder.config)", "cli"),
    (TRAIN_IMAGES, "network.judging and shown is None", "network.judging", "train_images"),
    (
        TRAIN_IMAGES,
        "seen = network.look(rows)",
        "seen = network.look(self.rows(index, phase))",
        "train_images",
    ),
    (TRAIN_IMAGES, " and not self.recipe.training.train_on_validation", "", "train_images"),
    (PICTURES, "if not errors.lines:", "if False:", "report"),
    ("cli/options.py", "corpus.joined() if", "corpus if", "cli sweep"),
    (LAYER, "else goodness.mean(-1)", "else goodness[..., 0]", "feedforward"),
    (FEEDFORWARD, "sources[level] = layer.goodness.normalise(", "sources[level] = normalise(", "feedforward"),
    (FEEDFORWARD, "and level not in self.boxes", "", "feedforward"),
    (FEEDFORWARD, "passed.sources[level][:, :1]", "passed.sources[level][:, -1:]", "feedforward"),
    (
        TRAIN_IMAGES,
        "self.images.shifted(index, training.jitter, self.generator)",
        "self.images.images[index]",
        "train_images",
    ),
    (TRAIN_IMAGES, "if training.dropout else rows", "if False else rows", "train_images"),
    (
        NEGATIVES,
        "masks(batch, height, width, generator)",
        "masks(1, height, width, generator).expand(batch, -1, -1)",
        "negatives",
    ),
    ("ffrec/learning/activation.py", "torch.log1p(square), 2", "square.log1p() * 2, 2", "feedforward"),
    ("ffrec/networks/one_shot.py", "if h.any() else -1.0", "", "feedforward"),
    (EVALUATE, "child = hybrid(one, other, mask)", "child = hybrid(other, one, mask)", "train_images"),
    (BASELINES, "self.taught = 0  #", "#", "train_images"),
    (BASELINES, "/ (1 - share)", "", "train_images"),
    (
        RUNS,
        "images = Images(test.images, device, trainer.recipe.training.permute)",
        "images = Images(test.images, device)",
        "train_images",
    ),
    (LAYER, "x = x - midpoint(x.mean(0), sign)", "pass", "feedforward"),
    (LAYER, "x = x - midpoint(means, sign, seen)[labels]", "x = x - midpoint(x.mean(0), sign)", "layer"),
    (LAYER, "label_means(x, labels, midpoint.recent)", "label_means(x, labels, midpoint.before)", "layer"),
    (LAYER, "torch.where(count > 0, total / count.clamp(min=1), known)", "total / count", "layer"),
    (MIDPOINT, "(self.updates <= FIRST) * seen", "(self.updates <= FIRST)", "layer"),
    (
        FEEDFORWARD,
        "delta.flatten(0, 1), correct, scale, labels.flatten())",
        "delta.flatten(0, 1), correct, scale)",
        "feedforward",
    ),
    (LAYER, "if not self.centring:", "if True:", "layer"),
    (LAYER, "(goodness, correct.mean())", "(goodness, correct.mean().abs())", "feedforward"),
    (LAYER, "-self.scaling / 2", "-self.scaling", "layer"),
    (LAYER, ".clamp(0.5, 2.0)", "", "layer"),
    (LAYER, "torch.where(midpoint == 0, 1.0, ", "torch.where(midpoint == 7, 1.0, ", "layer"),
    (FEEDFORWARD, "layer.note(goodness.mean(), correct)", "pass", "feedforward"),
    (FEEDFORWARD, "delta.sum(1), correct", "delta.sum(1), 0 * correct", "feedforward"),
    (
        FEEDFORWARD,
        "layer.accumulate(str(level - 1), sent.flatten(0, 1), delta.flatten(0, 1), correct",
        "layer.accumulate(str(level - 1), sent.flatten(0, 1), delta.flatten(0, 1), -correct",
        "feedforward",
    ),
    (FEEDFORWARD, "code, delta.flatten(0, 1), correct", "code, delta.flatten(0, 1), -correct", "feedforward"),
    (
        RECURRENT,
        "self.layer(level).note(mean, correct)",
        "self.layer(level).note(mean, -correct)",
        "recurrent",
    ),
    (RECURRENT, "summed.sum(1), correct", "summed.sum(1), -correct", "recurrent"),
    (RECURRENT, "code, summed.flatten(0, 1), correct", "code, summed.flatten(0, 1), -correct", "recurrent"),
    (RECURRENT, "delta.flatten(0, 2), correct", "delta.flatten(0, 2), self.correct", "recurrent"),
    (CHARACTER, "code, delta, correct", "code, delta, -correct", "character"),
    (
        CHARACTER,
        "seen.sources[index - 1], delta, correct",
        "seen.sources[index - 1], delta, -correct",
        "character",
    ),
    (CHARACTER, "layer.note(goodness.mean(), correct)", "pass", "character"),
    (MIDPOINT, "sign / 2 * self.gap", "sign * self.gap", "midpoint"),
    (MIDPOINT, "self.recent.lerp(mean, MEAN_PACE)", "mean", "midpoint"),
    (MIDPOINT, "FIRST * (self.sign == 0)", "0 * self.sign", "midpoint"),
    (MIDPOINT, "GAP_PACE * (self.updates <= FIRST) * seen", "GAP_PACE * seen", "midpoint"),
    (
        "ffrec/config/recipe.py",
        "(self.network.centring or self.network.scaling) and",
        "self.network.centring and",
        "train_images",
    ),
    (SLEEP, "if not any(cell.phases in columns for cell in found):", "if False:", "sweep"),
    (SLEEP, ', "centring": False, "scaling": 0.0}', "}", "sweep"),
    (SLEEP, 'if cell.data == "digits":', "if False:", "sweep"),
    (SLEEP, "values |= MASKS", "pass", "sweep"),
    (SLEEP, 'if "validate_every" in settings:', "if False:", "sweep"),
    ("cli/train.py", "RunFolder.check_free(path, force)", "RunFolder.check_free(path)", "cli"),
    ("cli/train.py", "RunFolder.check_free(path, force)", "pass", "cli"),
    (TRAIN, "layer.rescale()", "pass", "train_images"),
    (
        LAYER,
        '"sleep": lambda candidates: candidates[1:]',
        '"sleep": lambda candidates: candidates[:1]',
        "recurrent",
    ),
    (LAYER, "correct.flatten() * (judged", "(judged", "feedforward"),
    (BASELINE, "total / self.batches", "total", "opposite"),
    (
        BASELINE,
        "self.means.get(OTHER[phase], {})",
        "self.means.get(phase, {})",
        "opposite",
    ),
    (
        BASELINE,
        "self.sums[name] += parameter.grad",
        "self.sums[name] = parameter.grad.clone()",
        "opposite",
    ),
    (TRAIN, "rate * awake if group", "rate if group", "train_images"),
    (
        TRAIN,
        '"opposite": self.opposite.state_dict() if self.opposite else None',
        '"opposite": {"now": None, "batches": 0, "sums": {}, "means": {}}',
        "train_images",
    ),
    (TRAIN, "self.by_night.load_state_dict(state", "(state", "train_images"),
    (
        TRAIN,
        "islice(self.make_schedule(), self.updates, None)",
        "self.make_schedule()",
        "train_images",
    ),
    (TRAIN_IMAGES, 'if phase != "sleep":', "if True:", "train_images"),
    (WIRING, "self.fan_in**0.5", "self.fan_in", "wiring"),
    (WIRING, "(x.T @ delta) * self.mask", "x.T @ delta", "wiring"),
    (WIRING, "generator) * self.mask", "generator)", "wiring"),
    (WIRING, "dim=0).T", "dim=0).flip(1).T", "wiring"),
    (WIRING, "c y x -> (down right) (y x c)", "c y x -> (down right) (x y c)", "wiring"),
    (FEEDFORWARD, "self.code_rows().mean(0)", "self.code_rows().sum(0)", "feedforward"),
    (FEEDFORWARD, "[..., self.covered :]", "", "feedforward"),
    (FEEDFORWARD, "delta.sum(1), correct, scale)", "delta[:, 0], correct, scale)", "feedforward"),
    (FEEDFORWARD, ".to(delta.dtype) * self.classes**0.5", ".to(delta.dtype)", "feedforward"),
    (FEEDFORWARD, "not sent.isfinite().all()", "False", "feedforward"),
    (FEEDFORWARD, "goodness.normalise(sent)", "goodness.normalise(x)", "feedforward"),
    (FEEDFORWARD, "[level][:, :1]\n            sent", "[level][:, -1:]\n            sent", "feedforward"),
    ("ffrec/learning/activation.py", "2 * total / (1 + square)", "total / (1 + square)", "feedforward"),
    ("ffrec/networks/one_shot.py", "ratio**0.5 - 1", "ratio - 1", "feedforward"),
    (
        "ffrec/networks/one_shot.py",
        "sum(part.square().sum().item() for part in sent.values())",
        "x.square().sum().item()",
        "feedforward",
    ),
    (
        "ffrec/config/networks.py",
        "or tuple(range(2, len(self.hidden) + 1))",
        "or tuple(range(1, len(self.hidden) + 1))",
        "feedforward",
    ),
    (BASELINES, "label_smoothing=smoothing", "label_smoothing=0.0", "train_images"),
    (BASELINES, 'self.layers.requires_grad_(config.learns == "all")', "pass", "train_images"),
    (NEGATIVES, ">= 0.5", ">= 0.4", "negatives"),
    (NEGATIVES, "torch.where(mask.bool(), one, other)", "torch.where(mask.bool(), other, one)", "negatives"),
    (NEGATIVES, "once, max(1, round(BLURS * size**2))", "once, 1", "negatives"),
    (PICTURES, "weights.transpose(2, 0, 1)", "weights.transpose(0, 2, 1)", "report"),
    (LAYER, "sent + onto", "sent", "layer"),
    (LAYER, "correct.flatten() > 0", "correct.flatten() < 0", "layer"),
    (LAYER, "self.running_mean.mean() - self.running_mean", "self.running_mean", "layer"),
    (LAYER, "x, delta, -scale)", "x, delta, scale)", "recurrent"),
    (LAYER, "sub_(delta.sum(0)", "add_(delta.sum(0)", "recurrent"),
    (LAYER, "labels] -= 1", "labels] += 1", "layer"),
    (LAYER, ".to(self.weight.dtype) / len(labels)", "", "layer"),
    (RECURRENT, "[labels] * self.classes**0.5", "[labels]", "recurrent"),
    (RECURRENT, ".to(frames.dtype) * self.classes**0.5", ".to(frames.dtype)", "recurrent"),
    (
        RECURRENT,
        "torch.lerp(activities[level], states[level]",
        "torch.lerp(states[level], activities[level]",
        "recurrent",
    ),
    (RECURRENT, "for parity in (0, 1)", "for parity in (1, 0)", "recurrent"),
    (RECURRENT, "number - 1)", "0)", "recurrent"),
    (RECURRENT, "if iteration.number < first", "if iteration.number <= first", "recurrent"),
    (RECURRENT, "1 / (labels.numel() * (last - first + 1))", "1 / labels.numel()", "recurrent"),
    (LAYER, "judged[:, 0] > judged[:, 1]", "judged[:, 0] < judged[:, 1]", "train train_images"),
    (RECURRENT, " + told[level] if level in told else drive[level]", "", "recurrent"),
    (NEGATIVES, 'float("-inf")', "0.0", "negatives"),
    (NEGATIVES, "torch.randint(1, classes", "torch.randint(0, classes", "negatives"),
    (IMAGES, "2 * pixels + 1", "2 * pixels", "images"),
    (IMAGES, ">= share", "< share", "images"),
    (IMAGES, "rows[:, self.order]", "rows", "images"),
    (EVALUATE, "window[0] - 1", "window[0]", "evaluate"),
    (
        EVALUATE,
        "labels.gather(1, average.argmax(1, keepdim=True)).squeeze(1)",
        "average.argmax(1)",
        "evaluate",
    ),
    (EVALUATE, "truth * classes + judged", "judged * classes + truth", "evaluate"),
    (EVALUATE, "for goodness in judged]).sum(0)", "for goodness in judged])[0]", "evaluate"),
    (EVALUATE, "for level in network.judging]", "for level in network.levels]", "train_images feedforward"),
    (OPTIMISE, "min(1.0, 2 * (1 - done))", "min(1.0, 1 - done)", "train"),
    (TRAIN, "1_000_003 + self.epoch", "1_000_003", "train"),
    (OPTIMISE, "(True, 0.0)", "(True, training.weight_decay)", "train"),
    (TRAIN, "self.generator.set_state(state", "(state", "train"),
    (TRAIN, "(sparing and start < self.save_due)", "False", "train"),
    (TRAIN, "(sparing and start < self.save_due)", "sparing", "train"),
    (TRAIN, "SPARING * (now - start)", "SPARING", "train"),
    (TRAIN, "self.save(folder, sparing=True)", "self.save(folder)", "train"),
    (TRAIN, "if not saved:", "if saved:", "train"),
    (TRAIN_IMAGES, "all_iterations=last", "all_iterations=False", "train"),
    (TRAIN, "self.check()\n                    self.save", "self.save", "train"),
    (CHECKPOINT, "if hashlib.sha256(files[name]).hexdigest() != expected", "if False", "checkpoint"),
    (CHECKPOINT, "[:-KEPT]", "[:0]", "checkpoint"),
    (CHECKPOINT, "complete[-1]", "complete[0]", "checkpoint"),
    (CHECKPOINT, "weights_only=True", "weights_only=False", "checkpoint"),
    (IDX, "if found != magic", "if False", "corpora"),
    (IDX, "if len(data) - start != math.prod(shape)", "if False", "corpora"),
    (IDX, "if len(pixels) != len(classes)", "if False", "corpora"),
    (IDX, ">= CLASSES", "> CLASSES", "corpora"),
    ("corpora/menu.py", "known.images[-VALIDATION:]", "known.images[:VALIDATION]", "corpora"),
    ("corpora/files.py", "check(source, file, waiting)", "pass", "corpora"),
    (REPORT, "key not in UNLEARNT and (", "(", "report"),
    (
        RUNS,
        'f"recipe.training.{name}" for name in UNLEARNT',
        '"" for name in UNLEARNT',
        "cli",
    ),
    (REPORT, "statistics.stdev(values)", "statistics.pstdev(values)", "report"),
    (REPORT, "html.escape(recipe['name'])", "recipe['name']", "report"),
    (CHARACTER, "total.mul_(self.symbols**0.5)", "total", "character"),
    (CHARACTER, "weights[-self.symbols :].mean(0)", "weights[-self.symbols :].sum(0)", "character"),
    (CHARACTER, "scale * self.symbols**0.5)", "scale)", "character"),
    (CHARACTER, "torch.arange(size - 1, -1, -1.0)", "torch.arange(size * 1.0)", "character"),
    (CHARACTER, "sign * (goodness - layer", "(goodness - layer", "character"),
    (
        CHARACTER,
        "view(len(self.layers), *passages.shape[:2]).mean(2)",
        "view(len(self.layers), *passages.shape[:2])[:, :, 0]",
        "character",
    ),
    (CHARACTER, "place - size : place]", "place - size - 1 : place - 1]", "character"),
    (MEMORY, "(1 - self.FLOOR) * (likeness", "(likeness", "memory"),
    (MEMORY, "recalled + self.share.log()", "recalled + (1 - self.share).log()", "memory character"),
    (MEMORY, ".mul_(self.sharpness)", "", "memory"),
    (SAMPLING, "p / p.sum(1, keepdim=True)", "p", "sampling"),
    (SAMPLING, "kept[:, 0] = True", "pass", "sampling"),
    (SAMPLING, "kept[:, top_k:] = False", "kept[:, top_k + 1 :] = False", "sampling"),
    (SAMPLING, "keepdim=True)) / temperature", "keepdim=True)) * temperature", "sampling"),
    (NGRAM, "(seen - DISCOUNT).clamp_min(0)", "seen.double()", "ngram"),
    (NGRAM, "grams % symbols ** (length - 1)", "grams.div(symbols, rounding_mode='floor')", "ngram"),
    (NGRAM, "return max(models", "return min(models", "ngram"),
    (EVALUATE_TEXT, "[0.975, 0.025]", "[0.8, 0.2]", "evaluate_text"),
    (EVALUATE_TEXT, "(-log_p.cpu().double().mean())", "(log_p.cpu().double().mean())", "evaluate_text"),
    (TRAIN_TEXT, "network.readout.zero_grad()", "pass", "train_text"),
    (TRAIN_TEXT, ' | {"dreams": self.dreams}', ' | {"dreams": self.strings}', "train_text"),
    (
        TRAIN_TEXT,
        "self.teach_layers(seen, 1.0, measured)",
        "self.teach_layers(seen, -1.0, measured)",
        "train_text",
    ),
    (TRAIN_TEXT, "[:, -predictions:]", "[:, :predictions]", "train_text"),
    ("ffrec/training/phases.py", "range(between - 1)", "range(between)", "phases"),
    ("ffrec/training/phases.py", '"wake", "dream", "sleep"', '"dream", "wake", "sleep"', "phases"),
    (TEXT, "strings = strings[sorted(first.values())]", "pass", "text"),
    (TEXT, '"utf-8-sig"', '"utf-8"', "text"),
    ("corpora/alphabet.py", "len(ALPHABET) - i", "i + 1", "text"),
    (
        "corpora/alphabet.py",
        "dict(made.vocab.stoi)",
        "__import__('collections').defaultdict(int, made.vocab.stoi)",
        "text",
    ),
    (SWEEP, 'if (self.path(cell.name) / "config.json").exists():', "if False:", "sweep"),
    (SWEEP, 'if (self.path(cell.name) / "config.json").exists():', "if cell.name in self.done():", "sweep"),
    (SWEEP, "if cell.name in ended:", "if False:", "sweep"),
    (SWEEP, "self.study.tell(left.number, state=TrialState.FAIL)", "pass", "sweep"),
    (
        SWEEP,
        "self.trials(TrialState.COMPLETE, TrialState.PRUNED)",
        "self.trials(TrialState.COMPLETE)",
        "sweep",
    ),
    (
        SWEEP,
        "for name, trial in trials.items() if self.path(name).exists()",
        "for name, trial in trials.items()",
        "sweep",
    ),
    ("cli/sweep.py", "shutil.rmtree(claim.path, ignore_errors=True)", "pass", "sweep"),
    ("cli/sweep.py", "left.value += 1", "pass", "sweep"),
    (SWEEP, "except Timeout:", "except ZeroDivisionError:", "sweep"),
    (SWEEP, 'f"{self.path(cell.name)}.lock"', 'f"{self.path(cell.name)}-{os.getpid()}.lock"', "sweep"),
    (SWEEP, "if held != value:", "if False:", "sweep"),
    (SLEEP, '"validate_every": made.training.epochs', '"validate_every": 1', "sweep"),
    (TRAIN_IMAGES, "training.hybrid_labels if hybrid else", "'shuffled' if hybrid else", "train_images"),
    ("ffrec/config/recipe.py", "(unlabelled or not hybrid) and", "not hybrid and", "train_images"),
    (SLEEP, '"wake_rate": None', '"wake_rate": 1.0', "sweep"),
    (SLEEP, '{"negatives": cell.negatives}', "{}", "sweep"),
    (SLEEP, "100 - json.loads(", "json.loads(", "sweep"),
    ("cli/sweep.py", "left.value -= 1", "pass", "sweep"),
    ("cli/sweep.py", "signal.signal(number, signal.SIG_IGN)", "pass", "sweep"),
    ("cli/sweep.py", "resume(trainer, folder, wanted)", "pass", "sweep"),
    (TRAIN, '"watched": self.watched,', '"watched": [],', "train_images"),
    (TRAIN, "self.seconds, self.watched = 0.0, []", "self.seconds = 0.0", "pictures_sleep"),
    (TRAIN_IMAGES, "torch.Generator(self.device).manual_seed(self.seed)", "self.generator", "pictures_sleep"),
    (
        TRAIN_IMAGES,
        "torch.stack([truth, (truth + 1) % network.classes]",
        "torch.stack([truth, truth]",
        "pictures_sleep",
    ),
    (
        NEGATIVES,
        "labels[torch.randperm(len(labels), generator=generator, device=labels.device)]",
        "labels",
        "train_images",
    ),
    (FEEDFORWARD, "drive[:, :1] + self.code_rows()", "drive + self.code_rows()", "feedforward"),
    ("ffrec/reports/pictures_sleep.py", 'seen["update"] <= last', "True", "pictures_sleep"),
    (
        "ffrec/reports/pictures_sleep.py",
        "range(awake, last, awake + asleep)",
        "range(0, last, awake + asleep)",
        "pictures_sleep",
    ),
]


def survives(tree: Path, file: str, right: str, wrong: str, rooms: str) -> bool:
    """Whether the tests of the named rooms pass with the defect in place."""
    path = tree / file
    source = path.read_text()
    if source.count(right) < 1:
        raise SystemExit(f"{file} has no {right!r} any more: bring tests/mutants.py up to date")
    path.write_text(source.replace(right, wrong, 1))
    tests = [f"tests/test_{room}.py" for room in rooms.split()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    passed = subprocess.run(command, cwd=tree, env=environment, capture_output=True).returncode == 0
    path.write_text(source)
    return passed


def main() -> None:
    wanted = [m for m in MUTANTS if not sys.argv[1:] or any(part in m[0] for part in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "*cache*"))
        alive = [mutant for mutant in wanted if survives(tree, *mutant)]
    for file, right, wrong, _ in alive:
        print(f"ALIVE {file}: {right!r} -> {wrong!r}")
    print(f"{len(wanted) - len(alive)} of {len(wanted)} mutants died")
    sys.exit(bool(alive) or not wanted)


if __name__ == "__main__":
    main()
