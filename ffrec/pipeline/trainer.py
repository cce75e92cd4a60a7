"""Training one stage of a pipeline."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from ffrec.config import ConfigError
from ffrec.data.draws import Draws
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Encoding
from ffrec.pipeline.costs import measured_plan
from ffrec.pipeline.link import Link, agree, disconnect, shared_board, total
from ffrec.pipeline.stage import Stage, Traffic, joined
from ffrec.pipeline.state import limited
from ffrec.training.arithmetic import computing
from ffrec.training.images import ImageTrainer
from ffrec.training.phases import Phase

PARTS = 2  # that a batch is cut into where the first stage has to wait for the softmax


class StageTrainer(ImageTrainer):
    """Learns what one stage learns from each batch; the stages together learn what one process would.

    The first stage alone draws random numbers, in the order in which one process draws them. Every process
    makes the whole network, so that its first weights are the same, and then keeps its own levels.
    """

    def settle(self, plan: Sequence[range] | None = None) -> None:
        """Agree on which stage has which levels, by what they cost unless there is a `plan`; make links."""
        self.board, self.asks = shared_board(), self.network.labelled and self.negatives.asks
        self.parts = PARTS if self.asks else 1
        if plan is None and dist.get_rank() == 0:
            plan = measured_plan(self, dist.get_world_size())
        self.plan: Sequence[range] = agree(plan)
        self.stage = Stage(self.network, self.plan, self.traffic(), self.device)
        self.complete = True
        """Whether all the weights of the network here are those of now."""

    def traffic(self) -> Traffic:
        most = max(self.tried("both"), self.tried("wake"), self.tried("sleep"))
        cases = min(self.recipe.training.batch, self.cases)
        network: FeedForward = self.network
        pixels = torch.ones(1, self.images.features, device=self.device)
        with torch.no_grad(), computing(self.network, self.arithmetic, self.device):
            dtype = network.features(network.encode(pixels)).dtype
        return Traffic(-(-cases // self.parts), self.parts, most, self.asks, dtype)

    def tried(self, phase: Phase) -> int:
        """Candidates of the pass that the layers learn from."""
        positive, negative = int(phase != "sleep"), int(phase != "wake")
        if not self.network.labelled:
            return positive + negative if self.negatives.hybrid else 1
        logits, labels = torch.zeros(1, self.network.classes, device=self.device), self.labels[:1]
        return positive + negative * self.negatives.labels(logits, labels, Draws(0, self.device)).shape[1]

    def cut(self, batch: Tensor) -> tuple[Tensor, ...]:
        """What belongs to the cases of a batch, in parts."""
        parts: tuple[Tensor, ...] = batch.split(-(-self.recipe.training.batch // self.parts))
        return parts

    def leave(self) -> None:
        """Leave the other stages."""
        disconnect(self.stage.every_link)

    @property
    def links(self) -> list[Link]:
        """All that end at this stage."""
        return [link for link in self.stage.every_link if link.sends or link.receives]

    def open(self) -> None:
        """Get ready for what is left of the epoch."""
        self.keep_own()
        left = self.batches()[self.step :]
        parts = sum(len(self.cut(batch)) for batch in left)
        for link in self.links:
            once = len(left) if link in self.stage.flags else parts
            again = link in self.stage.images or link in self.stage.labels
            link.open(once * (self.recipe.training.repeats if again else 1))

    def close(self) -> None:
        """End the exchange of messages, at the end of an epoch or before."""
        for link in self.links:
            link.close()

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """Learn from the images at `index` what this stage's layers learn; losses and accuracies of all other
        layers are 0."""
        stage, labels, count = self.stage, self.labels[index], self.tried(phase)
        truths = self.cut(labels)
        rows: Sequence[Tensor | None] = [None] * len(truths)
        if stage.first:
            rows = self.cut(self.rows(index, phase))
        shown: list[Tensor | None] = []
        drawn = self.draws.count
        for repeat in range(self.recipe.training.repeats):
            ask = self.asks and repeat == 0
            passes = [self.encode(part, truth, count, ask) for part, truth in zip(rows, truths, strict=True)]
            softmax_loss = self.read(passes, labels, phase)
            steps = []
            for place, (encoding, _) in enumerate(passes):
                if repeat == 0:
                    self.draw_for(truths[:place], truths[place], drawn)
                    shown.append(self.shown(truths[place], phase))
                steps.append(stage.try_labels(encoding, shown[place], len(truths[place]), count))
            stage.network.zero_grad()
            encoding = Encoding(steps[0].activities[stage.top], {}, joined(steps))
            loss, accuracy = stage.network.learn(encoding, None, self.target(labels, count, phase))
            self.step_optimiser(phase)
        return self.spread(loss, softmax_loss, accuracy)

    def encode(
        self, rows: Tensor | None, truth: Tensor, count: int, ask: bool
    ) -> tuple[Encoding, Tensor | None]:
        """The first pass of some cases, and what the softmax reads if it is here; it says what it makes of
        them if it is asked."""
        network, stage = self.stage.network, self.stage
        encoding, read = stage.encode(rows, len(truth), 1 if network.labelled else count)
        if not stage.last:
            return encoding, None
        features = torch.cat([read[level] for level in network.config.read], dim=1)
        if ask:
            stage.verdicts[0].send(network.readout(features))
        return encoding, features

    def read(self, passes: Sequence[tuple[Encoding, Tensor | None]], labels: Tensor, phase: Phase) -> Tensor:
        """Set the gradients of the softmax, if it is here, and return its loss."""
        readout, found = self.network.readout, [features for _, features in passes if features is not None]
        readout.zero_grad()  # None: in sleep phases the optimiser leaves the softmax alone
        if not found or phase == "sleep":
            return torch.zeros((), device=self.device)
        features = found[0] if len(found) == 1 else torch.cat(found)
        loss: Tensor = readout.learn(features, readout(features), labels)
        return loss

    def draw_for(self, before: Sequence[Tensor], truth: Tensor, drawn: int) -> None:
        """Draw, after so many draws for the whole batch, for the cases of one part of it."""
        self.draws.first, self.draws.cases, self.draws.count = sum(map(len, before)), len(truth), drawn
        if self.parts > 1:
            self.draws.gather = refuse_shuffle

    def shown(self, truth: Tensor, phase: Phase) -> Tensor | None:
        """The labels that cases are tried with, if this is where labels enter."""
        if not (self.stage.first and self.network.labelled):
            return None
        shape = (len(truth), self.network.classes)
        logits = self.stage.verdicts[0].receive(shape)[0] if self.asks else torch.zeros(shape)
        return self.candidates(logits.to(self.device), truth, phase)

    def spread(self, loss: Tensor, softmax_loss: Tensor, accuracy: Tensor) -> Tensor:
        """What an update measured, in the places that it has in the history."""
        row, layers = self.history.new_zeros(self.history.shape[1]), self.learning_layers
        own = slice(self.stage.below, self.stage.top)
        row[:layers][own], row[layers], row[layers + 1 :][own] = loss, softmax_loss, accuracy
        return row

    def keep_own(self) -> None:
        """Drop the state of what other stages learn; all but the first drop its weights, too."""
        network, own = self.network, self.own_parameters()
        for optimiser in (self.optimiser, self.sleep_optimiser):
            for parameter in set(optimiser.state) - set(own.values()):
                del optimiser.state[parameter]
        if self.gradient_baseline:
            mine = {name: p for name, p in network.layers.named_parameters() if f"layers.{name}" in own}
            self.gradient_baseline = limited(self.gradient_baseline, mine)
        for name, parameter in network.named_parameters() if not self.stage.first else ():
            if name not in own:
                parameter.data = parameter.new_empty(0)

    def own(self, name: str) -> bool:
        """Whether a tensor of the network's state belongs to this stage, by its name."""
        if name.startswith("readout."):
            return self.stage.last
        return int(name.split(".")[1]) + 1 in self.stage.levels

    def own_parameters(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.network.named_parameters() if self.own(name)}

    def sum_history(self) -> Tensor:
        """This epoch's history of all stages, at the first one."""
        layers, own = self.learning_layers, torch.zeros(self.history.shape[1], dtype=torch.bool)
        own[:layers][self.stage.below : self.stage.top] = True
        own[layers] = self.stage.last
        own[layers + 1 :][self.stage.below : self.stage.top] = True
        return total(torch.where(own.to(self.device), self.history[: self.step], 0.0))


def refuse_shuffle(values: Tensor) -> Tensor:
    """Raise ConfigError: the values of a whole batch are not together where it is cut in parts."""
    raise ConfigError(
        "negatives: expected a source that draws for each case by itself, found one that shuffles a batch "
        f"of which {len(values)} cases are here: leave --pipeline out, or set asks = False where no logits "
        "are needed"
    )
