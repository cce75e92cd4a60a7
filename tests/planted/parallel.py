"""Defects for ffrec/parallel and ffrec/pipeline."""

DEFECTS: dict[str, list[tuple[str, str, str]]] = {
    "ffrec/parallel/agreement.py": [
        ("torch.arange(1, 2 * len(words), 2", "torch.ones(len(words)", "parallel"),
        ("found[place] != every[0][place]", "False", "parallel"),
    ],
    "ffrec/parallel/averaging.py": [
        ("weight /= self.team.world", "pass", "parallel"),
        ("add_(velocity, alpha=self.momentum)", "add_(velocity)", "parallel"),
        ("velocity.mul_(self.momentum)", "velocity", "parallel"),
        ("self.since >= self.every", "self.since > self.every", "parallel"),
    ],
    "ffrec/parallel/shards.py": [
        ("value * self.share", "value", "parallel"),
        ("self.team.sum_(value.clone() if self.share else torch.zeros_like(value))", "value", "parallel"),
        ("total += part", "pass", "parallel"),
        ("shard.grad = None", "pass", "parallel"),
        ("every[self.place(parameter)] = value", "every[: len(value)] = value", "parallel"),
        (
            "value.reshape(-1)[self.place(parameter)]",
            "value.reshape(-1)[: len(self.shards[parameter])]",
            "parallel",
        ),
    ],
    "ffrec/parallel/team.py": [
        ("(self.rank + 1) * count // self.world", "(self.rank + 1) * (count // self.world)", "parallel"),
        ("return self.sum_(every)", "return every", "parallel"),
        ("self.first:\n                found", "True:\n                found", "parallel"),
    ],
    "ffrec/pipeline/leader.py": [
        ('state[name]["state"] |= part[name]', "pass", "pipeline"),
        ("held[name].copy_(tensor)", "pass", "pipeline"),
    ],
    "ffrec/pipeline/plan.py": [
        ("max(below, sum(costs[cut:upto]) + extra)", "below + sum(costs[cut:upto]) + extra", "pipeline"),
        ("after if upto == levels else 0.0", "0.0", "pipeline"),
        ("before + sum(costs[:upto])", "sum(costs[:upto])", "pipeline"),
    ],
    "ffrec/pipeline/stage.py": [
        ("torch.cat([step.inputs[name] for step in steps])", "whole.inputs[name]", "pipeline"),
        ("for level in self.network.config.read if level < top", "for level in range(1, top)", "pipeline"),
        ("max(self.below, 1) <= level", "self.below < level", "pipeline"),
    ],
    "ffrec/pipeline/state.py": [
        ('name: state["sums"][name] for', 'name: 0 * state["sums"][name] for', "pipeline"),
        ("add_names(held[name], value)", "pass", "pipeline"),
    ],
    "ffrec/pipeline/trainer.py": [
        ("sum(map(len, before)), len(truth), drawn", "0, len(truth), drawn", "pipeline"),
        ('if not found or phase == "sleep":', "if not found:", "pipeline"),
        (
            "self.stage.below : self.stage.top] = True",
            "self.stage.below : self.stage.top] = False",
            "pipeline",
        ),
    ],
}
