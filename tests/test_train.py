"""Training: it learns, it repeats itself bit by bit, it stops when it should."""

from unittest.mock import Mock

import pytest
import torch

from ffrec import registry
from ffrec.config import ConfigError, TrainingConfig
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.recipes import recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration, resume
from ffrec.training.arithmetic import computing
from ffrec.training.events import Diverged, Epoch, Interrupted, Update
from ffrec.training.images import ImageTrainer
from ffrec.training.optimiser import make_optimiser
from ffrec.training.trainer import Trainer


def blobs(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images 4×4 of three classes, told apart by which row is bright."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=drawn)
    images = torch.randint(90, (count, 4, 4), generator=drawn, dtype=torch.uint8)
    images[torch.arange(count), labels] += 120
    return images, labels


def make(seed: int = 0, **fields) -> Trainer:
    values = {
        "hidden": [40, 30],
        "epochs": 3,
        "batch": 16,
        "rate": 5e-3,
        "dropout": 0.1,
        "jitter": 1,
    } | fields
    return ImageTrainer(recipe("recurrent-digits").override(values), *blobs(150), 3, seed)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"activity": "min", "threshold": -1.0}, {"negatives": "uniform"}])
def test_it_learns_what_there_is_to_learn(fields):
    trainer = make(epochs=12, jitter=0, **fields)
    held_out = Images(blobs(100, seed=1)[0], trainer.device), blobs(100, seed=1)[1]
    before = evaluate_images(trainer.network, *held_out)["error_goodness"]
    records = [event.record for event in trainer.run(validation=held_out) if isinstance(event, Epoch)]
    assert before > 40
    assert records[-1]["validation"]["error_goodness"] <= 5
    assert records[-1]["validation"]["error_softmax"] <= 5
    assert min(records[-1]["pairwise_accuracy"]) > 0.9
    assert records[-1]["loss"] < records[0]["loss"]


def test_same_seed_same_weights_and_another_seed_others():
    runs = []
    for seed in (0, 0, 1):
        trainer = make(seed)
        list(trainer.run())
        runs.append(weights(trainer))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not torch.equal(runs[0]["layers.0.connections.0.weight"], runs[2]["layers.0.connections.0.weight"])


def test_every_epoch_has_its_own_order():
    trainer = make()
    first = torch.cat(trainer.batches())
    trainer.epoch = 1
    assert sorted(first.tolist()) == list(range(150))
    assert not torch.equal(first, torch.cat(trainer.batches()))


@pytest.mark.parametrize("optimiser", ["AdamW", "SGD", "RMSprop"])
@pytest.mark.parametrize("stop_after", [1, 10, 14, 29])
def test_a_resumed_run_ends_bitwise_equal(tmp_path, stop_after, optimiser):
    whole = make(optimiser=optimiser, peer=0.01)
    list(whole.run())
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(whole.recipe, 0, "fp32"))
    first = make(optimiser=optimiser, peer=0.01)
    events = list(first.run(folder, stop=lambda: first.updates == stop_after))
    assert isinstance(events[-1], Interrupted)
    assert events[-1].step == stop_after
    second = make(optimiser=optimiser, peer=0.01)
    resume(second, folder, wanted)
    assert sum(isinstance(event, Update) for event in second.run(folder)) == 30 - stop_after
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(whole).items())
    assert [record["epoch"] for record in folder.metrics()] == [1, 2, 3]


def test_a_first_validation_that_is_cut_short_costs_no_training(tmp_path):
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(make().recipe, 0, "fp32"))
    first, held_out = make(), (Images(blobs(20)[0]), blobs(20)[1])
    first.validate = Mock(side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        list(first.run(folder, held_out))
    resume(second := make(), folder, wanted)
    event = next(second.run(folder, held_out))
    assert isinstance(event, Epoch)
    assert event.record["updates"] == 10
    assert 0 <= event.record["validation"]["error_goodness"] <= 100


@pytest.mark.parametrize(("cost", "steps"), [(0.0, [10, 10, 20, 20, 30, 30]), (0.15, [10, 30, 30])])
def test_checkpoints_take_a_hundredth_of_the_time(tmp_path, monkeypatch, cost, steps):
    """By a clock on which an update takes a second, and a checkpoint what it costs."""
    now = [0.0]
    monkeypatch.setattr("ffrec.training.trainer.time.perf_counter", lambda: now[0])
    folder, trainer, written = RunFolder.create(tmp_path / "run", {}), make(epochs=3), []

    def save(step, *_):
        written.append(step)
        now[0] += cost

    monkeypatch.setattr(folder, "save", save)
    trainer.validate = Mock(side_effect=lambda _: {"confusion": [[1]], "images": 1})
    for event in trainer.run(folder, "held out"):
        now[0] += isinstance(event, Update)
    assert written == steps  # before a validation, after it, and at the end in any case


def test_the_last_validation_runs_all_iterations():
    trainer, held_out = make(iterations=8, loss=(3, 4), window=(3, 4)), (Images(blobs(20)[0]), blobs(20)[1])
    found = [e.record["validation"] for e in trainer.run(None, held_out) if isinstance(e, Epoch)]
    assert [len(one["error_by_iteration"]) for one in found] == [4, 4, 8]


def test_a_stop_after_an_epoch_is_saved_even_where_no_checkpoint_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr("ffrec.training.trainer.SPARING", 1e9)
    folder, trainer = RunFolder.create(tmp_path / "run", {}), make()
    *_, last = trainer.run(folder, stop=lambda: trainer.epoch == 2)
    assert trainer.step == 0
    assert last == Interrupted(20)
    saved = folder.load()
    assert saved is not None
    assert saved[0] == 20


def test_stopping_is_possible_after_the_last_validation():
    trainer = make(epochs=1)
    trainer.validate = Mock(side_effect=lambda _: {"confusion": [[1]], "images": 1})
    *_, last, interrupted = trainer.run(None, "held out", stop=lambda: trainer.validate.called)
    assert isinstance(last, Epoch)
    assert isinstance(interrupted, Interrupted)


def test_a_crash_between_metrics_and_checkpoint_repeats_the_epoch(tmp_path):
    folder = RunFolder.create(tmp_path / "run", wanted := configuration(make().recipe, 0, "fp32"))
    list(make().run(folder))
    folder.append_metrics({"epoch": 4})
    resume(make(), folder, wanted)
    assert len(folder.metrics()) == 3


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    trainer = make(loss=[1, 1])  # the top-down connections have had no time to spread it
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 0, "fp32"))
    with pytest.raises(Diverged, match="loss of hidden layer 2 is not finite at update 14"):
        for event in trainer.run(folder):
            if isinstance(event, Update) and event.epoch == 2 and event.step == 3:
                trainer.network.layer(2).connection("3").weight.fill_(float("nan"))
    saved = folder.load()
    assert saved is not None
    assert saved[0] == 10
    assert all(tensor.isfinite().all() for tensor in saved[1].values())


def test_nan_is_noticed_before_an_interrupted_run_saves(tmp_path):
    trainer = make()
    folder = RunFolder.create(tmp_path / "run", configuration(trainer.recipe, 0, "fp32"))
    trainer.network.layer(1).bias.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"hidden layer 1.* not finite at update 1"):
        list(trainer.run(folder, stop=lambda: True))
    assert folder.load() is None


def test_schedules_start_at_one_and_do_what_their_names_say():
    schedules = registry.menu("rate schedule")
    assert all(factor(0.0) == 1 for factor in schedules.values())
    assert [schedules["half-linear"](done) for done in (0.25, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert [schedules["linear"](done) for done in (0.25, 1.0)] == [0.75, 0.0]
    assert schedules["cosine"](0.5) == pytest.approx(0.5)
    assert schedules["constant"](1.0) == 1


def test_the_rate_of_an_update_follows_from_how_many_are_done():
    """Every update is at the schedule's factor of its own share; nothing is changed and put back."""
    trainer = make(schedule="linear", rate=1e-2, softmax_rate=2e-2, epochs=2)
    rates = []
    for event in trainer.run():
        if isinstance(event, Update):
            groups = trainer.optimiser.param_groups
            rates.append((groups[0]["lr"], groups[2]["lr"]))
        elif isinstance(event, Epoch):
            assert event.record["rate"] == pytest.approx(1e-2 * (1 - event.record["updates"] / 20))
    assert rates == [pytest.approx((1e-2 * (1 - n / 20), 2e-2 * (1 - n / 20))) for n in range(20)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"optimiser": "SparseAdam"}, "steps by dense gradients, found .SparseAdam"),
        ({"optimiser": "Adamm"}, "class of torch.optim that steps by dense gradients, found 'Adamm'"),
        ({"optimiser_options": {"betta": 1}}, "betta"),
        ({"schedule": "halflinear"}, "did you mean half-linear"),
        ({"schedule": "StepLR"}, "choose from constant, half-linear, linear, cosine"),
    ],
)
def test_a_wrong_optimiser_or_schedule_is_named(fields, words):
    with pytest.raises(ConfigError, match=words):
        make(**fields)


def test_weights_decay_and_biases_do_not():
    training = TrainingConfig(weight_decay=0.3, rate=1e-2, softmax_rate=2e-2)
    network = make().network
    groups = make_optimiser(network.layers, network.readout, training).param_groups
    held = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(held) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        rate = 2e-2 if name.startswith("readout") else 1e-2
        assert held[id(parameter)] == (rate, 0.0 if name.endswith("bias") else 0.3)


def test_bfloat16_learns_too_and_keeps_float32_weights():
    trainer = make(epochs=12, jitter=0)
    trainer.arithmetic = "bf16"
    for event in trainer.run():
        last = event
    assert isinstance(last, Epoch)
    assert min(last.record["pairwise_accuracy"]) > 0.9
    assert all(p.dtype is torch.float32 and p.isfinite().all() for p in trainer.network.parameters())


def test_precision_is_put_back():
    before = torch.get_float32_matmul_precision()
    network = make().network
    with computing(network, "tf32", torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    with pytest.raises(KeyError), computing(network, "bf16", torch.device("cpu")):
        assert network.dtype is torch.bfloat16
        raise KeyError
    assert network.dtype is torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("arithmetic", ["fp32", "tf32", "bf16"])
def test_it_learns_on_a_gpu(arithmetic):
    chosen = recipe("recurrent-digits").override(
        {"hidden": [40, 30], "epochs": 15, "batch": 16, "rate": 5e-3}
    )
    trainer = ImageTrainer(chosen, *blobs(150), 3, device="cuda", arithmetic=arithmetic)
    held_out = Images(blobs(100, seed=1)[0], trainer.device), blobs(100, seed=1)[1]
    *_, last = trainer.run(validation=held_out)
    assert isinstance(last, Epoch)
    assert last.record["validation"]["error_goodness"] <= 5
