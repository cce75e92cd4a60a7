"""`ffrec bench`: how fast this machine trains, as ratios of things that run in one process."""

from typing import Annotated

import torch
import typer

from cli import options
from cli.answers import note, print_result
from ffrec.bench.suite import Row, bfloat16_speed, chosen_benches, measured
from ffrec.training.device import pick_device

BUSY = 1.3  # times the fastest round, that the median takes on a machine that is doing something else
HEAD = (
    f"{'':32} {'type':8} {'ms':>8} {'/ products + optimiser':>23} {'/ products':>10} {'twin / step':>11}"
    "  a second"
)


def bench(
    device: options.Device = "auto",
    only: Annotated[
        str | None, typer.Option(help="Measure what has this in its name; * stands for anything.")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=60.0,
            callback=options.finite,
            help="Time for each line, if a few rounds take no longer.",
        ),
    ] = 3.0,
    json: options.Json = False,
) -> None:
    """Measure training steps, label evaluation and rollouts: under two minutes on two cores.

    A step is compared to its own matrix products and the optimiser, in the same arithmetic, and to its twin:
    the same step by autograd. Variants take turns, and their fastest rounds are
    compared; a line says so if the machine was busy with something else.
    """
    chosen, where = chosen_benches(only), pick_device(device)
    if where.type == "mps":
        raise typer.BadParameter("--device: the times of mps cannot be told here: expected cpu or cuda")
    speed = bfloat16_speed(where.type)
    machine = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if where.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "bfloat16_over_float32": speed,
    }
    head = "torch {torch}, {device}, {threads} threads".format(**machine)
    arithmetics = ("fp32", "bf16") if speed > 1 else ("fp32",)
    if not json:
        print(f"{head}; bfloat16 products {speed:.1f} times as fast as float32", HEAD, sep="\n")
    rows = []
    for row in measured(chosen, arithmetics, where.type, seconds):
        rows.append(row)
        if json:
            note(row["work"])
        else:
            print(line(row), flush=True)
    print_result(machine | {"rows": rows}, [], json)


def line(row: Row) -> str:
    """One row of the table."""
    cells = f"{row['work']:32} {row['arithmetic']:8} {1000 * row['seconds']:8.1f}"
    for value, width in ((row.get("ratio"), 23), (row.get("over_products"), 10), (row.get("twin"), 11)):
        cells += " " * (width + 1) if value is None else f" {value:{width}.2f}"
    cells += f"  {row['per_second']:.0f} {row['counted']}"
    if "over_single" in row:
        cells += f", {row['over_single']:.1f} x one string at a time"
    if "over_float32" in row:
        cells += f", {row['over_float32']:.2f} of float32's time"
    return cells + (f" (busy: the median is {row['busy']:.1f} x this)" if row["busy"] > BUSY else "")
