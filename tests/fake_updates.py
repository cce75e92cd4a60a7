"""One update of every kind on pretended CUDA tensors, and planted faults; prints JSON.

python tests/fake_updates.py [-v] [KIND ...]
"""

import json
import sys
import traceback

import torch
from fake_cuda import CUDA, Pretending, RealGenerator, before_pretence  # first: it changes torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import ffrec.training.images
import ffrec.training.text
from ffrec.evaluation.images import choose, label_goodness
from ffrec.learning.fields import Convolution
from ffrec.learning.goodness import Blocks, MeanSquare, Places
from ffrec.learning.layer import Layer
from ffrec.learning.transform import Pool
from ffrec.learning.update import Step, local_update
from ffrec.negatives.hybrids import blur
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer
from ffrec.training.arithmetic import computing
from ffrec.training.text import TextTrainer

ffrec.training.images.make_network = before_pretence(ffrec.training.images.make_network)
ffrec.training.text.make_network = before_pretence(ffrec.training.text.make_network)

UNLABELLED = {"label": "none", "negatives": "none", "activity": "max", "threshold": 1.0}
SCORES = {"objective": "classes", "goodness": "scores"}
KINDS = {
    "recurrent": ("recurrent-mnist-small", {}),
    "recurrent, loss from all iterations": ("recurrent-mnist", {"hidden": [20, 20, 20]}),
    "recurrent, jitter, student-t": ("recurrent-mnist-jitter", {"activation": "student-t"}),
    "recurrent, bfloat16": ("recurrent-mnist-small", {}),
    "supervised, bfloat16": ("supervised-mnist", {}),
    "characters, sleep, bfloat16": ("aesop-sleep-small", {}),
    "alternating": ("recurrent-mnist-alternating", {"hidden": [20, 20, 20]}),
    "supervised": ("supervised-mnist", {}),
    "supervised, pairwise, every label": ("supervised-mnist", {"objective": "pairwise", "negatives": "all"}),
    "supervised, candidates": ("supervised-mnist", {"objective": "candidates", "negatives": "all"}),
    "supervised, blocks, peers": (
        "supervised-fashion",
        {"objective": "logistic", "blocks": 4, "peer": 0.03, "negatives": "uniform"},
    ),
    "collaboration": ("supervised-digits", {"context": "below"}),
    "classes": (
        "supervised-digits",
        {**SCORES, "label": "none", "negatives": "none", "activity": "max", "threshold": 1.0},
    ),
    "unsupervised": ("unsupervised-mnist", {}),
    "local fields": ("local-mnist", {}),
    "local fields, masked": ("local-mnist", {"masked": True}),
    "phases": ("sleep-mnist", {"wake": 1}),
    "phases, centring, baseline": ("sleep-mnist-cure", {"wake": 1, "sleep": 1}),
    "phases of hybrids": ("sleep-fashion-masks-cure", {"wake": 1, "sleep": 1}),
    "phases, scaling, two states": ("sleep-mnist", {"wake": 1, "scaling": 0.1, "states": "separate"}),
    "twins": ("twin-mnist-wide", {}),
    "twins, classes, contrast, binary": (
        "twin-mnist",
        {"agreement": "contrast", "views": "class", "normalised": True},
    ),
    "twins, decorrelation": ("twin-digits", {"agreement": "decorrelation"}),
    "twins, goodness of pairs, bfloat16": ("twin-digits", {"agreement": "goodness"}),
    "twins, a network with itself": ("ffcm-mnist", {}),
    "characters, random": ("aesop-random-small", {}),
    "noise": ("recurrent-digits", {"noise": 0.5, "hidden_noise": 0.5}),
    "characters, together": ("aesop-together-small", {"dropout": 0.2}),
    "characters, sleep": ("aesop-sleep-small", {}),
    "characters, teacher": ("aesop-recall", {"memory": 0.0}),
    "characters, night": ("aesop-night-small", {"night": 2}),
    "characters, classes": ("aesop-teacher-small", SCORES),
    "characters, phases": ("aesop-together-small", {"wake": 1}),
    "characters, by goodness": ("aesop-goodness", {"hidden": [20, 10], "blanks": 0.1}),
    "characters, by goodness beside two that are drawn": (
        "aesop-goodness",
        {"hidden": [20, 10], "negatives": "hard-2"},
    ),
    "characters, by goodness, a state": ("aesop-state", {"hidden": [20, 10]}),
    "characters, by goodness, iterations": ("aesop-goodness", {"hidden": [20, 10], "iterations": 2}),
    "characters, by goodness, bfloat16": ("aesop-goodness", {"hidden": [20, 10], "blanks": 0.1}),
}


def plant(trainer, fault):
    """Make a trainer's update do something wrong."""
    labels, learn = trainer.labels, trainer.learn
    planted = {
        "item": lambda index: labels[index].float().mean().item(),
        "condition": lambda index: bool((labels[index] > 3).any()),
        "nonzero": lambda index: labels[index].nonzero(),
        "mask": lambda index: labels[labels > 3],
        "list": lambda index: labels[index].tolist(),
        "host index": lambda index: labels[torch.arange(4)],
        "fresh tensor": lambda index: torch.tensor([1.0, -1.0], device=trainer.device),
        "copy to the device": lambda index: torch.arange(4).to(trainer.device),
        "copy to the host": lambda index: labels[index].cpu(),
        "mixed devices": lambda index: labels[index] + torch.arange(4),
    }[fault]

    def faulty(index, phase):
        planted(index)
        return learn(index, phase)

    trainer.learn = faulty


def trainer_of(kind):
    name, changed = KINDS[kind]
    chosen = recipe(name).override({"batch": 4, **changed})
    if chosen.network.on == "text":
        return TextTrainer(chosen, torch.zeros(8, 13, dtype=torch.long), 30, device=CUDA)
    images, labels = torch.zeros(8, 28, 28, dtype=torch.uint8), torch.zeros(8, dtype=torch.long)
    return new_trainer(chosen, images, labels, 10, device=CUDA)


def update(kind, planted, pretending):
    """Two updates of a kind of recipe, or two of each of its phases, one of them `steady`."""
    trainer = trainer_of(kind)
    if planted:
        plant(trainer, planted)
    index = torch.zeros(4, dtype=torch.long, device=CUDA)
    arithmetic = "bf16" if "bfloat16" in kind else "fp32"
    times = 2 if trainer.recipe.training.wake or "night" in kind else 1
    for pretending.steady in (*[False] * times, *[True] * times):  # constants may be copied once
        with torch.no_grad(), computing(trainer.network, arithmetic, torch.device("cpu")):
            measured = trainer.update(trainer.part(index))
    return [measured, *trainer.network.parameters()]


def evaluate(_kind, _planted, pretending):
    """Every label of a batch of images, by a recurrent network."""
    network, pretending.steady = trainer_of("recurrent").network, True
    encoding = network.encode(torch.zeros(4, 784, device=CUDA))
    every = torch.arange(10, device=CUDA).expand(4, -1)
    return [choose(label_goodness(network, encoding, every, 5), every, (2, 5))]


def convolve(_kind, _planted, pretending):
    """The local update of a convolution and a pooling layer, each with a goodness for every place."""

    def layers():
        drawn = RealGenerator()
        first = Convolution((1, 8, 8), 6, 3, drawn, padding=1)
        second = Convolution((6, 4, 4), 8, 3, drawn)
        return nn.ModuleList(
            [
                Layer({"0": first}, Places(MeanSquare(), 64), transform=Pool(first.map, 2)),
                Layer({"1": second}, Blocks(MeanSquare(), 4)),
            ]
        )

    made, pretending.steady = before_pretence(layers)().to(CUDA), True
    x = torch.zeros(4, 2, 64, device=CUDA)
    inputs, activities = {"0": x}, {}
    for level, layer in enumerate(made, 1):
        activities[level] = layer(inputs[str(level - 1)])
        inputs[str(level)] = layer.send(activities[level])
    signs = torch.full((2,), 1.0, device=CUDA)
    found = local_update(dict(enumerate(made, 1)), [Step(inputs, activities)], signs)
    return [*found, *(parameter.grad for parameter in made.parameters())]


def fault_of(kind, planted=None):
    """What a kind of work does wrong; an empty text if nothing."""
    blur.cache_clear()
    work = {"evaluation": evaluate, "convolutions": convolve}.get(kind, update)
    with FakeTensorMode(), Pretending() as pretending:
        try:
            made = work(kind, planted, pretending)
            return "" if all(x.device == CUDA for x in made) else "it ends on another device"
        except Exception as error:
            if "-v" in sys.argv:
                traceback.print_exc()
            return f"{type(error).__name__}: {error}"


def main():
    every = (*KINDS, "evaluation", "convolutions")
    found = {kind: fault_of(kind) for kind in [kind for kind in sys.argv[1:] if kind in every] or every}
    names = ["item", "condition", "nonzero", "mask", "list", "host index", "fresh tensor"]
    names += ["copy to the device", "copy to the host", "mixed devices"]
    planted = {fault: fault_of("supervised", fault) for fault in names}
    print(json.dumps({"kinds": found, "planted": planted}))


if __name__ == "__main__":
    main()
