"""Defects for ffrec/tasks, ffrec/storage and ffrec/models."""

DEFECTS: dict[str, list[tuple[str, str, str]]] = {
    "ffrec/models/arrays.py": [
        ("and str(int(name)) == name", "", "model"),
    ],
    "ffrec/models/notebook.py": [
        ("data=name_of(data, chosen)", "data=chosen.data", "model"),
    ],
    "ffrec/models/text_model.py": [
        ("network.predict(windows, state)", "network.predict(windows)", "cli_text"),
        ("self.network.generate(start[None],", "self.network.generate(start[None, -size:],", "cli_text"),
    ],
    "ffrec/storage/checkpoint.py": [
        ("if not (folder / MANIFEST).is_file():", "if False:", "faults/checkpoints"),
        ("if hashlib.sha256(files[name]).hexdigest() != expected", "if False", "checkpoint"),
        ('files["state.pt"]), weights_only=True', 'files["state.pt"]), weights_only=False', "checkpoint"),
    ],
    "ffrec/storage/checkpoints.py": [
        ("[:-KEPT]", "[:0]", "checkpoint"),
        ("found[-1]", "found[0]", "checkpoint"),
        ("shutil.rmtree(temporary, ignore_errors=True)", "pass", "faults/disk"),
        ("written + error.needed", "0", "faults/disk"),
    ],
    "ffrec/storage/environment.py": [
        (":\\S*@", ":[^@]*@", "sweep_shared"),
    ],
    "ffrec/storage/files.py": [
        ("(newer := format_of(data)) > FORMAT", "(newer := 0) > FORMAT", "faults/formats"),
        ('held, held.get("config")', "held", "faults/formats"),
        ("error.filename = str(path)", "pass", "faults/disk"),
        ("file.tell() if file.seekable() else None", "file.tell()", "faults/disk"),
        ("file.truncate(end)", "pass", "faults/disk"),
        ("if error.errno not in FULL:", "if True:", "faults/disk"),
    ],
    "ffrec/storage/lock.py": [
        ("(folder / LOCK).unlink(missing_ok=True)", "pass", "faults/locks"),
    ],
    "ffrec/storage/names.py": [
        ("os.kill(int(digits), 0)", "raise ProcessLookupError", "faults/locks"),
    ],
    "ffrec/storage/replacing.py": [
        ("not is_ours(entry, folder)", "False", "faults/force"),
        ("if (folder / READY).exists():", "if False:", "faults/force"),
    ],
    "ffrec/storage/run_folder.py": [
        ("if cls.unbegun(path):", "if False:", "cli sweep"),
        ("if not is_ours(entry, path):", "if False:", "faults/force"),
        ("self.lock = self.lock or lock_run(self.path)", "pass", "faults/locks"),
        ("folder.path = path / NEXT\n                folder.path.mkdir()", "pass", "faults/force"),
    ],
    "ffrec/tasks/images.py": [
        (
            "images = Images(test.images, trainer.device, trainer.recipe.training.permute)",
            "images = Images(test.images, trainer.device)",
            "train_images",
        ),
        (
            "return corpus.joined() if recipe.training.train_on_validation else corpus",
            "return corpus",
            "cli sweep",
        ),
        ('trainer.labels[last], "training")', "trainer.labels[last])", "model"),
    ],
    "ffrec/tasks/measures/confidence.py": [
        ("thresholds(sure, REFUSED)", "thresholds(confidence, REFUSED)", "confidence"),
        ("threshold if share else 0.0", "threshold", "confidence"),
        ("curve[n - round(share * n) - 1])", "curve[round(share * n) - 1])", "confidence"),
        ("len(train.labels) / 10", "len(train.labels) / 5", "confidence"),
        ("or fitted(known, part)", "or Calibration()", "confidence"),
    ],
    "ffrec/tasks/measures/robustness.py": [
        ("mean([errors[name] for name in CORRUPTIONS])", "mean(list(errors.values()))", "robustness"),
        ("float(trained.corpus.train.images.max())", "255.0", "robustness"),
        ("severity, brightest)", "1, brightest)", "robustness"),
    ],
    "ffrec/tasks/measures/layers.py": [
        ("scores[[level - 1 for level in network.scored]].sum(0)", "scores.sum(0)", "layers"),
        ("for each in scores.cumsum(0)", "for each in scores", "layers"),
    ],
    "ffrec/tasks/measures/savings.py": [
        ("count * last if count > 1 else 0", "count * last", "confidence"),
        ("test.window[0] - 1 + float", "float", "confidence"),
        ("margin if share else -math.inf", "margin", "confidence"),
        ("for r in (known, test)", "for r in (test, test)", "confidence"),
    ],
    "ffrec/tasks/measures/views.py": [
        ("mirror = trained.recipe.training.mirror", "mirror = False", "views"),
        ("percent_wrong(seen.logits.argmax(1)", "percent_wrong(seen.scores.argmax(1)", "views"),
        ("percent_wrong(likeliest(trained.network, seen)", "percent_wrong(seen.scores.argmax(1)", "views"),
    ],
    "ffrec/tasks/recorded.py": [
        ("if found.exponents and {*found", "if False and {*found", "pool"),
        ('if (folder.path / "result.json").is_file():', "if False:", "cli"),
        ("settings(completed(config))", "settings(config)", "cli"),
        ('f"recipe.training.{name}" for name in UNLEARNT', '"" for name in UNLEARNT', "cli"),
        ("> 1:  # a crash may come", "> 99:  # a crash may come", "faults/checkpoints"),
        ("except FOREIGN as error:", "except ZeroDivisionError as error:", "faults/checkpoints"),
    ],
    "ffrec/tasks/task.py": [
        ("self.keep(folder)  # a process", "pass  # a process", "cli"),
    ],
    "ffrec/tasks/text.py": [
        ("network.exponents = calibration.exponents", "pass", "pool"),
        ("stored_calibration(folder) or Calibration(), folder.path", "Calibration(), folder.path", "pool"),
        (
            "first(self.corpus.train, self.recipe.training.strings, network.config.window)",
            "self.text.train[: self.recipe.training.strings]",
            "long_text",
        ),
    ],
    "ffrec/tasks/text_baselines.py": [
        ("**own, softmax_rate", "**own | {'blanks': 0.1}, softmax_rate", "goodness_text"),
        (", softmax_rate=recipe.training.rate", "", "goodness_text"),
        ('"recency", "fading", "bias", "activation"', '"recency", "activation"', "goodness_text"),
        ("own(strings) + torch.log1p(-share)", "own(strings) + share.log()", "cli_text"),
        ("best_share(own(validation).flatten()", "best_share(own(parts['test']).flatten()", "cli_text"),
    ],
}
