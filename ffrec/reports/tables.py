"""Markdown tables of finished runs, images first, and what each recipe can be expected to reach."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from ffrec.reports.groups import Defaults, Group, groups, in_words, spread
from ffrec.reports.summary import Kind, Summary
from ffrec.reports.worth import BY_SOFTMAX, LEARNING, RATIO, worth


def row(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; "" without rows."""
    lines = [row(cells) for cells in rows]
    return "\n".join([row(head), "|" + "---|" * len(head), *lines]) if lines else ""


def image_cells(group: Group) -> list[str]:
    """Epochs, and the errors on the test set."""
    return [
        str(group.first.recipe["training"]["epochs"]),
        group.of_test("error_goodness") if group.first.measure == "error_goodness" else "–",
        group.of_test("error_softmax"),
        group.of_test("error_together") if all("error_together" in r["test"] for r in group.results) else "–",
    ]


def text_cells(group: Group) -> list[str]:
    """Batches, minutes of a processor, the perplexities, and that of the best count model beside them."""
    results = group.results
    *_, (name, counted) = results[0]["baselines"].items()
    together = [r["with_counts"]["test"]["perplexity"] for r in results if "with_counts" in r]
    return [
        str(results[0]["updates"]),
        group.processor_minutes,
        group.of_test("perplexity"),
        spread([math.log(result["test"]["perplexity"]) for result in results], 3),
        spread([r["test"].get("softmax_perplexity", r["test"]["perplexity"]) for r in results]),
        spread([result["validation"]["perplexity"] for result in results]),
        f"{counted['test']['perplexity']:.2f} ({name})",
        spread(together) if len(together) == len(results) else "–",
    ]


COLUMNS: dict[Kind, tuple[list[str], Callable[[Group], list[str]]]] = {
    "images": (["epochs", "test error by goodness, %", "by one-pass softmax, %", "by both, %"], image_cells),
    "text": (
        [
            "batches",
            "processor minutes",
            "test perplexity",
            "nats a character",
            "without memory",
            "validation perplexity",
            "best count model, test",
            "with it, test",
        ],
        text_cells,
    ),
}


def results_table(runs: Sequence[Summary], defaults: Defaults) -> str:
    """One row for every group of runs that differ in their seed alone, in one table for each kind of run, and
    a table of other models of the same strings."""
    made, tables = groups(runs, defaults), []
    for kind, (columns, cells) in COLUMNS.items():
        head = ["command", "layers", "seeds", *columns, "paper", "minutes a run", "device"]
        rows = [
            [
                f"`{group.command}`",
                " × ".join(str(units) for units in group.first.recipe["network"]["hidden"]) or "–",
                f"{len(group.runs)} ({', '.join(str(result['seed']) for result in group.results)})",
                *cells(group),
                defaults.get(group.name, group.first.recipe)["paper"],
                group.minutes,
                group.hardware,
            ]
            for group in made
            if group.first.kind == kind
        ]
        tables.append(table(head, rows))
    rest = [parts_table(made), worth_table(made), models_table(runs)]
    return "\n\n".join(part for part in [*tables, *rest] if part)


def parts_table(made: Iterable[Group]) -> str:
    """What parts of a network predict alone, for runs on text that have such parts; a layer is set beside the
    one below it."""
    rows = []
    for group in made:
        below: list[float] = []
        for name in group.results[0]["test"].get("by_part", {}):
            found = {
                part: [result[part]["by_part"][name] for result in group.results]
                for part in ("validation", "test")
            }
            gains = [100 * (1 - own / other) for own, other in zip(found["test"], below, strict=False)]
            gained = f"{spread(gains, 1)} %" if gains and name.startswith("layer") else "–"
            rows.append([f"`{group.command}`", name, *map(spread, found.values()), gained])
            below = found["test"]
    return table(
        ["command", "by", "validation perplexity", "test perplexity", "below the layer before"], rows
    )


def models_table(runs: Iterable[Summary]) -> str:
    """What else predicts the same strings, for runs whose baselines were trained."""
    rows = []
    for run in runs:
        if not (run.result and run.baselines):
            continue
        own = {part: run.result[part] for part in ("validation", "test")}
        models = {"the run itself": own}
        if "softmax_perplexity" in own["test"]:
            alone = {part: {"perplexity": own[part]["softmax_perplexity"]} for part in own}
            models["without its memory"] = alone
        for name, found in (models | run.result["baselines"] | run.baselines).items():
            reached = [f"{found[part]['perplexity']:.2f}" for part in ("validation", "test")]
            reached.append(f"{math.log(found['test']['perplexity']):.3f}")
            rows.append([run.path.name, name, *reached])
    head = ["run", "model", "validation perplexity", "test perplexity", "nats a character, test"]
    return table(head, rows)


def worth_table(made: Iterable[Group]) -> str:
    """What it is worth that hidden layers learn, over the runs of a group whose baselines were trained."""
    rows = []
    for group in made:
        compared = [
            (run.config["seed"], found)
            for run in group.runs
            if run.result and run.baselines and (found := worth(run.result, run.baselines))
        ]
        every = [found for _, found in compared]
        shares, ratios = [], [found[RATIO] for found in every if RATIO in found]
        for name in (LEARNING, BY_SOFTMAX):
            values = [100 * found[name] for found in every if name in found]
            shares.append(f"{spread(values, 1)} %" if values else "–")
        if compared:
            seeds = ", ".join(str(seed) for seed, _ in compared)
            rows.append([f"`{group.command}`", seeds, *shares, spread(ratios, 3) if ratios else "–"])
    return table(["command", "seeds", LEARNING, BY_SOFTMAX, f"test perplexity {RATIO}'s"], rows)


def expected(runs: Sequence[Summary], defaults: Defaults) -> dict[str, str]:
    """What every recipe reached with its default settings, by name; an entry may speak of several devices."""
    reached: dict[str, list[str]] = defaultdict(list)
    for group in groups(runs, defaults):
        if not group.settings:
            measure, precision = group.first.measure, group.first.config["precision"]
            found = in_words(measure, group.of_test(measure))
            how = "" if precision == "fp32" else f", {precision}"
            reached[group.name].append(f"{found} (n = {len(group.runs)}; {group.where}{how})")
    return {name: "; ".join(found) for name, found in sorted(reached.items())}
