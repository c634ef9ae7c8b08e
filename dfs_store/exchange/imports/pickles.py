"""Reads pickles as plain data: interprets their opcodes without importing or calling anything.

Classes and functions are represented by their names. Calls to the functions with which torch and NumPy save
arrays yield parts of arrays. Objects of other classes yield their attributes. Calls to other functions are
errors. Dictionaries are read as lists of pairs, so that no key is hashed.
"""

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partialmethod
from typing import IO, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

__all__ = ["CalledError", "NumpyArray", "RefusedError", "Storage", "TensorParts", "Things", "read_pickle"]

_MOST_OPCODES = 2_000_000
_MOST_CONTAINERS = 600_000
_PAIR_BYTES = 8  # minimum size of a key and a value in a pickle
_MOST_SCALAR_BYTES = 1024
_DTYPE = re.compile(r"[<>|=]?(b1|\?|[iuf][1248]|c8|c16|O8?|[SUV][0-9]{1,8})")
_STORAGE_DTYPES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "ByteStorage": "uint8", "CharStorage": "int8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "BoolStorage": "bool", "UntypedStorage": "uint8",
}  # fmt: skip
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg", "numpy.core": "numpy._core"}


class RefusedError(Exception):
    """Raised if a pickle is damaged, too large or not supported. The message is the reason."""


class CalledError(Exception):
    """Raised if a pickle calls an unknown function. The message is the function's name."""


class Source(Protocol):
    """A file-like object from which a pickle is read."""

    def read(self, count: int = -1, /) -> bytes:
        """Reads the next `count` bytes, or fewer at the end."""

    def readline(self) -> bytes:
        """Reads the next line."""

    def tell(self) -> int:
        """Returns the current offset in bytes."""


@dataclass(frozen=True, slots=True)
class _Name:
    text: str


@dataclass(slots=True)
class Things:
    """A dictionary, or the attributes of an object.

    Attributes:
        pairs: keys and values, in order.
        of: name of the object's class; "" for a dictionary.
    """

    pairs: list[tuple[object, object]] = field(default_factory=list)
    of: str = ""


@dataclass(slots=True)
class Storage:
    """The bytes of one or more tensors, stored outside the pickle.

    Attributes:
        key: name of the storage in the file.
        dtype: dtype of the elements.
    """

    key: str
    dtype: str


@dataclass(slots=True)
class TensorParts:
    """A tensor, which is a view of a storage. The offset and the strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(slots=True)
class NumpyArray:
    """A NumPy array stored in the pickle.

    Attributes:
        array: numbers or strings; None until the bytes are read.
        items: items of an array of objects; None for other arrays.
    """

    array: npt.NDArray[Any] | None = None
    items: list[object] | None = None


@dataclass(slots=True)
class _DType:
    text: str

    def numpy(self) -> np.dtype[Any]:
        if not _DTYPE.fullmatch(self.text):
            raise RefusedError(f"the file contains an array with the unsupported dtype {self.text[:40]!r}")
        return np.dtype(self.text)


def read_pickle(
    source: Source, size_bytes: int, on_storage: Callable[[Storage], object] | None = None
) -> object:
    """Reads the contents of a pickle as lists, tuples, `Things`, arrays, strings and numbers.

    Args:
        source: the file, positioned at the start of the pickle; afterwards, at its end.
        size_bytes: size of the file in bytes, which limits the memory that the contents may need.
        on_storage: called with every storage that the pickle refers to.

    Raises:
        RefusedError: the pickle is damaged, too large or not supported.
        CalledError: the pickle calls a function that is not known to create an array or a collection.
    """
    machine = _Machine(size_bytes, on_storage)
    try:
        for number, (opcode, arg, _) in enumerate(pickletools.genops(cast(IO[bytes], source))):
            if number > _MOST_OPCODES:
                raise RefusedError(f"the pickle has more than {_MOST_OPCODES:,} instructions")
            machine.step(opcode.name, arg)
        return machine.pop()
    except (RefusedError, CalledError):
        raise
    except Exception as error:  # a hostile pickle can make any step raise any error
        raise RefusedError(f"the file is damaged: {type(error).__name__}, {str(error)[:120]}") from error


class _Machine:
    def __init__(self, size_bytes: int, on_storage: Callable[[Storage], object] | None) -> None:
        self._on_storage = on_storage
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._bytes_left = 2 * size_bytes
        self._containers_left = _MOST_CONTAINERS

    def pop(self) -> Any:  # noqa: ANN401 - a pickle can contain anything
        return self._stack.pop()

    def step(self, opcode: str, arg: Any) -> None:  # noqa: ANN401
        if _PUSHES.fullmatch(opcode):
            self._stack.append(arg)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif (act := getattr(self, f"_{opcode.lower()}", None)) is not None:
            act(arg)
        elif opcode not in _IGNORED:
            raise RefusedError(f"the instruction {opcode} is not supported")

    def _since_mark(self, _: object = None) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    _pop_mark = _since_mark

    def _spend_container(self) -> None:
        self._containers_left -= 1
        if self._containers_left < 0:
            raise RefusedError(
                f"the pickle has more than {_MOST_CONTAINERS:,} lists, tuples and dictionaries"
            )

    def _spend_bytes(self, count: int) -> None:
        """Limits the bytes copied, because a small pickle can refer to the same large object repeatedly."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise RefusedError("the repeated contents exceed the memory limit for a file of this size")

    def _made(self, container: object) -> None:
        self._spend_container()
        self._stack.append(container)

    # Each of these methods implements the opcode that it is named after.
    def _mark(self, _: object) -> None:
        self._spend_container()
        self._below.append(self._stack)
        self._stack = []

    def _pop(self, _: object) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _dup(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    def _binput(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    _put = _long_binput = _binput

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _binget(self, number: int) -> None:
        self._stack.append(self._memo[number])

    _get = _long_binget = _binget

    def _empty_list(self, _: object) -> None:
        self._made([])

    _empty_set = _empty_list  # sets are read as lists

    def _list(self, _: object) -> None:
        self._made(self._since_mark())

    _frozenset = _list

    def _append(self, _: object) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    _additems = _appends

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Things):
            target.pairs.extend(enumerate(items, len(target.pairs)))  # an instance of a subclass of list
        else:
            self._only(target, list).extend(items)

    def _empty_dict(self, _: object) -> None:
        self._made(Things())

    def _dict(self, _: object) -> None:
        items = self._since_mark()
        self._made(Things(list(zip(items[::2], items[1::2], strict=True))))

    def _setitem(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._only(self._stack[-1], Things).pairs.append((key, value))

    def _setitems(self, _: object) -> None:
        items = self._since_mark()
        self._only(self._stack[-1], Things).pairs.extend(zip(items[::2], items[1::2], strict=True))

    def _tuple(self, _: object) -> None:
        self._made(tuple(self._since_mark()))

    def _tuple1(self, _: object, count: int = 1) -> None:
        items = tuple(self._stack[-count:])
        if len(items) != count:
            raise RefusedError("the file is damaged: the pickle stack is empty")
        del self._stack[-count:]
        self._made(items)

    _tuple2, _tuple3 = partialmethod(_tuple1, count=2), partialmethod(_tuple1, count=3)

    def _global(self, name: str) -> None:
        module, _, attribute = name.partition(" ")
        self._named(module, attribute)

    def _stack_global(self, _: object) -> None:
        attribute, module = self._stack.pop(), self._stack.pop()
        self._named(self._only(module, str), self._only(attribute, str))

    def _named(self, module: str, attribute: str) -> None:
        if len(module) + len(attribute) > 200:
            raise RefusedError("the file contains a name of more than 200 characters")
        for old, new in _RENAMED.items():
            if module == old or module.startswith(f"{old}."):
                module = new + module.removeprefix(old)
        self._made(_Name(f"{module}.{attribute}"))

    def _binpersid(self, _: object) -> None:
        kind, storage, key = self._only(self._stack.pop(), tuple)[:3]
        name = self._only(storage, _Name).text.rpartition(".")[2]
        if kind != "storage" or name not in _STORAGE_DTYPES:
            raise RefusedError(f"the file contains tensors of the unsupported type {name[:40]}")
        self._made(Storage(self._only(key, str), _STORAGE_DTYPES[name]))
        if self._on_storage is not None:
            self._on_storage(self._stack[-1])

    def _reduce(self, _: object) -> None:
        args, name = self._only(self._stack.pop(), tuple), self._only(self._stack.pop(), _Name)
        self._made(self._called(name.text, args))

    def _newobj(self, _: object) -> None:
        args, name = self._only(self._stack.pop(), tuple), self._only(self._stack.pop(), _Name)
        if name.text in _PLAIN:
            self._made(self._called(name.text, args))
        else:
            self._spend_bytes(_PAIR_BYTES * len(args))
            self._made(Things(list(enumerate(args)), name.text))

    def _newobj_ex(self, _: object) -> None:
        self._stack.pop()  # keyword arguments, which contain no arrays
        self._newobj(_)

    def _build(self, _: object) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, NumpyArray):
            self._fill(target, self._only(state, tuple))
        elif isinstance(target, _DType):
            order = self._only(state, tuple)[1]
            # A shared dtype must not change after an array has used it.
            if order in ("<", ">") and target.text[:1] not in "<>|=":
                target.text = f"{order}{target.text}"
        elif isinstance(target, Things) and target.of:
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, Things):
                    self._spend_bytes(_PAIR_BYTES * len(part.pairs))
                    target.pairs.extend(part.pairs)

    def _fill(self, target: NumpyArray, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        if target.array is not None or target.items is not None:
            raise RefusedError("the file is damaged: an array is filled twice")
        if isinstance(data, list):
            target.items = data if len(shape) == 1 else None
            return
        target.array = _array(data, dtype, shape, "F" if is_fortran else "C")

    def _called(self, name: str, args: tuple[Any, ...]) -> object:
        """Returns what a call to a known torch, NumPy or Python function would return, without calling it."""
        short = name.rpartition(".")[2]
        if name in _PLAIN:
            if isinstance(args[0] if args else None, _PLAIN[name]):
                return args[0]
            return _PLAIN[name]()
        if name in _TENSORS:
            return self._tensor(short, args)
        if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return args[0]
        if name == "torch._tensor._rebuild_from_type_v2":
            return self._called(self._only(args[0], _Name).text, self._only(args[2], tuple))
        if name == "_codecs.encode" and args[1:] in (("latin1",), ("latin-1",)):
            self._spend_bytes(len(self._only(args[0], str)))
            return args[0].encode("latin-1")
        if name == "numpy.dtype":
            return _DType(self._only(args[0], str))
        if name == "numpy._core.multiarray._reconstruct":
            return NumpyArray()
        if name == "numpy._core.multiarray.scalar":
            is_small = len(args) == 2 and isinstance(args[1], bytes) and len(args[1]) <= _MOST_SCALAR_BYTES
            return _array(args[1], args[0], (), "C").item() if is_small else None
        if name == "numpy._core.numeric._frombuffer":
            return NumpyArray(_array(args[0], *args[1:4]))
        if name in _HARMLESS or name.startswith(("torch._utils._rebuild_", "pathlib.", "datetime.")):
            return Things([], name)
        raise CalledError(name)

    def _tensor(self, function: str, args: tuple[Any, ...]) -> TensorParts:
        storage, offset, shape, strides = args[:4]
        dtype = self._only(storage, Storage).dtype
        if function == "_rebuild_tensor_v3":
            dtype = self._only(args[6], _Name).text.rpartition(".")[2]
        numbers = [offset, *self._only(shape, tuple), *self._only(strides, tuple)]
        if not all(type(each) is int and each >= 0 for each in numbers) or len(shape) != len(strides):
            raise RefusedError("the file is damaged: a tensor has an invalid shape")
        return TensorParts(storage, offset, tuple(shape), tuple(strides), dtype)

    @staticmethod
    def _only(value: Any, kind: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, kind):
            raise RefusedError(
                f"the file is damaged: the pickle contains an unexpected {type(value).__name__}"
            )
        return value


def _array(data: object, dtype: object, shape: object, order: object) -> npt.NDArray[Any]:
    if not isinstance(data, bytes | bytearray) or not isinstance(dtype, _DType):
        raise RefusedError("the file contains an array of objects, or an array with an unknown dtype")
    kind = dtype.numpy()
    if not isinstance(shape, tuple) or kind.hasobject or order not in ("C", "F"):
        raise RefusedError("the file contains an array of objects, or an array with an invalid shape")
    return np.frombuffer(data, kind).reshape(shape, order="F" if order == "F" else "C")


_PUSHES = re.compile(r"(SHORT_)?(BIN)?(INT[12]?|LONG[14]?|FLOAT|STRING|UNICODE8?|BYTES8?)|BYTEARRAY8")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("collections.OrderedDict", "collections.defaultdict", "collections.Counter"), Things),
    **dict.fromkeys(("builtins.set", "builtins.frozenset", "builtins.list"), list),
    **dict.fromkeys(("torch.Size", "builtins.tuple"), tuple),
}
_TENSORS = tuple(f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3"))
# Harmless objects that contain no clips.
_HARMLESS = (
    "torch.device", "torch.serialization._get_layout", "builtins.complex", "builtins.slice", "builtins.range",
    "builtins.bytearray", "copyreg._reconstructor",
)  # fmt: skip
