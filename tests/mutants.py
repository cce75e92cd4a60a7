"""Plant one-line defects, one at a time, and fail if the tests let one live.

    python tests/mutants.py [part of a file name ...]

For each file: a fragment of it, its wrong twin, and the tests that must notice. The working tree is
copied first and never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENDLESS = 600
"""Seconds after which tests have noticed a defect by not ending."""

PLANTED: dict[str, list[tuple[str, str, str]]] = {
    "ffrec/reports/confidence.py": [
        ("    fitted_on: Word\n", '    fitted_on: Word = ""\n', "faults/json"),
    ],
    "ffrec/evaluation/health.py": [
        (".any(0).float()", ".all(0).float()", "faults/numbers"),
        ("if loss > SATURATED", "if loss < SATURATED", "faults/numbers"),
        ("> GUESS * guess", "> guess", "faults/numbers"),
    ],
    "ffrec/training/memory.py": [
        ("numbers = 2 + states", "numbers = 1 + states", "faults/out_of_memory"),
        ("needed.bytes > there", "needed.bytes > 2 * there", "faults/out_of_memory"),
        ("*map(limit, LIMITS)", "", "faults/out_of_memory"),
    ],
    "ffrec/config/base.py": [
        ("-WHOLE <= value < WHOLE", "True", "faults/settings"),
    ],
    "cli/compared.py": [
        ("if key not in read:", "if True:", "faults/data"),
        ("if not StoredText.read(folder):", "if StoredText.read(folder):", "faults/data"),
    ],
    "corpora/loading.py": [
        ("and file.name != source.archive", "", "faults/data"),
    ],
    "cli/together.py": [
        ("RunFolder.check_free(path, force)", "RunFolder.check_free(path)", "cli"),
        ("RunFolder.check_free(path, force)", "pass", "cli"),
    ],
    "ffrec/parallel/team.py": [
        ("(self.rank + 1) * count // self.world", "(self.rank + 1) * (count // self.world)", "parallel"),
        ("return self.sum_(every)", "return every", "parallel"),
        ("self.first:\n                found", "True:\n                found", "parallel"),
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
    "ffrec/parallel/averaging.py": [
        ("weight /= self.team.world", "pass", "parallel"),
        ("add_(velocity, alpha=self.momentum)", "add_(velocity)", "parallel"),
        ("velocity.mul_(self.momentum)", "velocity", "parallel"),
        ("self.since >= self.every", "self.since > self.every", "parallel"),
    ],
    "ffrec/parallel/agreement.py": [
        ("torch.arange(1, 2 * len(words), 2", "torch.ones(len(words)", "parallel"),
        ("found[place] != every[0][place]", "False", "parallel"),
    ],
    "ffrec/data/draws.py": [
        ("hashed(self.seed, update, stream)", "hashed(self.seed, update)", "draws"),
        ("hashed(self.seed, update, stream)", "hashed(update, stream)", "draws"),
        ("self.counted(DELTA, first, cases)", "self.counted(DELTA, 0, cases)", "draws"),
        ("2 ** (64 - shift) - 1", "-1", "draws"),
        ("self.count += 1", "self.count = 1", "draws"),
        ("size = rows // cases", "size, cases = 1, rows", "draws"),
        ("len(whole), 0, 1)", "len(whole), self.first, 1)", "draws"),
        (".bitwise_and_(self.number(2**32 - 1))", "", "draws"),
        ("(k + 0.5) / 2**16", "(k + 0.5) / 2**17", "draws"),
    ],
    "ffrec/tasks/task.py": [
        ("self.keep(folder)  # a process", "pass  # a process", "cli"),
    ],
    "ffrec/models/arrays.py": [
        ("and str(int(name)) == name", "", "model"),
    ],
    "ffrec/models/notebook.py": [
        ("data=name_of(data, chosen)", "data=chosen.data", "model"),
    ],
    "ffrec/learning/goodness.py": [
        ("dtype=dtype).square() / units", "dtype=dtype).square()", "goodness layer"),
        ("h.shape[-1] ** -0.5", "h.shape[-1] ** -1.0", "goodness layer"),
        ("norm(h, dim=-1, dtype=dtype)", "norm(h, dim=-1)", "arithmetic"),
        ("view(h.shape[:-1]).square() / units", "view(h.shape[:-1]).square()", "arithmetic"),
        (".clamp_min(SMALLEST)", "", "goodness layer"),
        ("weight * (2 / h.shape[-1])", "weight * (1 / h.shape[-1])", "goodness"),
        ("torch.mul(h.sign(), (", "torch.mul(torch.ones_like(h), (", "goodness"),
        ("return -self.whole.value(h)", "return self.whole.value(h)", "goodness"),
        ("self.whole.grad(h, -weight)", "self.whole.grad(h, weight)", "goodness"),
        ("self.whole.write_grad(h, -weight, out)", "self.whole.write_grad(h, weight, out)", "goodness"),
        (
            "self.whole.add_weight_grad(h, -weight)",
            "self.whole.add_weight_grad(h, weight)",
            "goodness update",
        ),
        (
            "self.whole.norm(h)\n\n\n@final\nclass Places",
            "self.value(h)[..., 0]\n\n\n@final\nclass Places",
            "goodness",
        ),
        (
            '"... (place channel) -> ... place channel"',
            '"... (channel place) -> ... place channel"',
            "goodness",
        ),
        ("return self.whole.norm(self.by_place(h))", "return self.whole.norm(h).unsqueeze(-1)", "goodness"),
        (
            "self.whole, self.takes_bfloat16 = whole, whole.takes",
            "self.__dict__['whole'], self.takes_bfloat16 = whole, whole.takes",
            "goodness feedforward",
        ),
    ],
    "ffrec/learning/scores.py": [
        ("/ math.prod(self.grid.square)", "", "convolutional"),
        ("of_squares.to(h.dtype)).mul_(h != 0)", "of_squares.to(h.dtype))", "convolutional"),
        ("direction - x * (direction * x).mean(-1, keepdim=True)", "direction", "goodness"),
        ("/ size * (h != 0)", "* (h != 0)", "goodness"),
        ("/ size * (h != 0)", "/ size", "goodness"),
        ("return self.normalise(h) @ self.weight", "return h @ self.weight", "goodness"),
        ("self.normalise(h).flatten(0, -2).T @", "h.flatten(0, -2).T @", "goodness"),
        ("self.weight.grad += self", "self.weight.grad = self", "goodness"),
        ("generator=generator) / units**0.5", "generator=generator) / units", "goodness"),
        ("learns = False", "learns = True", "goodness"),
    ],
    "ffrec/learning/objective.py": [
        (
            "return target * self.sharpness * (goodness - self.threshold)",
            "return self.sharpness * (goodness - self.threshold)",
            "goodness",
        ),
        (
            "torch.sigmoid(-self.logit(goodness, target))",
            "torch.sigmoid(self.logit(goodness, target))",
            "goodness",
        ),
        ("return -target * self.sharpness", "return -target", "goodness"),
        (
            "(target * (goodness - self.threshold) > 0)",
            "((goodness - self.threshold) > 0)",
            "goodness feedforward",
        ),
        ("(goodness[:, :1] > goodness[:, 1:])", "(goodness[:, :1] < goodness[:, 1:])", "goodness"),
        ("softplus(-self.sharpness * (", "softplus(self.sharpness * (", "goodness"),
        ("pull = self.sharpness * torch", "pull = torch", "goodness"),
        ("[-pull.sum(1, keepdim=True), pull]", "[-pull.mean(1, keepdim=True), pull]", "goodness update"),
        ("if goodness.shape[1] < 2:", "if False:", "goodness"),
        ("cross_entropy(self.sharpness * goodness,", "cross_entropy(goodness,", "goodness"),
        ("p.sub_(target).mul_(self.sharpness)", "p.mul_(self.sharpness)", "agreement"),
        ("p = (self.sharpness * goodness)", "p = goodness", "goodness"),
        ("-right).mul_(self.sharpness)", "-right)", "goodness"),
        (".scatter_add_(1, target.unsqueeze(1), -right)", "", "goodness"),
        (
            "self.grad(rows, of_rows) / loss.numel()",
            "self.grad(rows, of_rows) / len(loss)",
            "goodness update",
        ),
        ("rows = goodness + fixed", "rows = goodness", "goodness update"),
        ("rearrange(goodness + fixed,", "rearrange(goodness,", "goodness update"),
        (
            "target.repeat_interleave(parts, dim=0)",
            "torch.cat([target] * parts)",
            "goodness update",
        ),
        ("part=parts).mean(2)", "part=parts)[..., 0]", "goodness update"),
        ('float("-inf")).amax(1, keepdim=True)', "0.0).amax(1, keepdim=True)", "goodness"),
        ("goodness.gather(1, place) > others", "goodness.gather(1, place) >= others", "goodness"),
    ],
    "ffrec/learning/activation.py": [
        ("torch.log1p(square), 2", "square.log1p() * 2, 2", "feedforward"),
        ("2 * total / (1 + square)", "total / (1 + square)", "feedforward"),
    ],
    "ffrec/learning/connection.py": [
        ("div_(fan_in**0.5)", "div_(fan_in)", "connections"),
        (
            "delta.unflatten(-1, (self.places, -1)).sum(-2)",
            "delta[..., :self.weight.shape[1]]",
            "convolutional",
        ),
        ("return sent if self.places == 1", "return sent if self.places == 2", "convolutional"),
        ("(x.T @ delta) * self.mask", "x.T @ delta", "connections"),
        ("self.weight.mul_(self.mask)", "pass", "connections"),
        ("self.weight.grad.add_(x.T @ delta)", "self.weight.grad.copy_(x.T @ delta)", "connections"),
        ("            self.stale = True", "            pass", "arithmetic"),
        ("self.working[rows.squeeze(-1)].mul_(sizes)", "self.working[rows.squeeze(-1)]", "connections"),
        (", per_sample_weights=each)", ")", "connections"),
        (".mean(0) * sizes[position]", ".sum(0) * sizes[position]", "connections"),
        (".mean(0) * sizes[position]", ".mean(0) * sizes[0]", "connections"),
        ("rows = x + self.offsets[:given]", "rows = x", "connections"),
        (
            "view(self.positions, self.symbols, -1).mean(1)",
            "view(self.positions, self.symbols, -1).sum(1)",
            "connections feedforward",
        ),
        ("sizes[:given].expand(x.shape))", "1.0)", "connections"),
        ("sizes[given:] / self.symbols", "sizes[given:]", "connections"),
        ("(inputs / sizes.square().sum()).sqrt()", "(inputs / sizes.square().sum())", "connections"),
        ("torch.arange(positions - 1, -1, -1.0,", "torch.arange(0.0, positions,", "connections"),
    ],
    "ffrec/learning/fields.py": [
        ("dim=0).T", "dim=0).flip(1).T", "connections"),
        ("c y x -> (down right) (y x c)", "c y x -> (down right) (x y c)", "connections"),
        (
            "torch.bmm(self.seen(x).mT, per_place)",
            "torch.bmm(self.seen(x).mT, per_place.flip(1))",
            "connections",
        ),
        (
            "conv2d(as_maps(x, self.source), self.working, stride",
            "conv2d(as_maps(x, self.source), self.working.flip(2), stride",
            "connections",
        ),
        ("self.add_grad(grad)", "self.add_grad(grad * 2)", "connections"),
        ("shape, deltas, stride=self.stride,", "shape, deltas, stride=1,", "convolutional"),
        ("y : y + down : self.stride", "y : y + down", "convolutional"),
        ("[self.pool] * 2, output_size=self.whole", "[self.pool] * 2", "update"),
        ("self.bias_units = channels", "pass", "connections"),
        ("below * kernel**2", "below * kernel", "connections"),
        ("kernel > min(height, width) + 2 * padding", "kernel > min(height, width)", "connections"),
    ],
    "ffrec/learning/transform.py": [
        (".clamp_min(RATE)", "", "convolutional"),
        ("square - mean.square()", "square", "convolutional"),
        ("if self.following:", "if True:", "convolutional"),
        ("return self.normalise(sent)", "return sent", "transforms feedforward"),
        ("not sent.isfinite().all()", "False", "transforms feedforward"),
        ("self.box(x.clone())", "self.box(x)", "transforms"),
        ('"mean": avg_pool2d', '"mean": max_pool2d', "transforms"),
    ],
    "ffrec/learning/layer.py": [
        ("factor if slope is None else slope * factor", "slope", "goodness_text"),
        ("factor if slope is None else slope * factor", "factor", "goodness_text"),
        ("else sent + onto", "else sent", "layer"),
        ("sent.add_(onto) if", "sent if", "layer"),
        ("bias.repeat(shared)", "bias.repeat_interleave(shared)", "connections"),
        (
            ".to(self.bias.dtype).view(-1, len(self.bias)).sum(0)",
            ".to(self.bias.dtype).view(len(self.bias), -1).sum(1)",
            "connections",
        ),
        ("x if self.transform is None else self.transform(x)", "x", "layer update"),
        ("h if self.goodness.takes_bfloat16 else h.to(wide(h.dtype))", "h", "arithmetic"),
        ("else goodness.mean(-1)", "else goodness[..., 0]", "feedforward"),
        ("positive = (signs > 0)", "positive = (signs < 0)", "layer"),
        ("/ count.clamp_min(1)\n", "/ count.clamp_min(1) / 2\n", "layer"),
        ("torch.where(count > 0, mean, self.running_mean)", "mean", "character"),
        ("self.running_mean - self.running_mean.mean()", "self.running_mean", "layer"),
        ("x = x - midpoint(self.exchange.mean(x.mean(0)), sign)", "pass", "feedforward"),
        ("x = x - midpoint(means, sign, seen)[labels]", "x = x - midpoint(x.mean(0), sign)", "layer"),
        ("label_means(x, labels, midpoint.recent,", "label_means(x, labels, midpoint.before,", "layer"),
        ("torch.where(count > 0, total / count.clamp(min=1), known)", "total / count", "layer"),
        ("if not self.centring:", "if True:", "layer"),
        (
            "self.goodness_midpoint(self.exchange.mean(goodness), sign)",
            "self.goodness_midpoint(self.exchange.mean(goodness), sign.abs())",
            "feedforward",
        ),
        ("-self.scaling / 2", "-self.scaling", "layer"),
        (".clamp(0.5, 2.0)", "", "layer"),
        ("torch.where(midpoint == 0, 1.0, ", "torch.where(midpoint == 7, 1.0, ", "layer"),
    ],
    "ffrec/learning/agreement/losses.py": [
        ("across(grad @ v, u) / of_a", "(grad @ v) / of_a", "agreement"),
        ("across(grad.T @ u, v) / of_b", "across(grad @ u, v) / of_b", "agreement"),
        (".fill_diagonal_(float(a is not b))", "", "agreement"),
        ("-across(v, u) / (of_a * cases)", "-across(v, u) / of_a", "agreement"),
        ("(cosines - self.margin).clamp_min(0)", "(cosines - self.margin).abs()", "agreement"),
        ("far * (beyond > 0) - near", "far - near", "agreement"),
        ("self.margin * same) + counted.log()", "self.margin * same)", "agreement"),
        ("(cosines - self.margin * same)", "(cosines + self.margin * same)", "agreement"),
        ("(grad + back.T) / 2", "(grad + back) / 2", "agreement"),
        (
            "torch.where(total > 0, log_p.exp() - wanted, 0.0)",
            "(log_p.exp() - wanted) * (total > 0)",
            "agreement",
        ),
        ("torch.where(total > 0, log_p.exp() - wanted, 0.0)", "log_p.exp() - wanted", "agreement"),
        ("a @ b.T / units - self.margin", "a @ b.T / units + self.margin", "agreement"),
        ("(eye + (1 - eye) / a.shape[1]) / a.shape[1]", "eye / a.shape[1]", "agreement"),
        ("- x * (grad * x).mean(0)", "", "agreement"),
    ],
    "ffrec/learning/agreement/update.py": [
        ("own / len(grads)", "own", "agreement"),
        ("grad * (h != 0 if slope is None else slope[:, 0])", "grad", "agreement"),
        ("(h != 0 if slope is None else slope[:, 0])", "(h != 0)", "agreement"),
        ("weight = strength * graded.grad", "weight = graded.grad", "agreement"),
        ("grads[pair[1]] + agreed.grad_b if pair[1] in grads", "grads[pair[1]] if pair[1] in grads", "twin"),
        (".fill_diagonal_(-2.0)", "", "agreement"),
    ],
    "ffrec/networks/twin.py": [
        ("(network + 1) * self.depth + 1", "(network + 1) * self.depth", "twin"),
        ("normalise(image)", "image", "twin"),
        ("self.numbers(network)[level - 1]", "self.numbers(0)[level - 1]", "twin"),
        (".mean(0)\n\n    def learn(", ".sum(0)\n\n    def learn(", "twin"),
    ],
    "ffrec/training/twin.py": [
        ("index[self.partners(self.labels[index])]", "index", "twin"),
        ("scatter_(0, orders[0], orders[1])", "scatter_(0, orders[0], orders[0])", "twin"),
        ("return self.answers[index]", "pass", "twin"),
        (
            "none.scatter_(1, labels, 1.0)",
            "torch.nn.functional.one_hot(labels[:, 0], self.network.classes).float()",
            "capture",
        ),
        ("if team.world > 1:", "if False:", "twin"),
    ],
    "ffrec/evaluation/collapse.py": [
        ("1 - mean.square().sum()", "mean.square().sum()", "twin"),
        ("spread.square() / squares", "spread / squares", "twin"),
        ("(alike - u.square().sum())", "alike", "twin"),
        ("(every - alike)", "every", "twin"),
    ],
    "ffrec/networks/readout.py": [
        ("pull - p * pull.sum(1, keepdim=True)", "pull", "twin"),
        ("return -(labels * log_p).sum(1).mean(), error - labels", "return log_p.sum(), error", "twin"),
        (".clamp_min(torch.finfo(p.dtype).tiny ** 0.5)", "", "twin"),
        ("labels] -= 1", "labels] += 1", "layer"),
        ("(share / len(labels))", "share", "layer"),
    ],
    "ffrec/learning/update.py": [
        ("= least = of_x.sum(0, keepdim=True)", "= of_x[:1]", "goodness_text"),
        ("<= FEW else x.sum(axis)", "<= FEW else x.mean(axis)", "goodness_text"),
        ("delta *= slope if count == 1", "delta *= 1 if count == 1", "update"),
        ('buffers.filled(f"slope {level}").flatten(0, 1)', "1", "recurrent update"),
        ("layer.goodness.add_weight_grad(layer.seen(h), weight)", "pass", "update"),
        (
            "layer.goodness.add_weight_grad(layer.seen(h), weight)",
            "layer.goodness.add_weight_grad(layer.seen(h), weight * count)",
            "update",
        ),
        ("layer.exchange.share / weight.numel()", "layer.exchange.share", "layer update"),
        ("part += (pull", "part -= (pull", "layer update"),
        ("* (signs > 0).unsqueeze(-1)", "", "layer update"),
        ("if of_candidates else torch.cat([target] * count)", "", "update recurrent"),
        ("if name not in step.fixed:", "if name in step.shared:", "update recurrent"),
        ("x if name in step.shared else x.expand", "x.expand", "update"),
        ("torch.stack(measured, dim=1)", "2 * torch.stack(measured, dim=1)", "update recurrent"),
        ("summed = least = total(delta, 0)", "summed = least = delta[0]", "update recurrent"),
        ("source not in step.fixed and len(delta) > 1", "len(delta) > 1", "update recurrent"),
        ("of_x = delta if whole else summed", "of_x = summed", "update recurrent"),
        ("total(of_x, -2).unsqueeze(-2)", "of_x[..., :1, :]", "update"),
        ("elif source in step.shared:", "elif False:", "update"),
        ("at < level or (layer.context", "at <= level or (layer.context", "update"),
        ('(layer.context == "all" and at > level)', "False", "update"),
        ('layer.context == "own" or not others', "not others", "update"),
        (
            "layer.add_bias_grad(least.flatten(0, 1))",
            "layer.add_bias_grad(delta[0].flatten(0, 1))",
            "update recurrent",
        ),
        ("layer.follow_goodness(goodness[level].mean(), sign)", "pass", "recurrent"),
        (
            "layer.follow_goodness(goodness[level].mean(), sign)",
            "layer.follow_goodness(goodness[level].mean(), -sign)",
            "recurrent",
        ),
        (
            "step, sign, buffers)\n        layer.",
            "step, -sign, buffers)\n        layer.",
            "recurrent feedforward",
        ),
        ("if found == count:", "if False:", "update"),
        ("labels.expand(of_x.shape[:-1]).flatten()", "labels.flatten()", "update"),
        ("held.shape != shape", "False", "update"),
        ("goodness[at].mean(2)", "goodness[at].sum(2)", "update"),
        ("return torch.stack(found).sum(0)", "return torch.stack(found).mean(0)", "update"),
        ('* (layer.context == "below")', "* 0", "update"),
        ("if several and any", "if False and any", "update"),
        ('return {"slots": {}}', "return dict(self.__dict__)", "update"),
    ],
    "ffrec/learning/arithmetic.py": [
        ("self.stale = False", "pass", "arithmetic"),
        ('"kept": None, "stale": True', "", "arithmetic"),
        ("if self.stale:", "if False:", "arithmetic"),
        ("self.weight.grad.add_(grad)", "pass", "connections"),
        ("self.grad_memory.zero_()", "self.grad_memory", "connections arithmetic"),
    ],
    "ffrec/training/arithmetic.py": [
        ("    torch.set_flush_denormal(True)", "    pass", "arithmetic"),
        ("torch.set_flush_denormal(before)", "torch.set_flush_denormal(False)", "arithmetic"),
        ("torch.set_flush_denormal(before)", "pass", "arithmetic"),
        ("FASTER * seconds(torch.bfloat16)", "seconds(torch.bfloat16)", "arithmetic"),
        ("network.compute_in(None)", "pass", "train"),
        ("torch.bfloat16 if low else None", "None", "train"),
    ],
    "ffrec/learning/midpoint.py": [
        ("(self.updates <= FIRST) * seen", "(self.updates <= FIRST)", "layer"),
        ("sign / 2 * self.gap", "sign * self.gap", "midpoint"),
        ("self.recent.lerp(mean, MEAN_RATE)", "mean", "midpoint"),
        ("FIRST * (self.sign == 0)", "0 * self.sign", "midpoint"),
        ("GAP_RATE * (self.updates <= FIRST) * seen", "GAP_RATE * seen", "midpoint"),
    ],
    "ffrec/training/gradient_baseline.py": [
        ("torch.div(total, self.batches,", "torch.div(total, 1,", "gradient_baseline"),
        ("self.means[OTHER[phase]][name]", "self.means[phase][name]", "gradient_baseline"),
        ("self.batches += batches", "self.batches += 1", "gradient_baseline"),
        (
            "self.sums[name] += parameter.grad",
            "self.sums[name] = parameter.grad.clone()",
            "gradient_baseline",
        ),
        ("alpha=self.share", "alpha=1.0", "gradient_baseline"),
    ],
    "ffrec/networks/network.py": [
        ("parts != (self.classes,)", "False", "feedforward"),
        ("first - 1, None)", "first, None)", "recurrent"),
        ("self.layer(level).perturb = self.layer(level).drop = None", "pass", "recurrent train_images"),
        ("last - first + 1, self.workspace", "last - first + 2, self.workspace", "recurrent"),
        ("for level in self.scored]).sum(0)", "for level in self.scored])[0]", "evaluate"),
        ("for level in self.scored]", "for level in self.levels]", "train_images feedforward"),
        ('if self.config.activity == "min":', "if False:", "feedforward"),
        ("if self.config.blocks == 1 else", "if True else", "feedforward"),
        ("context=config.context,", "", "update"),
    ],
    "ffrec/networks/feedforward.py": [
        ("self.covered :]", ":]", "feedforward"),
        ("drive[:, :1] + self.label().neutral()", "drive + self.label().neutral()", "feedforward"),
        ("drive[:, :1] + self.label().neutral()", "drive[:, :1]", "feedforward"),
        ("and layer.transform is None", "", "feedforward"),
        ("step.inputs[str(level)][:, 0]", "step.inputs[str(level)][:, -1]", "feedforward"),
        (
            "normalise(step.activities[level][:, 0])",
            "normalise(step.activities[level][:, -1])",
            "feedforward",
        ),
        ('sources["label"].weight.mul_(config.label_size)', "pass", "feedforward"),
        (
            'frozenset({"0"} if "0" in inputs and inputs["0"].shape[1] == 1 else ())',
            'frozenset({"0"})',
            "feedforward",
        ),
        ("sent[str(level)] = layer.send(", "sent[str(level)] = normalise(", "feedforward"),
        (
            "encoding.drive[1] + self.label()(codes)",
            "encoding.drive[1].expand(-1, candidates.shape[1], -1).clone()",
            "feedforward",
        ),
        ("* self.config.sharpnesses[level - 1]", "", "feedforward"),
        (".gather(1, candidates)", "", "feedforward"),
        ("if self.labelled or self.by_class else ()", "if self.labelled else ()", "feedforward train_images"),
    ],
    "ffrec/networks/recurrent.py": [
        ("if number > 1 and not still:", "if False:", "recurrent"),
        ("total + top_down[level] if level in top_down else total", "total", "recurrent"),
        ("torch.lerp(activity, state,", "torch.lerp(state, activity,", "recurrent"),
        ("for parity in (0, 1)", "for parity in (1, 0)", "recurrent"),
        ("frames[:, number - 1 : number]", "frames[:, :1]", "recurrent"),
        ('self.fixed - {"0"}', "self.fixed", "recurrent update"),
        ('frozenset({"0", str(self.top)})', 'frozenset({"0", "1", str(self.top)})', "recurrent update"),
        ("if 1 < frames.shape[1] < count:", "if False:", "recurrent"),
        ("if source < level:", "if True:", "recurrent"),
        (
            "return state, self.layer(level).send(state)",
            "return state, self.layer(level).send(activity)",
            "recurrent",
        ),
        (
            "encoding.step.inputs[str(level)].squeeze(1)",
            "encoding.step.activities[level].squeeze(1)",
            "recurrent",
        ),
    ],
    "ffrec/networks/text/network.py": [
        ("torch.arange(size - 1, -1, -1.0)", "torch.arange(size * 1.0)", "character"),
        (
            ".view(len(self.layers), len(strings), -1).mean(2)",
            ".view(len(self.layers), len(strings), -1)[:, :, 0]",
            "character",
        ),
        ("place - size : place]", "place - size - 1 : place - 1]", "character"),
        ("bias.fill_(bias)", "clone()", "character"),
        ("scale / scale.norm()", "scale", "character"),
        ("self.memory.filled:", "False:", "character"),
        ('log_p["own"], log_p["memory"]', 'log_p["memory"], log_p["own"]', "character"),
    ],
    "ffrec/networks/text/character.py": [
        (", fading=config.fading)", ")", "character"),
        (
            "layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())",
            "layer.add_input(str(level - 1), sent[str(level - 1)], 0 * layer.unit_bias())",
            "character",
        ),
    ],
    "ffrec/networks/text/goodness.py": [
        ("[:, symbols] = 0", "[:, 0] = 0", "goodness_text"),
        (", fading=config.fading)", ")", "goodness_text"),
        ("if self.memory is not None and self.memory.filled:", "if False:", "goodness_text"),
        ("weight.mul_(config.candidate_size)", "weight.clone()", "goodness_text"),
        ("drive + self.next_codes().neutral()", "drive", "goodness_text"),
        ("layer.activate(total)", "layer.activation(total)", "goodness_text"),
        (
            "total = total + self.layer(level)",
            "total = self.layer(level)",
            "goodness_text",
        ),
        ("(sharpness * total)", "(self.config.sharpnesses[0] * total)", "goodness_text"),
        ('"own": by_layer[-1]', '"own": by_layer[0]', "goodness_text"),
        ("passages[:, -1:]", "passages[:, :1]", "goodness_text"),
    ],
    "ffrec/networks/one_shot.py": [
        ("if h.any() else -1.0", "", "feedforward"),
        ("ratio**0.5 - 1", "ratio - 1", "feedforward"),
        (
            "sum(part.square().sum().item() for part in sent.values())",
            "sent[str(level - 1)].square().sum().item()",
            "feedforward",
        ),
        ("isinstance(layer.connection(s), Dense | Codes)", "True", "feedforward"),
    ],
    "ffrec/negatives/labels.py": [
        ("p / draws.exponential(p.shape)", "p - draws.exponential(p.shape)", "negatives"),
        ("min(self.count, logits.shape[1] - 1)", "self.count", "negatives"),
        ("waiting.scatter_(1, labels.unsqueeze(1), -1.0)", "pass", "negatives"),
        ('float("-inf")', "0.0", "negatives"),
        ("draws.integers(1, classes", "draws.integers(0, classes", "negatives"),
        ("torch.arange(1, classes", "torch.arange(0, classes - 1", "negatives"),
        (
            "draws.shuffle(labels)",
            "labels",
            "train_images",
        ),
    ],
    "ffrec/negatives/hybrids.py": [
        (">= 0.5", ">= 0.4", "negatives"),
        ("torch.where(mask.bool(), one, other)", "torch.where(mask.bool(), other, one)", "negatives"),
        ("once, max(1, round(BLURS * size**2))", "once, 1", "negatives"),
        (
            "masks(batch, height, width, draws)",
            "masks(1, height, width, draws).expand(batch, -1, -1)",
            "negatives",
        ),
        (
            "self.draw_labels = LABELS[labelled]",
            'self.draw_labels = LABELS["shuffled"]',
            "negatives train_images",
        ),
    ],
    "ffrec/registry.py": [
        ("if near else f", "if False else f", "registry"),
        ("entries.setdefault(name, part) is not part and place", "False and place", "registry"),
        ("sys.modules[name] = module", "module", "registry"),
        ("_{zlib.crc32(bytes(file)):08x}", "", "registry"),
        ("or not file.is_file()", "", "registry"),
        ("    load_installed()\n    return", "    return", "registry"),
    ],
    "ffrec/config/aliases.py": [
        ('"awake": "wake", "asleep": "sleep"', '"awake": "sleep", "asleep": "wake"', "config"),
        (
            "if settings.pop(key, harmless) != harmless:",
            "if settings.pop(key, harmless) and False:",
            "config",
        ),
        ('if network.get("objective") in ("max", "min"):', "if False:", "config"),
        ('network["activity"] = network.pop("objective")', 'network.pop("objective")', "config"),
        ('"chunk": 0, "scale": "mean"', '"chunk": 0', "config"),
        ('if network.get("centring") == 0:', "if False:", "config"),
        ('"lookahead": "character"', '"lookahead": "feedforward"', "config"),
        ("if not isinstance(held, Mapping):", "if False:", "config"),
        ("if not isinstance(values, Mapping):\n        raise", "if False:\n        raise", "config"),
        ("changed = dict(values)", "changed = values", "config"),
    ],
    "ffrec/config/layers.py": [
        ("and self.blocks == 1:", ":", "feedforward train_text"),
        ("set(self.thresholds) != {self.sign}", "False", "train_images"),
        ("if per_class and self.blocks > 1:", "if False:", "train_images"),
        ("negatives.absent != self.by_class", "negatives.absent and not self.by_class", "train_images"),
        ("training.wake and not objective.single", "False", "train_images"),
        ("if per_class and not self.by_class:", "if False:", "train_images"),
        ("negatives.several and (self.scaling or self.centring)", "False", "train_images"),
        ('self.by_class and (self.activity == "min" or self.context != "own")', "False", "train_images"),
        ('objective.target == "places" and (self.peer', "False and (self.peer", "train_images"),
    ],
    "ffrec/training/trainer.py": [
        (
            '"gradient_baseline": self.gradient_baseline.state_dict() if self.gradient_baseline else None',
            '"gradient_baseline": {"now": None, "batches": 0, "sums": {}, "means": {}}',
            "train_images",
        ),
        ("placed(self.sleep_optimiser, found)", "placed(self.optimiser, state['optimiser'])", "train_images"),
        ("return self.sleep_optimiser if", "return self.optimiser if", "train_images"),
        ("self.gradient_baseline.begin(phase, repeats)", "pass", "train_images"),
        ("islice(self.make_schedule(), self.updates, None)", "self.make_schedule()", "train_images"),
        ("layer.rescale()", "pass", "train_images"),
        ("1_000_003 + self.epoch", "1_000_003", "train"),
        ("self.draws.begin(self.updates, ", "self.draws.begin(0, ", "train"),
        ("(sparing and start < self.save_due)", "False", "train"),
        ("(sparing and start < self.save_due)", "sparing", "train"),
        ("SPARING * (now - start)", "SPARING", "train"),
        ("self.save(folder, sparing=True)", "self.save(folder)", "train"),
        ("if not saved:", "if saved:", "train"),
        ("self.check()\n                    self.save", "self.save", "train"),
        ('"traced": self.traced,', '"traced": [],', "train_images"),
        ("self.seconds, self.traced = 0.0, []", "self.seconds = 0.0", "train_images"),
        ('if phase == "wake" else 1.0\n', "if False else 1.0\n", "train_images"),
        ("self.rate_factor(min(self.updates /", "self.rate_factor(min(self.step /", "train"),
        ("means[self.learning_layers + 1 :]", "means[self.learning_layers :]", "train train_text"),
    ],
    "ffrec/training/images.py": [
        ("network.scored and shown is None", "network.scored", "train_images"),
        (
            "encoding = network.encode(rows)\n            features",
            "encoding = network.encode(self.rows(index, phase))\n            features",
            "train_images",
        ),
        (" and not self.recipe.training.train_on_validation", "", "train_images"),
        (
            "jitter(images, training.jitter, self.draws) if training.jitter else images",
            "images",
            "train_images",
        ),
        ("if training.dropout else rows", "if False else rows", "train_images"),
        ("if training.noise else rows", "if False else rows", "train_images"),
        ("self.perturb if self", "None if self", "train_images"),
        ("self.draws) / (1 - share)", "self.draws)", "train_images"),
        (
            'if phase != "sleep":\n                softmax_loss',
            "if True:\n                softmax_loss",
            "train_images",
        ),
        ("all_iterations=last", "all_iterations=False", "train"),
        ("network.zero_grad()\n            count", "count", "train_images"),
        ("signs[:1] += 2.0 * (phase", "signs[:1] += 1.0 * (phase", "train_images train"),
        (
            "source(training.hybrid_labels) if source is Hybrid",
            "source() if source is Hybrid",
            "train_images",
        ),
        (
            'labels if objective.compete == "parts" else torch.zeros_like(labels)',
            "torch.zeros_like(labels)",
            "train_images",
        ),
        ('labels if objective.compete == "parts" else torch.zeros_like(labels)', "labels", "train_images"),
        ("Draws(self.seed, self.device)", "self.draws", "pictures_sleep"),
        (
            "torch.stack([truth, (truth + 1) % network.classes]",
            "torch.stack([truth, truth]",
            "pictures_sleep",
        ),
    ],
    "ffrec/training/text.py": [
        ("network.readout.zero_grad()", "pass", "train_text"),
        (' | {"negatives": self.negatives}', ' | {"negatives": self.strings}', "train_text"),
        ('counts[0] * (phase != "sleep")', "counts[0]", "train_text"),
        ("signs[: counts[0]", "signs[: 0 * counts[0]", "train_text"),
        ("accuracy * share", "accuracy", "train_text"),
        ("[:, -predictions:]", "[:, :predictions]", "train_text"),
        ("            network.zero_grad()\n            target", "            target", "train_text"),
        ("self.on_generate(self.negatives)", "pass", "train_text"),
        ("self.kinds == 2 and regime not in", "regime not in", "train_text"),
        ("network.encode(windows), len(windows))", "network.encode(windows))", "train_text"),
        ("return 1 if self.network.config.by_class else 2", "return 2", "train_text"),
        ("(1 - share) ** -0.5", "(1 - share) ** -1.0", "goodness_text"),
        ("torch.full_like(h[:, :1]", "torch.full_like(h", "goodness_text"),
        ("windows.shape), self.network.symbols)", "windows.shape), 0)", "goodness_text"),
        ("partial(self.drop, share)", "partial(self.drop, shares[0])", "goodness_text"),
        ("places and isinstance(self.wrong, Every)", "places", "goodness_text"),
        ("torch.cat([following.unsqueeze(1), wrong], dim=1)", "wrong", "goodness_text"),
        ("signs[:1] = 1.0", "pass", "goodness_text"),
    ],
    "ffrec/training/backprop.py": [
        ('if done & {"softmax", "backprop"} else []', "", "twin"),
        ("super().guessed(found) if done", "[] if done", "twin"),
        ("for epoch in range(self.epoch)", "for epoch in range(self.epoch - 1)", "twin"),
        (
            "encoding = network.encode(rows)\n                if of",
            "encoding = network.encode(rows)\n                if not of",
            "twin",
        ),
        ("self.learning_layers = 0  #", "#", "train_images"),
    ],
    "ffrec/baselines/convolutions.py": [
        ("label_smoothing=smoothing", "label_smoothing=0.0", "convolutional"),
        (".train(learns)", ".train(False)", "convolutional"),
        ('self.layers.requires_grad_(self.config.learns == "all")', "pass", "convolutional"),
    ],
    "ffrec/networks/convolutional.py": [
        ("layer.unit_bias()", "0 * layer.unit_bias()", "convolutional"),
        ("* self.config.sharpnesses[level - 1]", "", "convolutional"),
        (
            '"b (colour place) -> b 1 (place colour)"',
            '"b (place colour) -> b 1 (place colour)"',
            "convolutional",
        ),
        ("level > 1 and", "level > 2 and", "convolutional"),
        ("codes.neutral() if labels is None", "0 if labels is None", "convolutional"),
        ("{1: drive} if self.labelled else {}", "{1: 2 * drive}", "convolutional"),
    ],
    "ffrec/baselines/perceptron.py": [
        ("label_smoothing=self.config.label_smoothing", "label_smoothing=0.0", "train_images"),
        ("/ (1 - share)", "", "train_images"),
        ('self.layers.requires_grad_(config.learns == "all")', "pass", "train_images"),
    ],
    "ffrec/training/optimiser.py": [
        ("min(1.0, 2 * (1 - done))", "min(1.0, 1 - done)", "train"),
        ("(True, 0.0)", "(True, training.weight_decay)", "train"),
        ('group["initial_lr"] * factor', 'group["lr"] * factor', "train"),
        ('(wake_share if group["learns"] == "FF" else 1.0)', "wake_share", "train_images"),
        ('group["lr"].fill_(rate)', 'group["lr"] = torch.tensor(rate)', "capture"),
        ('for key in ("lr", "capturable") if key in own', "for key in ()", "capture"),
    ],
    "ffrec/bench/products.py": [
        ("number > network.top - source", "number >= network.top - source", "bench"),
        ("(last - first + 1) * 2 * batch", "last * 2 * batch", "bench"),
        ("if source < level:\n", "if False:\n", "bench"),
        ('yield Product("forward", 2 * batch, weight)', "pass", "bench"),
        ("if level > 1:  # characters", "if True:  # characters", "bench"),
    ],
    "ffrec/bench/suite.py": [
        ('step / (row["products"] + row["optimiser"])', 'step / row["products"]', "bench"),
        ("work.cases / step", "work.cases / found['step'].median", "bench"),
        ("work.cases / ROLLED * found", "work.cases * found", "bench"),
        ("together * ROLLED, {", "together, {", "bench"),
        ('Work("characters", ROLLED, {', 'Work("characters", 1, {', "bench"),
    ],
    "ffrec/bench/timing.py": [
        ("if rounds >= WARM_UP:", "if True:", "bench"),
        ("min(values)", "max(values)", "bench"),
    ],
    "ffrec/baselines/chain.py": [
        ("layer.send(h.detach())", "h.detach()", "bench"),
    ],
    "ffrec/training/capture.py": [
        ("self.index.copy_(index)", "self.index = index", "capture"),
        ("if len(index) != len(self.index):", "if False:", "capture"),
        ("Buffers()\n        self.work", "held\n        self.work", "capture"),
        ("network.workspace = held", "pass", "capture"),
        ("if self.done[kind] < WARM:", "if self.done[kind] < 0:", "capture"),
    ],
    "ffrec/training/phases.py": [
        ("range(between - 1)", "range(between)", "phases"),
        ('"wake", "generate", "sleep"', '"generate", "wake", "sleep"', "phases"),
        ('if "sleep" in phases else', 'if "wake" in phases else', "phases"),
    ],
    "ffrec/evaluation/images.py": [
        ("window[0] - 1", "window[0]", "evaluate"),
        ("labels.gather(1, average.argmax(1, keepdim=True)).squeeze(1)", "average.argmax(1)", "evaluate"),
        ("truth * classes + predicted", "predicted * classes + truth", "evaluate"),
        ("child = hybrid(one, other, mask)", "child = hybrid(other, one, mask)", "train_images"),
        ("isinstance(network, Network) and bool(network.scored)", "isinstance(network, Network)", "evaluate"),
    ],
    "ffrec/data/images.py": [
        ("images.flip(2)", "images.flip(1)", "convolutional"),
        ("(places < first[:, None] + side)", "(places <= first[:, None] + side)", "convolutional"),
        ("2 * pixels + 1", "2 * pixels", "images"),
        ("draws.chance(share", "draws.chance(1 - share", "images"),
        ("deviation * scale", "deviation", "train_images"),
        ("rows[:, self.order]", "rows", "images"),
    ],
    "ffrec/networks/text/memory.py": [
        ("(1 - self.FLOOR) * (likeness", "(likeness", "memory"),
        ("recalled + self.share.log()", "recalled + (1 - self.share).log()", "memory character"),
        (".mul_(self.sharpness)", "", "memory"),
    ],
    "ffrec/data/sampling.py": [
        ("temperature < torch.finfo(log_p.dtype).tiny", "temperature == 0", "faults/strings"),
        ("p / p.sum(1, keepdim=True)", "p", "sampling"),
        ("kept[:, 0] = True", "pass", "sampling"),
        ("kept[:, top_k:] = False", "kept[:, top_k + 1 :] = False", "sampling"),
        ("keepdim=True)) / temperature", "keepdim=True)) * temperature", "sampling"),
    ],
    "ffrec/evaluation/ngram.py": [
        ("(seen - DISCOUNT).clamp_min(0)", "seen.double()", "ngram"),
        ("grams % symbols ** (length - 1)", "grams.div(symbols, rounding_mode='floor')", "ngram"),
        ("return max(models", "return min(models", "ngram"),
    ],
    "ffrec/evaluation/text.py": [
        ('if name not in ("own", "memory")', "", "evaluate_text"),
        ("[0.975, 0.025]", "[0.8, 0.2]", "evaluate_text"),
        ("(-log_p.cpu().double().mean())", "(log_p.cpu().double().mean())", "evaluate_text"),
    ],
    "ffrec/tasks/text_baselines.py": [
        ('hidden_dropout=0.0, blanks=0.0, negatives="all"', "", "goodness_text"),
        ('"recency", "fading", "bias", "activation"', '"recency", "activation"', "goodness_text"),
    ],
    "corpora/corpus.py": [
        ("(self.train, self.validation)", "(self.train, self.train)", "corpora"),
        ("joined_at=len(self.train.labels)", "joined_at=None", "corpora"),
    ],
    "ffrec/studies/sleep.py": [
        ("if not any(cell.phases in columns for cell in found):", "if False:", "sweep"),
        (', "centring": False, "scaling": 0.0}', "}", "sweep"),
        ('if cell.data == "digits":', "if False:", "sweep"),
        ("values |= MASKS", "pass", "sweep"),
        ('if "validate_every" in settings:', "if False:", "sweep"),
        ('"validate_every": made.training.epochs', '"validate_every": 1', "sweep"),
        ('"wake_rate": None', '"wake_rate": 1.0', "sweep"),
        ('{"negatives": cell.negatives}', "{}", "sweep"),
        ("100 - error_of(path)", "error_of(path)", "sweep"),
    ],
    "cli/train.py": [],
    "ffrec/storage/checkpoint.py": [
        ("if not (folder / MANIFEST).is_file():", "if False:", "faults/checkpoints"),
        ("if hashlib.sha256(files[name]).hexdigest() != expected", "if False", "checkpoint"),
        ("weights_only=True", "weights_only=False", "checkpoint"),
    ],
    "corpora/idx.py": [
        ("if found != magic", "if False", "corpora"),
        ("if len(data) - start != math.prod(shape)", "if False", "corpora"),
        ("if len(pixels) != len(classes)", "if False", "corpora"),
        (">= CLASSES", "> CLASSES", "corpora"),
    ],
    "corpora/files.py": [
        ("checksums.compare(source.content(data, str(path)), source.sha256[file], path)", "pass", "corpora"),
        ("check(source, file, waiting)", "pass", "corpora"),
    ],
    "corpora/text.py": [
        ("strings = strings[sorted(first.values())]", "pass", "text"),
    ],
    "corpora/alphabet.py": [
        ("dict(made.vocab.stoi)", "__import__('collections').defaultdict(int, made.vocab.stoi)", "text"),
        ("len(alphabet) - i for", "i + 1 for", "text"),
        (">= rare *", "> rare *", "alphabet"),
    ],
    "ffrec/studies/sweep.py": [
        ('if (self.path(cell.name) / "config.json").exists():', "if False:", "sweep"),
        ('if (self.path(cell.name) / "config.json").exists():', "if cell.name in self.done():", "sweep"),
        ("if cell.name in ended:", "if False:", "sweep"),
        ("self.study.tell(left.number, state=TrialState.FAIL)", "pass", "sweep"),
        ("self.trials(TrialState.COMPLETE, TrialState.PRUNED)", "self.trials(TrialState.COMPLETE)", "sweep"),
        (
            "for name, trial in trials.items() if self.path(name).exists()",
            "for name, trial in trials.items()",
            "sweep",
        ),
    ],
    "ffrec/studies/tune/space.py": [
        ("if float in kinds:", "if isinstance(low, float):", "tune"),
        ('part == "none" and optional', 'part == "none"', "tune"),
        ("len(set(texts)) < len(texts)", "False", "tune"),
        ('{value:.{DIGITS}g}"', '{value}"', "tune"),
        ('{value:.10g}"', '{value}"', "tune"),
        ("if name in NOT_SEARCHED:", "if False:", "tune"),
        ("not 0 < step <= high - low", "not 0 < step", "tune"),
        ("if step is not None and (Decimal", "if False and (Decimal", "tune"),
    ],
    "ffrec/studies/tune/choosing.py": [
        ("SeedSequence([seed, number])", "SeedSequence([seed])", "tune"),
        ("SeedSequence([seed, number])", "SeedSequence([number])", "tune"),
        ("return NopPruner()", "return MedianPruner()", "tune"),
    ],
    "ffrec/studies/shared.py": [
        ("except Timeout:", "except ZeroDivisionError:", "sweep"),
        ('f"{path}.lock"', 'f"{path}-{os.getpid()}.lock"', "sweep"),
        ("if held != value:", "if False:", "sweep"),
        ("            lock.release()\n\n\ndef free_lock", "            pass\n\n\ndef free_lock", "tune"),
        ("except Timeout:\n        return None", "except Timeout:\n        return lock", "tune"),
        ("    task.resume(folder)\n", "", "sweep"),
        ("self.dropped = mend(folder / JOURNAL)", "pass", "faults/journals"),
    ],
    "ffrec/studies/tune/search.py": [
        ("(t.values[0], t.number)", "(-t.values[0], t.number)", "tune"),
        ("if starts >= STARTS:", "if False:", "tune"),
        ("self.space.settings(twin.params) == settings", "False", "tune"),
        ("trial.report(value, epoch)\n            ", "pass\n            ", "tune"),
        ("if trial.number not in best and", "if False and", "tune"),
        ("if trial.number not in best and", "if True and", "tune"),
        ("return None if self.busy else self.take_repeat()", "return self.take_repeat()", "tune"),
        ("range(self.seed + 1, self.seed + self.plan.seeds)", "range(1, self.plan.seeds)", "tune"),
        (
            "in self.study.user_attrs:\n                    continue",
            "in ():\n                    continue",
            "tune",
        ),
        ("                self.busy = True\n        return None", "        return None", "tune"),
        ('self.study.set_user_attr("recipe", today)', "pass", "tune"),
        ("while (count := len(self.trials())) < self.plan.trials:", "count = 0\n        while True:", "tune"),
        ('"same_as" not in t.user_attrs', "True", "tune"),
    ],
    "ffrec/studies/tune/job.py": [
        ('set_user_attr("starts", starts - 1)', 'set_user_attr("starts", starts)', "tune"),
        ("epoch < self.recipe.training.epochs and ", "", "tune"),
    ],
    "ffrec/studies/tune/untested.py": [
        ("not len(parts(validation)[0])", "False", "tune"),
        ("if validation is None or", "if", "tune"),
        ('if getattr(recipe.training, "train_on_validation", False):', "if False:", "tune"),
    ],
    "ffrec/studies/tune/table.py": [
        ("(len(row.values) < 2, row.mean, row.number)", "(row.mean, row.number)", "tune_table"),
        ('if run["value"] is not None', "", "tune_table"),
        ('and "same_as" not in t]', "]", "tune_table"),
        ("> 1]", "> 0]", "tune_table"),
        ("best.settings.get(n, v)", "v", "tune_table"),
        ("if len(found) == 1", "if found", "tune_table"),
    ],
    "cli/studies/searching.py": [
        ('search.keep({"data": corpus.fingerprint})', "pass", "tune"),
        ("if job is None and not search.busy:", "if job is None:", "tune"),
        ("(job.path / StoredText.FILE).unlink(missing_ok=True)", "pass", "tune"),
        ("if not math.isfinite(value):", "if False:", "tune"),
        (
            "return untested(self.recipe, load(self.recipe, self.data))",
            "return load(self.recipe, self.data)",
            "tune",
        ),
    ],
    "ffrec/studies/work.py": [
        ("return 2 * self.rows", "return self.rows", "work"),
        ("1 + (n > reached[source])", "1 + (n >= reached[source])", "work"),
        ("2 * (last - first + 1)", "2 * (last - first)", "work"),
        ("[1] * (source < level)", "[]", "work"),
        ("[1, 2] if labelled else [2]", "[2]", "work"),
        ("[2, *once], [2]", "[2], [2]", "work"),
        ("1 + 2 * last)", "2 * last)", "work"),
    ],
    "ffrec/studies/scale.py": [
        ("max(product.flops / flops", "min(product.flops / flops", "scale"),
        ("return lambda data: 2 * (devices - 1)", "return lambda data: (devices - 1)", "scale"),
        ("between(data / node)", "between(data)", "scale"),
        ("max(computed, travelled) + taken", "computed + taken", "scale"),
        ("computed += busy * taken", "pass", "scale"),
        ("sum(each.optimiser.values()) / shards", "sum(each.optimiser.values())", "scale"),
        ("/ every", "", "scale"),
        ("key=lambda parts: max(", "key=lambda parts: min(", "scale"),
    ],
    "ffrec/studies/record.py": [
        ("if kept.exists():\n            raise", "if False:\n            raise", "sweep_shared"),
        ("if journal.exists():", "if False:", "sweep_shared"),
        ("-{uuid4().hex[:8]}", "", "sweep_shared"),
        ("if kept.exists():\n            return", "if False:\n            return", "sweep_shared"),
        ("error.__cause__ or error", "error", "sweep_shared"),
        ("shown = hide_password(url)", "shown = url", "sweep_shared"),
    ],
    "ffrec/storage/environment.py": [
        (":\\S*@", ":[^@]*@", "sweep_shared"),
    ],
    "cli/sweep.py": [
        ("left.value += 1", "pass", "sweep"),
        ("left.value -= 1", "pass", "sweep"),
    ],
    "cli/studies/workers.py": [
        ("signal.signal(number, signal.SIG_IGN)", "pass", "sweep"),
    ],
    "ffrec/config/feedforward.py": [
        (
            "or tuple(range(2, len(self.hidden) + 1))",
            "or tuple(range(1, len(self.hidden) + 1))",
            "feedforward",
        ),
        ("(unlabelled or not hybrid) and", "not hybrid and", "train_images"),
        ('self.label == "none" and self.label_size != 1', "False", "train_images"),
    ],
    "ffrec/config/character.py": [
        ("(self.centring or self.scaling) and", "self.centring and", "train_images"),
        ("(self.bias, *[0.0] * (len(self.hidden) - 1))", "(self.bias,) * len(self.hidden)", "goodness_text"),
        ("self.by_class and self.lookahead", "False", "train_text"),
    ],
    "ffrec/config/training.py": [
        ('self.wake is None and (self.sleep != 1 or self.states != "shared")', "False", "train_images"),
        ("for name in own.keys() & self.optimiser_options.keys():", "for name in ():", "train_images"),
    ],
    "ffrec/tasks/recorded.py": [
        ("settings(completed(config))", "settings(config)", "cli"),
        ('f"recipe.training.{name}" for name in UNLEARNT', '"" for name in UNLEARNT', "cli"),
        ("> 1:  # a crash may come", "> 99:  # a crash may come", "faults/checkpoints"),
        ("except FOREIGN as error:", "except ZeroDivisionError as error:", "faults/checkpoints"),
    ],
    "ffrec/tasks/images.py": [
        (
            "images = Images(test.images, trainer.device, trainer.recipe.training.permute)",
            "images = Images(test.images, trainer.device)",
            "train_images",
        ),
        (
            "return corpus.joined() if recipe.training.train_on_validation else corpus",
            "return corpus",
            "cli sweep",
        ),
        ('trainer.labels[last], "training")', "trainer.labels[last])", "model"),
    ],
    "ffrec/reports/figures/learning_curves.py": [
        ("if not axes.lines:", "if False:", "report"),
    ],
    "ffrec/reports/figures/receptive_fields.py": [
        ("weights.transpose(2, 0, 1)", "weights.transpose(0, 2, 1)", "report"),
    ],
    "ffrec/storage/run_folder.py": [
        ("if cls.unbegun(path):", "if False:", "cli sweep"),
        ("if not is_ours(entry, path):", "if False:", "faults/force"),
        ("self.lock = self.lock or lock_run(self.path)", "pass", "faults/locks"),
        ("folder.path = path / NEXT\n                folder.path.mkdir()", "pass", "faults/force"),
    ],
    "ffrec/storage/checkpoints.py": [
        ("[:-KEPT]", "[:0]", "checkpoint"),
        ("found[-1]", "found[0]", "checkpoint"),
        ("shutil.rmtree(temporary, ignore_errors=True)", "pass", "faults/disk"),
        ("written + error.needed", "0", "faults/disk"),
    ],
    "ffrec/storage/files.py": [
        ("(newer := format_of(data)) > FORMAT", "(newer := 0) > FORMAT", "faults/formats"),
        ('held, held.get("config")', "held", "faults/formats"),
        ("error.filename = str(path)", "pass", "faults/disk"),
        ("file.tell() if file.seekable() else None", "file.tell()", "faults/disk"),
        ("file.truncate(end)", "pass", "faults/disk"),
        ("if error.errno not in FULL:", "if True:", "faults/disk"),
    ],
    "ffrec/storage/names.py": [
        ("os.kill(int(digits), 0)", "raise ProcessLookupError", "faults/locks"),
    ],
    "ffrec/storage/lock.py": [
        ("(folder / LOCK).unlink(missing_ok=True)", "pass", "faults/locks"),
    ],
    "ffrec/storage/replacing.py": [
        ("not is_ours(entry, folder)", "False", "faults/force"),
        ("if (folder / READY).exists():", "if False:", "faults/force"),
    ],
    "ffrec/studies/journal.py": [
        ('if not line.endswith(b"\\n"):', "if False:", "faults/journals"),
        ("replay.read(json.loads(line))", "json.loads(line)", "faults/journals"),
        ("write_atomic(aside, data[good:])", "pass", "faults/journals"),
    ],
    "corpora/mnist.py": [
        ("known[-VALIDATION:]", "known[:VALIDATION]", "corpora"),
    ],
    "ffrec/reports/command.py": [
        ("key not in FIXED and (", "(", "report"),
    ],
    "ffrec/reports/groups.py": [
        ("statistics.stdev(values)", "statistics.pstdev(values)", "report"),
    ],
    "ffrec/reports/page.py": [
        ("html.escape(recipe['name'])", "recipe['name']", "report"),
    ],
    "corpora/utf8.py": [
        ('"utf-8-sig"', '"utf-8"', "text"),
    ],
    "ffrec/reports/figures/wake_sleep.py": [
        ('point["update"] <= end', "True", "pictures_sleep"),
        ("range(wake, end, wake + sleep)", "range(0, end, wake + sleep)", "pictures_sleep"),
    ],
    "corpora/cifar.py": [
        ('"n (c h w) -> n h w c"', '"n (h w c) -> n h w c"', "cifar"),
    ],
    "corpora/own_images/holdout.py": [
        ("-rest[place]", "rest[place]", "own_images"),
    ],
    "ffrec/evaluation/calibration.py": [
        ("too_sure, low, middle", "too_sure, middle, low", "model"),
        ("abs(b.right - b.confidence)", "(b.right - b.confidence)", "model confidence"),
        ("right / count) for", "right) for", "confidence"),
        ("(confidence * bins).ceil().long().clamp(1, bins) - 1", "(confidence * bins).long()", "confidence"),
    ],
    "ffrec/evaluation/decisions.py": [
        ("history.cumsum(0) / count", "history.cumsum(0)", "confidence"),
        ("(lead[:-1] <= margin)", "(lead <= margin)", "confidence"),
        ("<= margin).long().cumprod(0)", "<= margin).long()", "confidence"),
        ("sum(0)\n    return best", "sum(0) * 0\n    return best", "confidence"),
        ("sort(descending=True)", "sort()", "confidence"),
        (" / sizes\n", "\n", "confidence"),
        ("torch.arange(1, len(errors) + 1", "torch.arange(len(errors)", "confidence"),
        ("confidence >= threshold", "confidence > threshold", "confidence"),
        ("self.in_window(self.history)", "self.history", "confidence"),
        ("tried.gather(1, scores.gather(1, tried)", "tried.gather(1, logits.gather(1, tried)", "confidence"),
        ("1 <= count <= most", "count <= most", "confidence"),
    ],
    "ffrec/networks/stopping.py": [
        ("(total / (t - first + 1)).topk", "total.topk", "confidence"),
        ("= t - first + 1", "= t - first", "confidence"),
        ("<= margin if t < last else ~kept", "<= margin", "confidence"),
        ("before[kept], activity[kept]", "activity[kept], activity[kept]", "confidence"),
        ("if t >= first:", "if True:", "confidence"),
        ("total[kept] for", "total for", "confidence"),
    ],
    "ffrec/evaluation/corruptions.py": [
        ("x + sigma * draws", "x + draws", "robustness"),
        ("sigma * x * draws", "sigma * draws", "robustness"),
        ("u < share / 2", "u < share", "robustness"),
        ("2 * sigma**2", "sigma**2", "robustness"),
        ("k = k / k.sum()", "pass", "robustness"),
        ('mode="replicate"', 'mode="constant"', "robustness"),
        ("mean + factor * (x - mean)", "factor * (x - mean)", "robustness"),
        ("x.mean((1, 2), keepdim=True)", "x.mean()", "robustness"),
        ("(down >= top) & (down < top + side)", "(down >= top) & (down <= top + side)", "robustness"),
        ("height - side + 1, (len(x), 1)", "height, (len(x), 1)", "robustness"),
        ("draws.chance(share, x.shape[:3]).unsqueeze(3)", "draws.chance(share, x.shape)", "robustness"),
        ("shift(x, by, by * signs)", "shift(x, by, signs)", "robustness"),
        ("[cos, -sin, none, sin,", "[cos, sin, none, sin,", "robustness"),
        (".deg2rad()", "", "robustness"),
        ("draws.begin(0, len(x), first,", "draws.begin(0, len(x), 0,", "robustness"),
        ("stream=list(CORRUPTIONS).index(name)", "stream=0", "robustness"),
        (".clamp(0, 1).reshape", ".reshape", "robustness"),
        ("* brightest)", ")", "robustness"),
        ("corruption.strengths[severity - 1]", "corruption.strengths[0]", "robustness"),
    ],
    "ffrec/evaluation/iterating.py": [
        ("(first, t) for t in", "(1, t) for t in", "robustness"),
        ("!= truth[place]).sum(1)", "== truth[place]).sum(1)", "robustness"),
        ("windows.index((first, last), iterations)", "last - 1", "robustness"),
    ],
    "ffrec/tasks/savings.py": [
        ("count * last if count > 1 else 0", "count * last", "confidence"),
        ("test.window[0] - 1 + float", "float", "confidence"),
        ("margin if share else -math.inf", "margin", "confidence"),
        ("for r in (known, test)", "for r in (test, test)", "confidence"),
    ],
    "ffrec/tasks/confidence.py": [
        ("thresholds(sure, REFUSED)", "thresholds(confidence, REFUSED)", "confidence"),
        ("threshold if share else 0.0", "threshold", "confidence"),
        ("curve[n - round(share * n) - 1])", "curve[round(share * n) - 1])", "confidence"),
        ("len(train.labels) / 10", "len(train.labels) / 5", "confidence"),
        ("or fitted(known, part)", "or Calibration()", "confidence"),
    ],
    "ffrec/tasks/robustness.py": [
        ("mean([errors[name] for name in CORRUPTIONS])", "mean(list(errors.values()))", "robustness"),
        ("float(trained.corpus.train.images.max())", "255.0", "robustness"),
        ("severity, brightest)", "1, brightest)", "robustness"),
    ],
    "ffrec/reports/measured.py": [
        ('found["epochs"] != (epochs := epochs_of(run.metrics))', "(epochs := 0)", "confidence"),
        ('each["seed"] == found["seed"]', "False", "confidence"),
        ("run.name + settings(run, defaults.get(run.name))", "run.name", "robustness"),
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
    "ffrec/pipeline/trainer.py": [
        ("sum(map(len, before)), len(truth), drawn", "0, len(truth), drawn", "pipeline"),
        ('if not found or phase == "sleep":', "if not found:", "pipeline"),
        (
            "self.stage.below : self.stage.top] = True",
            "self.stage.below : self.stage.top] = False",
            "pipeline",
        ),
    ],
    "ffrec/pipeline/leader.py": [
        ('state[name]["state"] |= part[name]', "pass", "pipeline"),
        ("held[name].copy_(tensor)", "pass", "pipeline"),
    ],
    "ffrec/pipeline/state.py": [
        ('name: state["sums"][name] for', 'name: 0 * state["sums"][name] for', "pipeline"),
        ("add_names(held[name], value)", "pass", "pipeline"),
    ],
    "ffrec/networks/stream.py": [
        ("network.drive(image)", "network.drive(image.flip(0))", "stream"),
        ("sum(found[1:], found[0]) / len(found)", "sum(found[1:], found[0])", "stream"),
        ("deque(maxlen=keep)", "deque()", "stream"),
        ("        network.zero_grad()\n", "", "stream"),
        ("if not self.number:", "if True:", "stream"),
    ],
}
MUTANTS = [(file, *defect) for file, defects in PLANTED.items() for defect in defects]


def files_of(rooms: str) -> list[str]:
    """The files of tests that rooms stand for: update for tests/test_update.py, faults/disk for
    tests/faults/test_disk.py."""
    places = [room.rpartition("/") for room in rooms.split()]
    return [f"tests/{folder}{slash}test_{name}.py" for folder, slash, name in places]


def survives(tree: Path, file: str, right: str, wrong: str, rooms: str) -> bool:
    """Whether the tests of the named rooms pass with the defect in place."""
    path = tree / file
    source = path.read_text()
    if source.count(right) < 1:
        raise SystemExit(f"{file} has no {right!r} any more: bring tests/mutants.py up to date")
    path.write_text(source.replace(right, wrong, 1))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files_of(rooms)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=ENDLESS)
        return done.returncode == 0
    except subprocess.TimeoutExpired:  # a number without bounds may train for ever
        return False
    finally:
        path.write_text(source)


def main() -> None:
    wanted = [m for m in MUTANTS if not sys.argv[1:] or any(part in m[0] for part in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "*cache*"))
        alive = [mutant for mutant in wanted if survives(tree, *mutant)]
    for file, right, wrong, _ in alive:
        print(f"ALIVE {file}: {right!r} -> {wrong!r}")
    print(f"{len(wanted) - len(alive)} of {len(wanted)} mutants died")
    sys.exit(bool(alive) or not wanted)


if __name__ == "__main__":
    main()
