"""The tables of docs/scale.md: what an update costs, and what it takes on many devices.

    python benchmarks/scale.py [--into docs/scale.md]    # from what is stored in results/scale.json
    python benchmarks/scale.py --measure                 # measures this machine; keeps the best of all rounds
    python benchmarks/scale.py --steps                   # trains in 1, 2 and 4 processes, to compare

Delete results/scale.json to begin anew. Speeds of GPUs are assumptions: they are stated on the page.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ffrec.bench import formulas
from ffrec.bench.formulas import Computation, Product
from ffrec.recipes import recipe
from ffrec.studies.scale import (
    FULL,
    HALF,
    Device,
    Exchange,
    Habits,
    Spent,
    averaging,
    data_parallel,
    half,
    pipeline,
    roofline,
    spent,
    stages,
    tree,
    two_levels,
)

STORED = Path(__file__).parent.parent / "results/scale.json"
GPUS = (1, 8, 64, 1024)
EACH, TOTAL = 100, 4096  # cases for each GPU, and of an update that is shared out
# H100 SXM: 989 TFLOP/s in bfloat16, 3.35 TB/s, NVLink 450 GB/s each way, 400 Gb/s of network for each GPU
NODE, NVLINK, NETWORK = 8, (450e9, 3.4e-6), (50e9, 14e-6)
PRODUCTS, MEMORY, CALL, MOVED = 0.6 * 989e12, 0.8 * 3.35e12, 2e-6, 28  # bytes that AdamW moves for a weight


class Net(NamedTuple):
    """A network of the page: its recipe, and the formula of its work."""

    name: str
    recipe: Any
    formula: Callable[[Any, int], Computation]

    def work(self, width: int, cases: int) -> Computation:
        """What an update computes with layers of that width."""
        hidden = (width,) * len(self.recipe.network.hidden)
        return self.formula(replace(self.recipe.network, hidden=hidden), cases)

    def whole(self, cases: int) -> Computation:
        return self.work(self.recipe.network.hidden[0], cases)


def nets() -> dict[str, Net]:
    """By recipe, and two that no recipe has: wide and deep."""
    deep = {"hidden": [8192] * 8, "iterations": 13, "loss": [8, 13], "window": [8, 10]}
    found = [
        Net("recurrent-mnist", recipe("recurrent-mnist"), recurrent),
        Net("supervised-mnist", recipe("supervised-mnist"), feedforward),
        Net("unsupervised-mnist", recipe("unsupervised-mnist"), feedforward),
        Net("aesop-together", recipe("aesop-together"), character),
        Net("recurrent 8 × 8192", recipe("recurrent-mnist").override(deep), recurrent),
        Net(
            "unsupervised 16 × 4096",
            recipe("unsupervised-mnist").override({"hidden": [4096] * 16}),
            feedforward,
        ),
    ]
    return {net.name: net for net in found}


def recurrent(config: Any, cases: int) -> Computation:
    return formulas.recurrent(config, 784, 10, cases)


def feedforward(config: Any, cases: int) -> Computation:
    return formulas.feedforward(config, 784, 10, cases)


def character(config: Any, cases: int) -> Computation:
    return formulas.character(config, 30, cases)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def of_work(inputs: dict[str, Any]) -> str:
    """What one update is made of."""
    rows = []
    for net in nets().values():
        cases = 22320 if net.formula is character else EACH
        work, habits = net.whole(cases), Habits(*inputs["habits"][net.name]["bf16"])
        grads = sum(product.flops for product in work.products if product.kind == "grad")
        weights = sum(work.weights.values())
        moved = habits.activity * work.formed + habits.weight * weights
        numbers = [weights / 1e6, work.flops / 1e9, 100 * grads / work.flops, work.formed / 1e6]
        numbers += [habits.activity, moved / 1e6, weights * MOVED / 1e6, habits.operations]
        rows.append(
            [
                net.name,
                f"{cases:,}",
                *(f"{number:,.3g}" if number < 1e3 else f"{number:,.0f}" for number in numbers),
            ]
        )
    return table(
        [
            "network",
            "cases",
            "weights, M",
            "GFLOP",
            "of these gradients, %",
            "activities, M",
            "bytes for each",
            "MB in all",
            "MB of the optimiser",
            "operations",
        ],
        rows,
    )


def gpu() -> Device:
    """An H100 as it is assumed to be."""
    return Device(roofline(PRODUCTS, MEMORY, 2, CALL), MEMORY, MEMORY, CALL, MOVED / MEMORY)


def links(devices: int, node: int = NODE) -> Exchange:
    """All-reduce between GPUs, by rings."""
    return two_levels(devices, node, NVLINK, NETWORK)


def time_of(net: Net, inputs: dict[str, Any], cases: int) -> tuple[Any, Computation]:
    """What a GPU spends on an update, and the update."""
    work = net.whole(cases)
    return spent(work, Habits(*inputs["habits"][net.name]["bf16"]), gpu()), work


def ways(net: Net, inputs: dict[str, Any], cases: int, devices: int) -> Iterator[float]:
    """Seconds of an update with so many cases on each GPU: an all-reduce by rings, in shards by rings, with
    trees between nodes, and averaging after 100."""
    each, work = time_of(net, inputs, cases)
    reduce = links(devices)
    yield data_parallel(each, work.weights, reduce, gradient=HALF)
    yield data_parallel(each, work.weights, half(reduce), half(reduce), devices, gradient=HALF)
    trees = two_levels(devices, NODE, NVLINK, NETWORK, tree)
    yield data_parallel(each, work.weights, trees, gradient=HALF)
    yield averaging(each, work.weights, reduce, 100)


def on_gpus(inputs: dict[str, Any]) -> str:
    """Every GPU with cases of its own: efficiency against one GPU."""
    rows = []
    for net in nets().values():
        for cases in (90, 1080) if net.formula is character else (EACH, 1000):
            alone = time_of(net, inputs, cases)[0].whole
            cells = [[f"{100 * alone / t:.0f}" for t in ways(net, inputs, cases, n)] for n in GPUS[1:]]
            turned = [" / ".join(column) for column in zip(*cells, strict=True)]
            rows.append([net.name, f"{cases:,}", f"{1e3 * alone:.2f}", *turned])
    return table(["network", "cases a GPU", "1 GPU, ms", "rings", "shards", "trees", "average of 100"], rows)


def shared_out(inputs: dict[str, Any]) -> str:
    """One update of a fixed size on more and more GPUs."""
    rows = []
    for net in nets().values():
        alone = time_of(net, inputs, TOTAL)[0].whole
        cells = []
        for devices in GPUS[1:]:
            seconds = min(list(ways(net, inputs, TOTAL // devices, devices))[:3])
            cells.append(f"{1e3 * seconds:.2f} ({alone / seconds:.1f} ×)")
        rows.append([net.name, f"{1e3 * alone:.2f}", *cells])
    return table(["network", "1 GPU, ms", *(f"{n:,} GPUs" for n in GPUS[1:])], rows)


def pipelines(inputs: dict[str, Any]) -> str:
    """Pipelines side by side, each stage with its layers' gradients summed over them."""
    rows = []
    for name, depths in (("unsupervised-mnist", (2, 4)), ("unsupervised 16 × 4096", (4, 8, 16))):
        net = nets()[name]
        for cases in (EACH, 1000):
            for depth in depths:
                each, work = time_of(net, inputs, cases * depth)
                cells = [
                    "–" if n < depth else f"{100 * each.whole / depth / pipelined(each, work, depth, n):.0f}"
                    for n in (depth, *GPUS[1:])
                ]
                rows.append([name, f"{cases * depth:,}", str(depth), *cells])
    head = ["network", "cases a pipeline", "stages", "one pipeline", *(f"{n:,} GPUs" for n in GPUS[1:])]
    return table(head, rows)


def pipelined(each: Any, work: Computation, depth: int, devices: int) -> float:
    """Seconds between two updates of pipelines of so many stages on so many GPUs."""
    parts, copies = stages(each, work, depth), devices // depth
    reduce = links(copies, max(1, NODE // depth))
    read = sum(work.hidden[1:-1])  # by the softmax, and passed on
    numbers = work.cases * (2 * work.hidden[0] + read)
    bandwidth, latency = NVLINK if depth <= NODE else NETWORK
    slowest = pipeline(parts, HALF * numbers / bandwidth + latency)
    summed = max(
        data_parallel(stage, {level: work.weights[level] for level in stage.grad}, reduce, gradient=HALF)
        for stage in parts
    )
    return max(slowest, summed)


def speed(table_: dict[str, float], rows: int) -> float:
    """Flops a second for so many rows: straight between measured points, in logarithms of the rows."""
    points = sorted((int(count), flops) for count, flops in table_.items())
    if rows <= points[0][0]:
        return points[0][1] * rows / points[0][0]  # the matrix is read all the same
    for (low, slow), (high, fast) in pairwise(points):
        if rows <= high:
            return slow + (fast - slow) * math.log(rows / low) / math.log(high / low)
    return points[-1][1]


def core(inputs: dict[str, Any], processes: int, arithmetic: str) -> Device:
    """One of so many processes on this machine, whose cores are two."""
    held = inputs["speeds"][str(min(processes, 2))]
    turns = max(1.0, processes / 2)

    def seconds(product: Product) -> float:
        return turns * product.flops / speed(held[arithmetic][product.kind], product.rows)

    return Device(
        seconds, held["near"] / turns, held["far"] / turns, turns * held["call"], turns * held["weight"]
    )


def linear(rows: list[list[float]]) -> Exchange:
    """Seconds by bytes, straight between measured points and on from the last two."""

    def seconds(data: float) -> float:
        pairs = list(pairwise(rows))
        (low, short, _), (high, long, _) = next((p for p in pairs if data <= p[1][0]), pairs[-1])
        return max(0.0, short + (long - short) * (data - low) / (high - low))

    return seconds


def each_of(inputs: dict[str, Any], net: Net, arithmetic: str, processes: int, cases: int) -> Spent:
    """What one of so many processes on this machine spends on an update."""
    habits = Habits(*inputs["habits"][net.name][arithmetic])
    return spent(net.whole(cases), habits, core(inputs, processes, arithmetic))


def predicted(inputs: dict[str, Any], net: Net, arithmetic: str, way: str, processes: int) -> float:
    """Seconds of an update of a hundred cases on this machine.

    That of one process is a sum of measured parts. What several processes compute takes as much longer than
    such a sum as it did in one.
    """
    alone = each_of(inputs, net, arithmetic, 1, EACH).whole
    if processes == 1:
        return alone
    found = next(
        step["seconds"]
        for step in inputs["steps"]
        if (step["network"], step["arithmetic"], step["processes"]) == (net.name, arithmetic, 1)
    )
    moves = {name: linear(rows) for name, rows in inputs["exchanges"][str(processes)].items()}
    busy = min(1.0, inputs["exchanges"][str(processes)]["scatter"][-1][2] * max(1.0, processes / 2))
    size = FULL if arithmetic == "fp32" else HALF
    cases = EACH if way == "pipeline" else EACH // processes
    each, work = each_of(inputs, net, arithmetic, processes, cases).times(found / alone), net.whole(cases)
    if way == "pipeline":
        numbers = 2 * EACH * work.hidden[0] + EACH * sum(work.hidden[1:-1])  # with what the softmax reads
        message = moves["gather"](size * numbers)
        return pipeline(stages(each, work, processes), message, busy)
    if way.startswith("average"):
        return averaging(each, work.weights, moves["all"], int(way.split()[-1]))
    return data_parallel(each, work.weights, moves["scatter"], moves["gather"], processes, busy, size)


def compared(inputs: dict[str, Any]) -> str:
    """Predictions for this machine beside what was measured."""
    rows = []
    for step in inputs["steps"]:
        name, arithmetic, way, processes = (
            step[key] for key in ("network", "arithmetic", "way", "processes")
        )
        seconds, found = predicted(inputs, nets()[name], arithmetic, way, processes), step["seconds"]
        rows.append(
            [
                name,
                arithmetic,
                way,
                str(processes),
                f"{1e3 * seconds:.1f}",
                f"{1e3 * found:.1f}",
                f"{seconds / found:.2f}",
            ]
        )
    head = [
        "network",
        "arithmetic",
        "way",
        "processes",
        "predicted, ms",
        "measured, ms",
        "predicted / measured",
    ]
    return table(head, rows)


TABLES = {
    "work": of_work,
    "gpus": on_gpus,
    "shared-out": shared_out,
    "pipelines": pipelines,
    "this-machine": compared,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--into", type=Path)
    asked = parser.parse_args()
    inputs = json.loads(STORED.read_text()) if STORED.exists() else {}
    if asked.measure or asked.steps:
        import scale_inputs  # not at the top: tables need nothing but the formulas
        import scale_steps

        if asked.measure:
            inputs = scale_inputs.add_round(inputs, nets())
        if asked.steps:
            inputs["steps"] = scale_steps.merged(inputs.get("steps", []))
        STORED.write_text(json.dumps(inputs, indent=1) + "\n")
    for name, make in TABLES.items():
        if asked.into:
            from cli.report import put_between

            put_between(asked.into, name, make(inputs))
        else:
            print(f"{name}\n{make(inputs)}\n")


if __name__ == "__main__":
    main()
