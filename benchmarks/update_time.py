"""How long an update takes: local learning over backpropagation.

    python benchmarks/update_time.py [--recipe conv-cifar10] [--batch 100] [--device cpu] [--into PAGE]
    python benchmarks/update_time.py --variants cifar-10 [--batch 100] [--device cpu] [--into PAGE]

The rows of benchmarks/memory.py, on the same random images. All rows of a precision take turns, and their
fastest rounds are compared. Measure on a machine that does nothing else.
"""

from functools import partial

import torch
from measuring import present
from memory import PRECISIONS, asking, beside, marker, rows_of, update

from ffrec.bench.timing import turns


def main() -> None:
    parser = asking(__doc__, batch=100)
    parser.add_argument("--seconds", type=float, default=30.0, help="for all rows of a precision")
    asked = parser.parse_args()
    baseline, names = rows_of(asked)
    found, device = {}, torch.device(asked.device)
    for precision in PRECISIONS:
        runs = {name: partial(update(name, asked.batch, precision, device), asked.batch) for name in names}
        timed = turns(runs, asked.seconds, device=device)
        found[precision] = {name: 1000 * each.seconds for name, each in timed.items()}
    shown = beside(baseline, "ms", found)
    present(shown, marker("update-time", asked), asked.into)


if __name__ == "__main__":
    main()
