import builtins
import inspect

import pytest

from dfs_store import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_all_names_are_listed_and_sorted():
    defined = {name for name, item in vars(errors).items() if inspect.isclass(item)}
    assert set(errors.__all__) == defined
    assert errors.__all__ == sorted(errors.__all__)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_a_dfs_error_and_a_builtin_error(kind):
    assert issubclass(kind, errors.DFSError)
    assert kind.__doc__
    if kind is not errors.DFSError:
        builtin = [base for base in kind.__mro__ if vars(builtins).get(base.__name__) is base]
        assert set(builtin) - {Exception, BaseException, object}


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (errors.StoreNotFoundError, FileNotFoundError),
        (errors.DatasetNotFoundError, FileNotFoundError),
        (errors.OutputExistsError, FileExistsError),
        (errors.OutputNotWritableError, PermissionError),
        (errors.DiskFullError, OSError),
        (errors.OutOfMemoryError, MemoryError),
        (errors.MissingDependencyError, ImportError),
        (errors.PositionsError, ValueError),
        (errors.DamagedStoreError, ValueError),
        (errors.DivergedError, ArithmeticError),
    ],
)
def test_handlers_of_builtin_errors_catch_ours(kind, caught):
    with pytest.raises(caught, match=r"^what happened$"):
        raise kind("what happened")
