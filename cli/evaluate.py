"""`ffrec evaluate`: a run folder's network on validation and test images."""

from typing import Annotated, Any

import typer

from cli import options


def evaluate(
    run: options.Run,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Try only the labels that the one-pass softmax ranks first.")
    ] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Evaluate a trained run: by goodness, by one-pass softmax, per iteration; with a confusion matrix."""
    import ffrec
    from ffrec.config import TextRecipe, recipe_from
    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.runs import describe, pick_device, trained_network, weights

    folder, where = RunFolder.open(run), pick_device(device)
    recipe = recipe_from(folder.config["recipe"])
    if isinstance(recipe, TextRecipe):
        raise typer.BadParameter(f"{run} is a run on a text: expected one on images: ffrec perplexity {run}")
    saved = weights(folder, recipe.name, where)
    corpus = options.load_images(recipe, data)
    classes = len(corpus.description.classes)
    if candidates and candidates > classes:
        raise typer.BadParameter(f"--candidates: expected 1 to {classes} labels, found {candidates}")
    network = trained_network(saved, recipe, corpus.test.images, classes, where)
    if candidates and not network.judging:
        raise typer.BadParameter(f"--candidates: {run} judges no labels by their goodness: leave it out")
    result = describe(folder, where)
    for name, part in {"validation": corpus.validation, "test": corpus.test}.items():
        if part is None:
            continue
        images = ffrec.Images(part.images, where, recipe.training.permute)
        result[name] = ffrec.evaluate_images(network, images, part.labels, candidates)
        if candidates:
            result[name]["all_labels"] = ffrec.evaluate_images(network, images, part.labels)
    options.print_result(result, json)
    if not json:
        print_details(result["test"], corpus.description.classes)


def print_details(test: dict[str, Any], names: tuple[str, ...]) -> None:
    """The test set in detail: candidates against all labels, single iterations, the confusion matrix."""
    if "all_labels" in test:
        every = test["all_labels"]
        print(
            f"{test['candidates']} candidates: {test['error_goodness']:.2f} % in {test['seconds']:.1f} s; "
            f"all {every['candidates']} labels: {every['error_goodness']:.2f} % in {every['seconds']:.1f} s"
        )
    if len(test.get("error_by_iteration", ())) > 1:
        by_iteration = ", ".join(f"{t}: {error:.2f}" for t, error in enumerate(test["error_by_iteration"], 1))
        print(f"test error in % by the goodness of one iteration: {by_iteration}")
    print("confusion matrix (rows: true class; columns: answer)")
    for name, row in zip(names, test["confusion"], strict=True):
        print(f"{name:>12} " + " ".join(f"{count:5d}" for count in row))
