"""Options and small answers that several commands share."""

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from corpora import Corpus
    from ffrec.config import ImageRecipe

Data = Annotated[
    Path | None, typer.Option(envvar="FFREC_DATA", help="Folder with data sets, one folder each.")
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Run = Annotated[Path, typer.Argument(help="A run folder.")]


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`key=value` pairs with TOML values as a dict; a bare word is a string. Raises typer.BadParameter."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set expects key=value, found {pair!r}: for example --set epochs=4")
        if text.strip() == "none":  # TOML has no word for it
            settings[key.strip()] = None
            continue
        try:
            settings[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            if not text.strip().replace("-", "").replace("_", "").isalnum():
                raise typer.BadParameter(
                    f"--set {key}: expected a TOML value, found {text!r}: for example hidden=[500,500]"
                ) from None
            settings[key.strip()] = text.strip()
    return settings


def load_images(recipe: "ImageRecipe", folder: Path | None) -> "Corpus":
    """The data of a recipe, in the parts that it wants."""
    import corpora

    corpus = corpora.load(recipe.data, folder)
    return corpus.joined() if recipe.training.train_on_validation else corpus


def needs_extra(name: str) -> str:
    """What to say where an extra of that name is not installed."""
    return f"{name} needs the extra of that name: pip install -c constraints.txt '.[{name}]' in the clone"


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """A result as one JSON object, or as a few lines for people."""
    if as_json:
        print(json.dumps(result))
        return
    for part in ("validation", "test"):
        if part not in result:
            continue
        found = result[part]
        by_goodness = f"{found['error_goodness']:.2f} % by goodness, " if "error_goodness" in found else ""
        print(
            f"{part:>10}: error {by_goodness}{found['error_softmax']:.2f} % by softmax "
            f"({found['images']} images)"
        )
    print(f"       run: {result['run']}")


def print_deleted(deleted: dict[str, int]) -> None:
    """What of a text is not in the alphabet, and was left out."""
    if deleted:
        most = sorted(deleted.items(), key=lambda item: -item[1])[:10]
        print(
            f"deleted {sum(deleted.values())} characters outside the alphabet: "
            + ", ".join(f"{character!r} × {count}" for character, count in most)
        )


def print_text_result(result: dict[str, Any], as_json: bool) -> None:
    """The perplexities of a character run and of its baselines, as one JSON object or for people."""
    if as_json:
        from ffrec.storage.files import to_json

        print(to_json(result, None).decode(), end="")
        return
    for part in ("train", "validation", "test", "text"):
        if part in result:
            found = result[part]
            between = (
                "95 % {:.2f} to {:.2f}".format(*found["interval"])
                if found["interval"]
                else "too few for 95 %"
            )
            alone = (
                f"; softmax alone {found['softmax_perplexity']:.2f}" if "softmax_perplexity" in found else ""
            )
            by = (
                " by the softmax alone (the memory would only recall)"
                if part == "train" and "softmax_perplexity" in result.get("test", {})
                else ""
            )
            print(
                f"{part:>10}: perplexity {found['perplexity']:.2f} ({between}), "
                f"{found['bits_per_character']:.3f} bits a character; {found['characters']} characters in "
                f"{found['strings']} strings{alone}{by}"
            )
    for name, found in result.get("baselines", {}).items():
        print(f"            {name}: validation {found['validation']['perplexity']:.2f}, ", end="")
        print(f"test {found['test']['perplexity']:.2f}")
    print(f"       run: {result['run']}")
