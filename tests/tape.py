"""A CUDA graph's stand-in on a CPU: operations are recorded, and repeated on the same tensors."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
WAITS = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten._unique2, aten.bincount}
"""Operations that tell Python something of the data, or whose result has a size that depends on it."""


def tensors(values):
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.numel()]


class Recorder(TorchDispatchMode):
    """Keeps every operation with its arguments and what it made."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in WAITS:
            raise AssertionError(f"{func}: a graph cannot hold what waits for the device")
        made = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, made))
        return made


class Tape:
    """A `Graph` that fixes all numbers of Python when it is recorded, as a graph of CUDA does."""

    recorded = 0

    def warm(self, work):
        return work()

    def record(self, work):
        """Unlike CUDA's this does the work; the first replay then does not."""
        Tape.recorded += 1
        with Recorder() as recorder:
            self.made = work()
        self.operations, self.done = recorder.operations, True

    def replay(self):
        if not self.done:
            for func, args, kwargs, made in self.operations:
                given = {x.untyped_storage().data_ptr() for x in tensors((args, kwargs))}
                again = func(*args, **kwargs)
                for old, new in zip(tensors(made), tensors(again), strict=True):
                    if old.untyped_storage().data_ptr() not in given:  # neither a view nor in place
                        old.copy_(new)
        self.done = False
        return self.made
