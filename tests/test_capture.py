"""Updates as graphs: the same numbers as without. CUDA's own graphs need CUDA; on a CPU a tape stands in."""

import pytest
import torch
from commands import assert_refused, ffrec
from tape import Tape

from ffrec.config import ConfigError
from ffrec.recipes import recipe
from ffrec.tasks.images import new_trainer
from ffrec.training.capture import WARM, Captured, check_capture
from ffrec.training.optimiser import make_optimiser, placed, set_rates
from ffrec.training.text import TextTrainer

KINDS = {
    "recurrent": ("recurrent-mnist-small", {"hidden": [12, 12]}),
    "alternating": ("recurrent-mnist-alternating", {"hidden": [12, 12, 12], "peer": 0.03}),
    "supervised": ("supervised-mnist-jitter", {"hidden": [12, 12, 12]}),
    "hybrids": ("unsupervised-mnist", {"hidden": [12, 12]}),
    "repeats": ("supervised-mnist", {"hidden": [12, 12], "repeats": 3}),
    "phases": ("sleep-mnist-cure", {"hidden": [12, 12, 12], "wake": 3, "sleep": 2, "dropout": 0.1}),
    "two states": ("sleep-mnist-cure", {"hidden": [12, 12, 12], "wake": 3, "sleep": 2, "states": "separate"}),
    "backprop": ("backprop-mnist", {"hidden": [12, 12]}),
    "together": ("aesop-together-small", {"hidden": [12, 12]}),
    "sleep": ("aesop-sleep-small", {"hidden": [12, 12]}),
    "night": ("aesop-night-small", {"hidden": [12, 12], "night": 3}),
    "noise": ("recurrent-digits", {"hidden": [12, 12], "noise": 0.5, "hidden_noise": 0.5}),
    "teacher": ("aesop-teacher-small", {"hidden": [12, 12], "dropout": 0.2}),
    "in turn": (
        "conv-digits",
        {
            "hidden": [4, 4],
            "label": "apart",
            "objective": "logistic",
            "goodness": "squares",
            "negatives": "hard",
            "in_turn": True,
        },
    ),
    "twins": ("twin-mnist-wide", {"hidden": [12, 12]}),
    "twins, classes": ("twin-digits", {"hidden": [12], "reads": [1], "views": "class"}),
    "twins, contrast": ("twin-digits", {"hidden": [12, 12], "agreement": "contrast", "scores": 0.0}),
}
APART = {"phases", "two states", "sleep", "in turn"}


def trainer_of(kind, device="cpu", batch=20, arithmetic="fp32", **fields):
    name, changed = KINDS[kind]
    chosen = recipe(name).override({"batch": batch, "epochs": 2, **changed, **fields})
    drawn = torch.Generator().manual_seed(3)
    if chosen.network.on == "text":
        chosen = chosen.override({"passes": 4})
        strings = torch.randint(9, (50, 16), generator=drawn)
        return TextTrainer(chosen, strings, 9, 5, device, arithmetic)
    images = torch.randint(256, (110, 8, 8), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (110,), generator=drawn)
    return new_trainer(chosen, images, labels, 10, 5, device, arithmetic)


def trained(trainer):
    for _ in trainer.run():
        pass
    found = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    return found | {"history": trainer.history.clone()}


def place_rates(trainer):
    """As on a device: rates are filled where they lie, not replaced. In float64 nothing is rounded."""
    for optimiser in {trainer.optimiser, trainer.sleep_optimiser}:
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize(
    ("kind", "arithmetic"),
    [*((kind, "fp32") for kind in KINDS), *((kind, "bf16") for kind in ("recurrent", "repeats", "sleep"))],
)
def test_a_graph_of_an_update_is_the_same_update(kind, arithmetic):
    """110 images in batches of 20, 50 strings too: the last batch is smaller. Weights are bitwise equal."""
    plain, captured = trainer_of(kind, arithmetic=arithmetic), trainer_of(kind, arithmetic=arithmetic)
    place_rates(captured)
    Tape.recorded = 0
    captured.captured = Captured(captured.network, captured.draws, 20, Tape)
    assert_same(trained(plain), trained(captured))
    kinds = {"together": 2, "sleep": 3}.get(kind, 2 if kind in APART else 1)
    assert Tape.recorded == kinds == len(captured.captured.graphs)


def test_work_is_recorded_once_it_was_done_a_few_times_and_never_for_a_batch_of_another_size():
    seen = []

    def work(index, phase):
        seen.append((index, phase))
        return index.sum()

    trainer = trainer_of("recurrent")
    captured = Captured(trainer.network, trainer.draws, 3, Tape)
    batches = [
        torch.tensor(places) for places in ([1, 2, 3], [4, 5, 6], [7, 8], [1, 1, 1], [2, 3, 5], [0, 0, 1])
    ]
    found = [captured(work, index, "both").item() for index in batches]
    assert found == [6, 15, 15, 3, 10, 1]
    static = [index.data_ptr() == captured.index.data_ptr() for index, _ in seen]
    assert static == [False] * (WARM + 1) + [True]  # a replay calls nothing
    captured(work, batches[0], "wake")
    assert list(captured.graphs) == [("work", "both", 0)]


def test_a_graph_writes_into_a_workspace_of_its_own():
    trainer = trainer_of("recurrent")
    network, own = trainer.network, []

    class Watching(Tape):
        def record(self, work):
            own.append(network.workspace)
            super().record(work)

    before = network.workspace
    trainer.captured = Captured(network, trainer.draws, 20, Watching)
    trained(trainer)
    assert network.workspace is before
    assert own == trainer.captured.workspaces
    assert own[0] is not before


@pytest.mark.parametrize(
    ("device", "optimiser", "words"),
    [
        ("cpu", "AdamW", "expected --device cuda, found cpu: leave --capture out"),
        ("cuda", "SGD", "expected an optimiser with the option capturable, found SGD: choose AdamW"),
        ("cuda", "Nonsense", "found Nonsense"),
    ],
)
def test_what_cannot_be_captured_is_one_clear_line(device, optimiser, words):
    with pytest.raises(ConfigError, match=words):
        check_capture(torch.device(device), optimiser)


def test_several_processes_cannot_be_captured():
    with pytest.raises(ConfigError, match="expected one process, found 2: leave --capture out"):
        check_capture(torch.device("cuda"), "AdamW", 2)


def test_the_command_refuses_it_before_it_reads_data_or_writes_a_run(tmp_path):
    done = ffrec("train", "recurrent-digits", "--capture", "--device", "cpu", "--out", "run", cwd=tmp_path)
    assert_refused(done, "--device cuda", "--capture")
    assert not (tmp_path / "run").exists()


def test_rates_that_lie_on_a_device_are_filled_where_they_lie():
    network = trainer_of("recurrent").network
    training = recipe("recurrent-mnist-small").training
    plain, resident = (make_optimiser(network.layers, network.readout, training) for _ in range(2))
    places = []
    for group in resident.param_groups:
        group["lr"] = torch.tensor(group["lr"])
        places.append(group["lr"])
    for optimiser in (plain, resident):
        set_rates(optimiser, 0.5, 0.25)
    resident.load_state_dict(placed(resident, plain.state_dict()))  # of a run on another device
    set_rates(resident, 0.5, 0.25)
    for group, held in zip(plain.param_groups, resident.param_groups, strict=True):
        assert isinstance(held["lr"], torch.Tensor)
        assert held["lr"].item() == pytest.approx(group["lr"])
    assert [place.item() for place in places] == pytest.approx([group["lr"] for group in plain.param_groups])


def test_every_batch_of_an_epoch_is_a_part_of_one_index_tensor():
    trainer = trainer_of("together")
    batches = trainer.batches()
    assert [len(batch) for batch in batches] == [20, 20, 10] * 4
    assert len({batch.untyped_storage().data_ptr() for batch in batches}) == 1
    for first in range(0, 12, 3):
        assert torch.cat(batches[first : first + 3]).sort().values.tolist() == list(range(50))


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_cuda_graphs_give_the_numbers_of_ordinary_updates(kind):
    plain, captured = trainer_of(kind, "cuda"), trainer_of(kind, "cuda")
    captured.capture()
    first, second = trained(plain), trained(captured)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-5)  # sums without an order
    assert captured.captured.graphs


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_no_update_waits_for_the_device(kind):
    trainer = trainer_of(kind, "cuda")
    batches = trainer.batches()
    with torch.no_grad():
        for index in batches[:5]:  # libraries are loaded, and constants are copied once
            trainer.update(trainer.part(index))
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for index in batches[:5]:
                trainer.update(trainer.part(index))
        finally:
            torch.cuda.set_sync_debug_mode("default")
