"""Tensors that only pretend to be on a CUDA device. Importing this changes torch: for a process of its own.

`FakeTensorMode` knows shapes, types and devices, and no numbers: what asks for a number, or mixes devices,
fails. On a build without CUDA four things need help: indexing, `copy_` and `contiguous`, whose Python
bindings ask for a CUDA device, go straight to the operators; parameters are replaced rather than moved;
networks are made before the pretence begins; and generators are those of the CPU, which operators never see.
"""

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
SIZED_BY_DATA = {torch.Tensor.nonzero, torch.nonzero, torch.masked_select, torch.unique, torch.Tensor.unique}
CUDA = torch.device("cuda", 0)


class Fault(Exception):
    """An update did what would make a CUDA device, or Python, wait."""


RealGenerator = torch.Generator


class Generator(RealGenerator):
    """A generator that says it is on the device it was asked for."""

    def __new__(cls, device="cpu"):
        made = RealGenerator.__new__(cls)
        made.where = torch.device(device)
        return made

    def __init__(self, device="cpu"):
        pass

    @property
    def device(self):
        return self.where


def basic(x, index):
    """x under the slices, numbers and Nones of an index, and the tensors that are left, or None."""
    index = list(index) if isinstance(index, tuple) else [index]
    kept, dim = [], 0
    for at, part in enumerate(index):
        if part is Ellipsis:
            rest = sum(later is not None for later in index[at + 1 :])
            kept += [None] * (x.ndim - dim - rest)
            dim = x.ndim - rest
        elif part is None:
            x, dim = x.unsqueeze(dim), dim + 1
            kept.append(None)
        elif isinstance(part, slice):
            x, dim = aten.slice.Tensor(x, dim, part.start, part.stop, part.step or 1), dim + 1
            kept.append(None)
        elif isinstance(part, int):
            x = aten.select.int(x, dim, part)
        else:
            if part.device != x.device or part.dtype == torch.bool:
                raise Fault(f"an index of {part.dtype} on {part.device} for a tensor on {x.device}")
            kept, dim = [*kept, part], dim + 1
    return x, kept if any(part is not None for part in kept) else None


class Pretending(TorchFunctionMode):
    """Sends around the bindings what these refuse; once `steady`, it refuses copies from device to device."""

    steady = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "generator"}
        if func is torch.Tensor.__getitem__:
            x, places = basic(*args)
            return x if places is None else aten.index.Tensor(x, places)
        if func is torch.Tensor.__setitem__:
            return self.assign(*args)
        if func in SIZED_BY_DATA:
            raise Fault(f"{func.__name__}: the size of its result depends on the data")
        if func in (
            torch._fused_adamw_,
            torch._fused_adam_,
        ):  # which have no fake form where rates are tensors
            devices = {x.device for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
            if devices != {CUDA}:
                raise Fault(f"an optimiser on {devices}")
            return None
        if func is torch.Tensor.copy_:
            self.check(args[1], args[0])
            return aten.copy_(*args)
        if func in (torch.tensor, torch.as_tensor) and self.steady and "device" in kwargs:
            raise Fault(f"a fresh tensor for {kwargs['device']}")
        made = func(*args, **kwargs)
        if isinstance(made, FakeTensor) and args and isinstance(args[0], FakeTensor):
            self.check(args[0], made)
        return made

    def assign(self, x, index, value):
        x, places = basic(x, index)
        if not isinstance(value, torch.Tensor):
            value = torch.full((), value, dtype=x.dtype, device=x.device)
        return aten.copy_(x, value) if places is None else aten.index_put_(x, places, value)

    def check(self, source, made):
        """Raise Fault for a copy from one device to another."""
        if self.steady and isinstance(source, FakeTensor) and source.device.type != made.device.type:
            raise Fault(f"a copy from {source.device} to {made.device}")


def pretended(module, device):
    """A module whose parameters and buffers pretend to be on a device."""
    for part in module.modules():
        for name, held in [*part._parameters.items(), *part._buffers.items()]:
            if held is None:
                continue
            made = torch.empty(held.shape, dtype=held.dtype, device=device)
            if name in part._parameters:
                part._parameters[name] = nn.Parameter(made, requires_grad=held.requires_grad)
            else:
                part._buffers[name] = made
    return module


def before_pretence(make):
    """A function that makes a network of real tensors, as initial weights may ask for numbers."""

    def made(*given, **named):
        with unset_fake_temporarily():
            return make(*given, **named)

    return made


def contiguous(x, memory_format=torch.contiguous_format):
    """The same rows in order; torch's own decompositions ask for them."""
    return x if x.is_contiguous(memory_format=memory_format) else aten.clone(x, memory_format=memory_format)


FakeTensor.contiguous = contiguous
torch.Generator = Generator
nn.Module.to = pretended
