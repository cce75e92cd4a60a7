"""What it costs and saves that upper layers try the likeliest characters alone; the test set is never read.

    python benchmarks/likeliest.py RUN [--among 1 2 3 5 8 12] [--strings 60] [--into FILE]

Prints a table: perplexity of the first validation strings, by how much that is above the exact one, and
characters a second of processor time, in one thread and the run's own precision.
"""

import argparse
import time
from pathlib import Path

import torch
from measuring import present

import ffrec
from ffrec.evaluation.text import perplexity
from ffrec.networks.text.goodness import GoodnessCharacter
from ffrec.reports.tables import table
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.stored_text import StoredText
from ffrec.training.arithmetic import computing

HEAD = ("characters that upper layers try", "perplexity", "above exact", "characters a second")


@torch.no_grad()
def row(network: GoodnessCharacter, strings: torch.Tensor, exact: float | None) -> tuple[float, list[str]]:
    """The perplexity, and a line of the table."""
    start = time.process_time()
    cases = network.batches(strings)
    log_p = torch.cat(
        [network.predict(windows, state).gather(1, came[:, None]) for windows, came, state in cases]
    )
    seconds = time.process_time() - start
    found = perplexity(log_p)
    above = "–" if exact is None else f"{100 * (found / exact - 1):.2f} %"
    return found, [str(network.likeliest or "all"), f"{found:.3f}", above, f"{len(log_p) / seconds:.0f}"]


def main() -> None:
    made = argparse.ArgumentParser(description="Prediction with the likeliest characters alone.")
    made.add_argument("run", type=Path)
    made.add_argument("--among", nargs="+", type=int, default=[1, 2, 3, 5, 8, 12])
    made.add_argument("--strings", type=int, default=60)
    made.add_argument("--into", type=Path)
    options = made.parse_args()
    torch.set_num_threads(1)
    folder = RunFolder(options.run)
    network, text = ffrec.load(options.run).network, StoredText.read(folder)
    if text is None or not isinstance(network, GoodnessCharacter):
        raise SystemExit(f"{options.run}: expected a run that predicts characters by goodness, with its text")
    network.exponents = {}  # goodness alone: the softmax tries no characters
    strings, exact, rows = text.validation[: options.strings], None, []
    with computing(network, folder.config["precision"], torch.device("cpu")):
        row(network, strings[:5], None)  # what is slow at first is not counted
        for network.likeliest in (None, *options.among):
            value, line = row(network, strings, exact)
            exact, rows = exact or value, [*rows, line]
    found = table(HEAD, rows)
    present(found, "likeliest", options.into)


if __name__ == "__main__":
    main()
