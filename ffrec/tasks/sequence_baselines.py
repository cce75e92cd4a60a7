"""Networks that read the text of a run from its beginning on, trained for so many minutes beside it."""

import time
from collections.abc import Callable
from typing import Any

import torch

from ffrec.baselines.sequences import BATCH, CONTEXT, LongShortTermMemory, Sequence, Transformer, train
from ffrec.data.strings import PIECE, first, pieces
from ffrec.evaluation.text import summary
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.stored_text import Text

NETWORKS: dict[str, type[Transformer] | type[LongShortTermMemory]] = {
    "transformer": Transformer,
    "LSTM": LongShortTermMemory,
}


def sequence_baselines(
    folder: RunFolder,
    text: Text,
    symbols: int,
    device: torch.device,
    minutes: float,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """A transformer and an LSTM, each trained on the run's training strings for so many minutes of the
    processor, and kept in the run's baselines.json.

    They predict all of a long string but the 64 characters that they begin with; of others what the run does.
    """
    kept = folder.read_json("baselines.json") or {}
    network, training = (folder.config["recipe"][part] for part in ("network", "training"))
    strings = first(text.train, training["strings"], network["window"]).to(device)
    for kind, make in NETWORKS.items():
        name = f"{kind}, {minutes:g} minutes"
        if "exponent" in kept.get(name, {}):  # older ones were not calibrated
            continue
        made = make(symbols, torch.Generator().manual_seed(folder.config["seed"])).to(device)
        updates = train(made, strings, share_of(minutes, clock), folder.config["seed"])
        kept[name] = measured(made, text, network["window"]) | {"minutes": minutes, "updates": updates}
        kept[name]["exponent"] = made.exponent
        folder.write_json("baselines.json", kept)
    return kept


def share_of(minutes: float, clock: Callable[[], float]) -> Callable[[], float]:
    """What says which share of so many minutes from now on is over, by a clock of seconds."""
    begun = clock()
    return lambda: (clock() - begun) / (60 * minutes)


@torch.no_grad()
def measured(network: Sequence, text: Text, window: int) -> dict[str, Any]:
    """Perplexity on validation and test strings, of the characters after the first window; validation
    strings calibrate it as they do the run's own network."""
    found: dict[str, Any] = {}
    for part in ("validation", "test"):
        strings = pieces(getattr(text, part), max(CONTEXT, window)).to(network.readout.weight.device)
        start = max(window, strings.shape[1] - PIECE)
        if part == "validation":
            network.calibrate(strings, start)
        found[part] = summary(torch.cat([network.log_likelihood(s, start) for s in strings.split(BATCH)]))
    return found
