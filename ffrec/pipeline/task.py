"""Which recipes can be trained in a pipeline, and the task of one that can."""

from typing import Any

import torch.distributed as dist

from ffrec.config import ConfigError, ImageRecipe, Recipe
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.tasks.images import ImageTask


def check(recipe: Recipe, stages: int) -> None:
    """Raise ConfigError unless the recipe's network can be cut into so many stages."""
    network = recipe.network
    hidden, context = network.hidden, getattr(network, "context", "own")
    if network.kind != "feedforward":
        wrong = f"a feed-forward network, whose layers send nothing down, found {network.kind}"
    elif context != "own":
        wrong = f"layers that know no goodness but their own, found context {context}"
    elif getattr(recipe.training, "perturbs", False):
        wrong = "hidden layers that send what they are, found hidden_noise or unit_dropout"
    elif not 2 <= stages <= len(hidden):
        wrong = f"2 to {len(hidden)} processes for {len(hidden)} hidden layers, found {stages}"
    else:
        return
    raise ConfigError(f"--pipeline: {recipe.name}: expected {wrong}: leave --pipeline out, or change it")


class PipelineTask(ImageTask):
    """A recipe for images whose hidden layers learn in several processes; the first of them leads.

    Every process makes one, with what `ImageTask` takes, once all have met: `Team.start`.
    """

    trainer: Leader | Follower

    def __init__(self, recipe: ImageRecipe, *arguments: Any) -> None:
        super().__init__(recipe, *arguments)
        self.trainer.settle()

    def make_trainer(self, recipe: ImageRecipe, *arguments: Any) -> Leader | Follower:
        return (Leader if dist.get_rank() == 0 else Follower)(recipe, *arguments)
