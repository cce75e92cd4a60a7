"""Defects for ffrec/reports and cli."""

DEFECTS: dict[str, list[tuple[str, str, str]]] = {
    "cli/compared.py": [
        ("if key not in read:", "if True:", "faults/data"),
        ("if not StoredText.read(folder):", "if StoredText.read(folder):", "faults/data"),
    ],
    "cli/sample.py": [("symbols))[None]", "symbols))[-size:][None]", "cli_text")],
    "cli/studies/searching.py": [
        ('search.keep({"data": corpus.fingerprint})', "pass", "tune"),
        ("if job is None and not search.busy:", "if job is None:", "tune"),
        ("(job.path / StoredText.FILE).unlink(missing_ok=True)", "pass", "tune"),
        ("if not math.isfinite(value):", "if False:", "tune"),
        (
            "return untested(self.recipe, load(self.recipe, self.data))",
            "return load(self.recipe, self.data)",
            "tune",
        ),
    ],
    "cli/studies/sweeping.py": [
        ("left.value += 1", "pass", "sweep"),
        ("left.value -= 1", "pass", "sweep"),
    ],
    "cli/studies/workers.py": [
        ("signal.signal(number, signal.SIG_IGN)", "pass", "sweep"),
    ],
    "cli/together.py": [
        ("RunFolder.check_free(path, force)", "RunFolder.check_free(path)", "cli"),
        ("RunFolder.check_free(path, force)", "pass", "cli"),
    ],
    "cli/train.py": [
        ("if task.trainer.done == 1:", "if False:", "cli"),
    ],
    "cli/measures/recipe.py": [
        ("chosen.meanings() if explain else {}", "chosen.meanings()", "cli"),
    ],
    "cli/measures/views.py": [
        ("if far and not trained", "if far and trained", "views"),
        ("if far and not trained", "if not trained", "views"),
        ("if far and not trained.recipe.training.jitter:", "if far:", "views"),
    ],
    "ffrec/reports/command.py": [
        ("key not in FIXED and (", "(", "report"),
    ],
    "ffrec/reports/measures/layers.py": [
        ("'*' if level in predict", "'*' if level", "layers"),
        ("if level == predict[-1]", "if level == predict[0]", "layers"),
        ('"up_to", level - 1', '"alone", level - 1', "layers"),
    ],
    "ffrec/reports/measures/confidence.py": [
        ("    fitted_on: Word\n", '    fitted_on: Word = ""\n', "faults/json"),
    ],
    "ffrec/reports/figures/learning_curves.py": [
        ("if not axes.lines:", "if False:", "report"),
    ],
    "ffrec/reports/figures/receptive_fields.py": [
        ("divmod(top + reach, rows)", "divmod(top, rows)", "report"),
        ("weights.transpose(2, 0, 1)", "weights.transpose(0, 2, 1)", "report"),
    ],
    "ffrec/reports/figures/wake_sleep.py": [
        ('point["update"] <= end', "True", "pictures_sleep"),
        ("range(wake, end, wake + sleep)", "range(0, end, wake + sleep)", "pictures_sleep"),
    ],
    "ffrec/reports/groups.py": [
        ("statistics.stdev(values)", "statistics.pstdev(values)", "report"),
    ],
    "ffrec/reports/measures/measured.py": [
        ('found["epochs"] != (epochs := epochs_of(run.metrics))', "(epochs := 0)", "confidence"),
        ('each["seed"] == found["seed"]', "False", "confidence"),
        ("run.name + settings(run, defaults.get(run.name))", "run.name", "robustness"),
    ],
    "ffrec/reports/page.py": [
        ("html.escape(recipe['name'])", "recipe['name']", "report"),
    ],
    "ffrec/reports/worth.py": [
        ('- own) / random["perplexity"]', "- own) / own", "report"),
        ('random.get("by_part", {})', "{}", "report"),
        ('and "memory" not in name', "", "report"),
        ('each["validation"]', 'each["test"]', "report"),
        ('test.get("softmax_perplexity", test["perplexity"])', 'test["perplexity"]', "report"),
    ],
}
