"""What a reading of the text, or a remedy, does to twin networks; the test set is never read.

    python benchmarks/twins.py run [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/twins.py show [--into docs/twins.md]
    python benchmarks/twins.py runs [--into docs/twins.md]

`run` trains what benchmarks/twins.toml lists and results/twins.jsonl does not hold yet, in one thread and
float32. `show` prints a table for every group: accuracies on validation images, and how far the last hidden
layer has collapsed (`ffrec.evaluation.collapse`). `runs` prints the test accuracies of the run folders in
results/.
"""

import statistics
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from changes import Line, Work, measured, parser, run, tables
from measuring import present
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

import ffrec
from cli.corpus import load
from ffrec.networks.readout import Readout
from ffrec.reports.groups import groups, spread
from ffrec.reports.summary import read_all
from ffrec.reports.tables import table
from ffrec.tasks.recorded import plain
from ffrec.training.events import Epoch
from ffrec.training.phases import Phase
from ffrec.training.twin import TwinTrainer

HERE = Path(__file__).parent
LIST: Mapping[str, Any] = tomllib.loads((HERE / "twins.toml").read_text())
HEAD = ("change", "seeds", "after 1 epoch, %", "at the end, %", "together, %", "rank", "within", "between")
OF_RUNS = ("recipe", "paper", "seeds", "epochs", "together, %", "each, %", "minutes")
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels as shares of the brightest

INITIAL: Mapping[str, Callable[[Tensor], object]] = {  # of weights (inputs, units)
    "he": lambda w: w.mul_(2**0.5),
    "xavier": lambda w: nn.init.xavier_uniform_(w),
    "small": lambda w: w.normal_(0, 0.01),
    "normal": lambda w: w.normal_(0, 1),
    "torch": lambda w: w.uniform_(-(len(w) ** -0.5), len(w) ** -0.5),
}


@ffrec.register("agreement", "none")
class NoAgreement(ffrec.Agreement):
    """Layers that learn nothing from each other."""

    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> ffrec.Agreed:
        del same
        return ffrec.Agreed(a.new_zeros(()), torch.zeros_like(a), torch.zeros_like(b))


class Sigmoids(Readout):
    """Ten logistic outputs, each with its own binary cross-entropy."""

    def grade(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        wanted = labels if labels.is_floating_point() else one_hot(labels, logits.shape[1]).to(logits)
        loss = binary_cross_entropy_with_logits(logits, wanted)
        return loss, (logits.sigmoid() - wanted) / logits.shape[1]


class InTurns(TwinTrainer):
    """An update in several turns: in each, some parts of the networks learn from a pass of their own."""

    turns: Sequence[set[str]] = ()
    weights_alone = False

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        target = self.probabilities(index)
        for turn in self.turns:
            encoding = self.network.encode(self.views(index))
            softmax_loss = self.network.learn_softmax(encoding, target)
            self.network.zero_grad()
            loss, accuracy = self.network.learn(encoding, target)
            for name, parameter in self.network.named_parameters():
                learns = name.rsplit(".", 1)[0].removesuffix(".connections.below") in turn
                if not learns or (self.weights_alone and name.endswith("bias")):
                    parameter.grad = None
            self.step_optimiser(phase)
        return torch.cat([loss, softmax_loss.view(1), accuracy])


def turns_of(name: str) -> list[set[str]]:
    """What learns in each turn of an update of two hidden layers, `layers.0` to `layers.3`."""
    first, second = {"layers.0", "layers.1", "readout.0"}, {"layers.2", "layers.3", "readout.1"}
    return {
        "at once": [first | second],
        "networks": [first, second],
        "layers": [{"layers.0", "layers.2"}, {"layers.1", "layers.3"}, {"readout.0", "readout.1"}],
        "one way": [second | {"readout.0"}],
    }[name]


class Reading(Work):
    """A change of a recipe's settings, or, as a tweak, of what no setting says."""

    @property
    def tweaks(self) -> Mapping[str, str]:
        tweaks: Mapping[str, str] = self.settings.get("tweaks", {})
        return tweaks

    def made(self) -> ffrec.ImageRecipe:
        settings = {key: value for key, value in self.settings.items() if key != "tweaks"}
        recipe = ffrec.recipe(self.recipe).override({**self.shared, **settings})
        assert isinstance(recipe, ffrec.ImageRecipe)
        return recipe

    def trainer(self, corpus: Any) -> TwinTrainer:
        """With all that no setting says."""
        turned, train = "turns" in self.tweaks or "learns" in self.tweaks, corpus.train
        kind = InTurns if turned else TwinTrainer
        made = kind(self.made(), train.images, train.labels, 10, self.seed)
        if isinstance(made, InTurns):
            made.turns = turns_of(self.tweaks.get("turns", "at once"))
            made.weights_alone = self.tweaks.get("learns") == "weights"
        torch.manual_seed(self.seed)  # for torch's own initialisers
        with torch.no_grad():
            for number in made.network.levels if "init" in self.tweaks else ():
                layer = made.network.layer(number)
                INITIAL[self.tweaks["init"]](weight := layer.connection("below").weight)
                if self.tweaks["init"] == "torch":
                    layer.bias.uniform_(-(len(weight) ** -0.5), len(weight) ** -0.5)
        if self.tweaks.get("output") == "sigmoid":
            for readout in made.network.readout:
                readout.__class__ = Sigmoids
        if "input" in self.tweaks:
            made.network.take = taking(self.tweaks["input"], train.images)  # type: ignore[method-assign]
        return made

    def train(self) -> Line:
        """What the network reaches on validation images, on the way and at the end."""
        start, corpus = time.perf_counter(), load(self.made(), None)
        trainer = self.trainer(corpus)
        trainer.due = lambda epoch: epoch in (1, 2, 3, 10, 20, 30)  # type: ignore[method-assign]
        held_out = trainer.held_out(corpus.validation)
        epochs = [e.record for e in trainer.run(None, held_out) if isinstance(e, Epoch)]
        found = {r["epoch"]: r["validation"] for r in epochs if "validation" in r}
        kept = ("error_softmax", "error_by_network", "collapse")
        return {
            "found": {str(epoch): {key: of[key] for key in kept} for epoch, of in found.items()},
            "loss": epochs[-1]["loss"],
            "minutes": (time.perf_counter() - start) / 60,
        }


def taking(name: str, images: Tensor) -> Callable[[Tensor], Tensor]:
    """How images, bytes, reach the first layers."""
    if name == "bytes":
        return lambda x: x
    if name == "standardised":
        return lambda x: (x / 255 - MEAN) / DEVIATION
    pixels = images.flatten(1).float()
    mean, deviation = pixels.mean(0), pixels.std(0).clamp_min(1.0)
    return lambda x: (x - mean) / deviation


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    first = [line["found"]["1"] for line in lines]
    last = [line["found"][max(line["found"], key=int)] for line in lines]

    def of(found: Sequence[Any], network: int) -> str:
        return spread([100 - one["error_by_network"][network] for one in found], 1)

    def collapse(name: str, digits: int) -> str:
        return f"{statistics.mean(one['collapse'][name][-1] for one in last):.{digits}f}"

    return [
        lines[0]["change"],
        str(len(lines)),
        f"{of(first, 0)}, {of(first, 1)}",
        f"{of(last, 0)}, {of(last, 1)}",
        spread([100 - one["error_softmax"] for one in last], 1),
        collapse("rank", 1),
        collapse("within", 3),
        collapse("between", 3),
    ]


def of_runs(folder: Path) -> str:
    """A table of the finished runs of these networks: test accuracies, mean ± standard deviation."""
    defaults = {name: plain(make()) for name, make in ffrec.RECIPES.items()}
    kinds = ("twin", "staged")
    runs = [run for run in read_all(folder)[0] if run.recipe["network"].get("kind") in kinds]
    rows = []
    for group in groups(runs, defaults):
        tests = [result["test"] for result in group.results]
        apart = zip(*(test.get("error_by_network", [test["error_softmax"]]) for test in tests), strict=True)
        rows.append(
            [
                f"`{group.name}{group.settings}`",
                group.first.recipe["paper"],
                str(len(tests)),
                str(group.results[0]["epochs"]),
                spread([100 - test["error_softmax"] for test in tests]),
                ", ".join(spread([100 - error for error in errors]) for errors in apart),
                group.minutes,
            ]
        )
    return table(OF_RUNS, rows)


def main() -> None:
    made, commands = parser("Twin networks: readings of the text, and remedies.", "results/twins.jsonl")
    commands.add_parser("runs").add_argument("--into", type=Path)
    options = made.parse_args()
    if options.command == "run":
        run(Reading.listed(LIST, options.seed), options)
        return
    if of_lines := options.command == "show":
        found = tables(measured(Reading.listed(LIST, [0]), options.file), HEAD, row)
    else:
        found = of_runs(options.file.parent)
    present(found, "twins" if of_lines else "twins-runs", options.into)


if __name__ == "__main__":
    main()
