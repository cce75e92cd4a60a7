"""What each layer of a trained network makes of the labels by itself, and with the layers below it."""

import torch
from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches
from ffrec.networks.network import Network


@torch.no_grad()
def layer_scores(network: Network, images: Images) -> Tensor:
    """The score of every label in every layer, `(layers, n, classes)`, averaged over the evaluation window
    t₁ to t₂:

        sₗ(label) = mean over t of gₗ(label, t),    t₁ ≤ t ≤ t₂

    Of class scores that is the layer's sharpness times its score of the class. The network predicts the label
    with the highest sum over its `scored` levels.
    """
    first, last = network.window
    found = []
    for rows in batches(images, network.batch):
        every = torch.arange(network.classes, device=rows.device).expand(len(rows), -1)
        total = torch.zeros(len(network.levels), *every.shape, device=rows.device)
        for t, step in enumerate(network.steps(network.encode(rows), every, last), start=1):
            if t >= first:
                total += torch.stack([network.label_score(level, step, every) for level in network.levels])
        found.append(total.cpu() / (last - first + 1))
    return torch.cat(found, dim=1)
