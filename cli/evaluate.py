"""`ffrec evaluate`: a run folder's network on validation and test images."""

from typing import Annotated, Any

import typer

from cli import options
from cli.answers import print_result
from cli.trained import note_unfinished, open_run
from ffrec.tasks.images import ImageTask, TrainedImages


def evaluate(
    run: options.Run,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Try only the labels that the one-pass softmax ranks first.")
    ] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Evaluate a trained run: by goodness, by one-pass softmax, per iteration; with a confusion matrix."""
    trained = open_run(run, TrainedImages, data, device, plugin)
    result = trained.evaluate(candidates)
    lines = [*ImageTask.summary(result), *details(result["test"], trained.classes)]
    note_unfinished(trained)
    print_result(result, lines, json)


def details(test: dict[str, Any], classes: tuple[str, ...]) -> list[str]:
    """The test set in detail: candidates against all labels, single iterations, the confusion matrix."""
    lines = []
    if "all_labels" in test:
        every = test["all_labels"]
        lines.append(
            f"{test['candidates']} candidates: {test['error_goodness']:.2f} % in {test['seconds']:.1f} s; "
            f"all {every['candidates']} labels: {every['error_goodness']:.2f} % in {every['seconds']:.1f} s"
        )
    if len(test.get("error_by_iteration", ())) > 1:
        by_iteration = ", ".join(f"{t}: {error:.2f}" for t, error in enumerate(test["error_by_iteration"], 1))
        lines.append(f"test error in % by the goodness of one iteration: {by_iteration}")
    lines.append("confusion matrix (rows: true class; columns: answer)")
    for name, row in zip(classes, test["confusion"], strict=True):
        lines.append(f"{name:>12} " + " ".join(f"{count:5d}" for count in row))
    return lines
