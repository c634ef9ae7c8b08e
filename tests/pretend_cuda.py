"""A simulated GPU: CPU values in a tensor that claims to be on cuda:0.

Values are real, so results can be compared with those of the CPU. An operation that mixes devices raises an
error, as on a GPU. Copies between host and device, synchronisations and kernels are counted, with the line in
the library that caused them.
"""

import sys
import weakref
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar
from unittest.mock import patch

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["PretendTensor", "Work", "pretended_cuda"]

_TorchGenerator = torch.Generator
DEVICE = torch.device("cuda", 0)
NUM_DEVICES = 2
MEMORY_BYTES = 80 * 2**30

# Operations that return without a kernel.
_FREE = {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "alias", "set_"),
    *("resize_", "lift_fresh", "_unsafe_view", "_reshape_alias", "is_pinned", "_local_scalar_dense", "equal"),
}
# Operations in place that change a tensor's shape alone.
_RESHAPES = {"transpose_", "t_", "squeeze_", "unsqueeze_", "as_strided_", "swapaxes_", "resize_", "set_"}
# Operations whose result the host waits for.
_WAITS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_consecutive"),
    *("_unique2", "repeat_interleave"),
}
# Of torch.use_deterministic_algorithms: what sums in any order on CUDA. The backward pass of max_pool3d is
# spared, since it is exact if windows do not overlap; so is index_put with accumulate, which sorts.
_ANY_ORDER = {
    *("index_add", "index_add_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_", "put_"),
    *("avg_pool3d_backward", "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward"),
    *("adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward", "grid_sampler_2d_backward"),
    *("embedding_dense_backward", "cumsum", "histc", "bincount", "kthvalue", "median", "nll_loss2d_forward"),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_trilinear3d_backward"),
    *("reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward"),
    *("replication_pad1d_backward", "replication_pad2d_backward", "replication_pad3d_backward"),
}


@dataclass
class Work:
    """The work that the device was asked to do.

    Attributes:
        kernels: number of operations that launch one or more kernels.
        to_device, to_host: number of copies.
        synchronisations: number of times that the host waited for the device.
        copied_bytes: total size of all copies.
        live_bytes, peak_bytes: device memory in use now, and at most.
        waited_at, copied_at: lines in the library, with the number of times.
        in_any_order: operations whose sums have no fixed order on a GPU, with the line.
        kernel_names: operations, with the number of times.
    """

    kernels: int = 0
    to_device: int = 0
    to_host: int = 0
    synchronisations: int = 0
    copied_bytes: int = 0
    live_bytes: int = 0
    peak_bytes: int = 0
    waited_at: Counter = field(default_factory=Counter)
    copied_at: Counter = field(default_factory=Counter)
    in_any_order: Counter = field(default_factory=Counter)
    kernel_names: Counter = field(default_factory=Counter)
    _known: dict = field(default_factory=dict)

    def reset(self):
        """Restarts counting. Memory in use remains counted."""
        self.kernels = self.to_device = self.to_host = self.synchronisations = self.copied_bytes = 0
        self.peak_bytes = self.live_bytes
        for each in (self.waited_at, self.copied_at, self.in_any_order, self.kernel_names):
            each.clear()

    def numbers(self):
        """Returns the counts in readable form."""
        return {
            "synchronisations": self.synchronisations,
            "copies": self.to_device + self.to_host,
            "kernels": self.kernels,
        }

    def waits(self):
        """Counts a wait of the host for the device."""
        self.synchronisations += 1
        self.waited_at[_line()] += 1

    def copies(self, source, *, to_device, blocking):
        """Counts a copy. It is asynchronous if this is allowed and the host's memory is pinned."""
        if to_device:
            self.to_device += 1
        else:
            self.to_host += 1
        self.copied_bytes += source.numel() * source.element_size()
        self.copied_at[_line()] += 1
        if blocking or (to_device and not _is_pinned(source)):
            self.waits()

    def launches(self, name):
        """Counts a kernel."""
        self.kernels += 1
        self.kernel_names[name] += 1
        if name in _ANY_ORDER:
            self.in_any_order[f"{name} at {_line()}"] += 1

    def holds(self, tensor):
        """Counts the memory of a tensor as long as the tensor exists."""
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known or size == 0:
            return
        self._known[place] = size
        self.live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._released, place)

    def _released(self, place):
        self.live_bytes -= self._known.pop(place)


class _Pretending:
    """The work that is counted now, None outside of `pretended_cuda`; and how many backward passes run."""

    work = None
    backward = 0
    pinned: ClassVar = set()


def _line():
    """Returns the innermost line in the library, or None for a line in torch or in a test."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if "/dfs_store/" in name and "/tests/" not in name:
            return f"{name.rsplit('/dfs_store/', 1)[1]}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def _is_pinned(tensor):
    return tensor.untyped_storage().data_ptr() in _Pretending.pinned


def _pinned(tensor):
    storage = tensor.untyped_storage()
    place = storage.data_ptr()
    _Pretending.pinned.add(place)
    weakref.finalize(storage, _Pretending.pinned.discard, place)
    tensor._pretend_storage = storage  # as long as a view of it lives, at the least
    return tensor


class PretendTensor(torch.Tensor):
    """A tensor on cuda:0 whose values are in the CPU tensor `held`."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device="cpu",
        )

    def __init__(self, held):
        self.held = held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def __repr__(self):
        return f"PretendTensor({self.held!r})"

    @property
    def device(self):
        return DEVICE

    @property
    def is_cuda(self):
        return True

    def to(self, *args, **kwargs):
        if args and isinstance(args[0], torch.Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        copies = kwargs.pop("copy", False)
        device, dtype, non_blocking, order = torch._C._nn._parse_to(*args, **kwargs)
        stays = device is None or device.type == "cuda"
        if stays and dtype in (None, self.dtype) and order is None and not copies:
            return self
        options = {"device": DEVICE if stays else device}
        if dtype is not None:
            options["dtype"] = dtype
        if order is not None:
            options["memory_format"] = order
        return torch.ops.aten._to_copy.default(self, non_blocking=non_blocking, **options)

    def cpu(self):
        return self.to("cpu")

    def cuda(self, *_args, **_kwargs):
        return self

    def pin_memory(self, *_args):
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")

    def numpy(self, *_args, **_kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    __array__ = numpy

    @property
    def data(self):
        return PretendTensor(self.held)

    @data.setter
    def data(self, new):
        torch.Tensor.data.__set__(self, new)
        self.held = new.held


class _Generator(_TorchGenerator):
    """A generator that remembers the device for which it was created."""

    made: ClassVar = weakref.WeakSet()

    def __new__(cls, device="cpu"):
        return super().__new__(cls, "cpu")

    def __init__(self, device="cpu"):
        self.pretended = torch.device(device).type
        _Generator.made.add(self)

    @staticmethod
    def devices_of(given):
        """Returns a generator's devices. Operations receive it as a new object, so its state is compared."""
        state = given.get_state()
        return {each.pretended for each in _Generator.made if torch.equal(each.get_state(), state)}


def _check_devices(name, tensors, args, kwargs):
    """Raises torch's error if an operation on the device receives tensors or generators on the host."""
    held_by_host = [each for each in tensors if not isinstance(each, PretendTensor) and each.dim() > 0]
    index_lists = [each for each in args if isinstance(each, list | tuple)] if "index" in name else []
    indices = [each for several in index_lists for each in several]
    for each in held_by_host:
        if any(each is index for index in indices):
            _Pretending.work.copies(each, to_device=True, blocking=True)  # torch copies it, unasked
            continue
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but got one on cpu: {name} at {_line()}"
        )
    for each in (*args, *kwargs.values()):
        if isinstance(each, _TorchGenerator) and "cuda" not in _Generator.devices_of(each):
            raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu': {name}")


def _count(func, name, args, kwargs, to_device, to_host):
    work = _Pretending.work
    if name in ("copy_", "_to_copy"):
        source = args[1] if name == "copy_" else args[0]
        arrives = isinstance(args[0], PretendTensor) if name == "copy_" else not to_host
        if isinstance(source, PretendTensor) == arrives:
            return work.launches(name)
        beside = kwargs.get("non_blocking", False) or (name == "copy_" and len(args) > 2 and args[2])
        return work.copies(source, to_device=arrives, blocking=not beside)
    if name in _WAITS:
        work.waits()
    if name in ("index", "index_put_", "_index_put_impl_", "index_put"):
        masks = [each for each in args[1] if each is not None and each.dtype in (torch.bool, torch.uint8)]
        if masks and (name == "index" or args[2].numel() != 1):  # one value is filled in under a mask
            work.waits()
    if not (func.is_view or name in _FREE):
        work.launches(name)
    return None


def _run(func, args, kwargs):
    """Runs an operation on the values, and counts it if it uses the device."""
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    concerned = any(isinstance(each, PretendTensor) for each in tensors)
    name = func._schema.name.split("::")[1]
    device = kwargs.get("device")
    to_device = device is not None and torch.device(device).type == "cuda"
    to_host = device is not None and not to_device
    if not concerned and device is not None and _Pretending.backward:
        # The backward pass makes its zeros by the device that C++ sees, which is the CPU.
        to_device = to_device or torch._C._current_graph_task_id() != -1
    if not concerned and not to_device:
        return func(*args, **kwargs)
    if name not in ("copy_", "_to_copy"):
        _check_devices(name, tensors if concerned else [], args, kwargs)
    _count(func, name, args, kwargs, to_device, to_host)
    options = tree_map(_unwrapped, kwargs)
    if device is not None:
        options["device"] = "cpu"
    options.pop("pin_memory", None)
    made = func(*tree_map(_unwrapped, args), **options)
    if name in ("_local_scalar_dense", "equal", "is_nonzero") or (name == "_to_copy" and to_host):
        return made
    if name.endswith("_") and not name.endswith("__") and isinstance(args[0], torch.Tensor):
        if name in _RESHAPES:
            with no_dispatch():
                func(*args, **kwargs)
        return args[0]
    if kwargs.get("out") is not None:
        return kwargs["out"]
    return tree_map(_wrapped, made)


def _unwrapped(each):
    return each.held if isinstance(each, PretendTensor) else each


def _wrapped(each):
    if not isinstance(each, torch.Tensor) or isinstance(each, PretendTensor):
        return each
    _Pretending.work.holds(each)
    return PretendTensor(each)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Properties:
    total_memory = MEMORY_BYTES
    major, minor = 9, 0
    name = "pretended"


def _in_backward(do):
    """Wraps a function that runs a backward pass."""

    def wrapped(outputs, *args, **kwargs):
        first = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        concerned = isinstance(first, PretendTensor)
        _Pretending.backward += concerned
        try:
            return do(outputs, *args, **kwargs)
        finally:
            _Pretending.backward -= concerned

    return wrapped


def _made_there(make):
    def made(*args, device=None, **kwargs):
        here = make(*args, **kwargs)
        return here if device is None else here.to(device)

    return made


def _empty(make):
    # Not in the mode: other threads make pinned memory, too.
    def made(*args, pin_memory=False, **kwargs):
        here = make(*args, **kwargs)
        return _pinned(here) if pin_memory else here

    return made


def _autocast(real):
    # The values are on the CPU, where the autocast of CUDA does nothing.
    class Autocast(real):
        def __init__(self, device_type, *args, **kwargs):
            super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    return Autocast


class _WithoutGradients(torch.no_grad):
    """Replaces inference mode, in which operations would not be dispatched to the tensors."""

    def __new__(cls, mode=True):
        return super().__new__(cls) if mode is True else nullcontext()

    def __init__(self, mode=True):
        super().__init__()


def _replacements():
    """Returns the replacements for the driver."""
    states = [torch.full((16,), number, dtype=torch.uint8) for number in range(NUM_DEVICES)]
    fractions = [1.0] * NUM_DEVICES

    def number_of(device):
        index = torch.device(device).index if isinstance(device, str | torch.device) else device
        return 0 if index is None else index

    class Default:
        def __init__(self, number):
            self.number = number

        def manual_seed(self, seed):
            states[self.number] = torch.full((16,), seed % 251, dtype=torch.uint8)

    def seed_all(seed):
        states[:] = [torch.full((16,), seed % 251, dtype=torch.uint8) for _ in states]

    def set_fraction(share, device=None):
        fractions[number_of(device)] = share

    cuda = {
        "_lazy_init": lambda: None,
        "is_initialized": lambda: True,
        "is_available": lambda: True,
        "current_device": lambda: 0,
        "device_count": lambda: NUM_DEVICES,
        "empty_cache": lambda: None,
        "is_bf16_supported": lambda *_args, **_kwargs: True,
        "synchronize": lambda _device=None: _Pretending.work.waits(),
        "get_device_properties": lambda _device=None: _Properties,
        "mem_get_info": lambda _device=None: (MEMORY_BYTES, MEMORY_BYTES),
        "get_per_process_memory_fraction": lambda device=None: fractions[number_of(device)],
        "set_per_process_memory_fraction": set_fraction,
        "manual_seed_all": seed_all,
        "default_generators": [Default(number) for number in range(NUM_DEVICES)],
        "get_rng_state": lambda device="cuda": states[number_of(device)].clone(),
        "set_rng_state": lambda state, device="cuda": states.__setitem__(number_of(device), state.clone()),
        "device": lambda _device: nullcontext(),
    }
    return {
        torch.cuda: cuda,
        torch.Tensor: {
            "pin_memory": lambda self, *_args: _pinned(self.clone()),
            "is_pinned": lambda self, *_args: _is_pinned(self),
        },
        torch.autograd: {
            "grad": _in_backward(torch.autograd.grad),
            "backward": _in_backward(torch.autograd.backward),
        },
        torch: {
            "Generator": _Generator,
            "empty": _empty(torch.empty),
            "tensor": _made_there(torch.tensor),
            "inference_mode": _WithoutGradients,
            "autocast": _autocast(torch.autocast),
        },
    }


@contextmanager
def pretended_cuda():
    """Pretends that there are two GPUs. Yields the `Work` of the first one."""
    torch._C._ensureCUDADeviceGuardSet()
    work = Work()
    replaces_parameters = torch.__future__.get_overwrite_module_params_on_conversion()
    threads = torch.autograd.is_multithreading_enabled()
    patches = [
        patch.object(where, name, new)
        for where, each in _replacements().items()
        for name, new in each.items()
    ]
    _Pretending.work = work
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.autograd.set_multithreading_enabled(False)
    try:
        for each in patches:
            each.start()
        with _Mode():
            yield work
    finally:
        for each in reversed(patches):
            each.stop()
        torch.autograd.set_multithreading_enabled(threads)
        torch.__future__.set_overwrite_module_params_on_conversion(replaces_parameters)
        _Pretending.work = None
