"""Many runs analysed at once, on all cores that this process may use."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed

Result = TypeVar("Result")


def on_all_cores(analyse: Callable[..., Result], *items: Sequence[Any]) -> list[Result]:
    """Return what `map` would, each call in one of several processes.

    There are as many as cores that may be used; LOKY_MAX_CPU_COUNT, which the workflow sets,
    limits them. With one core, or one item, everything happens in this process.

    Parameters
    ----------
    analyse
        Function of a module; it and what it returns travel between processes.
    *items
        Its arguments, as for `map`.
    """
    calls = [delayed(analyse)(*arguments) for arguments in zip(*items, strict=True)]
    return list(Parallel(n_jobs=-1 if len(calls) > 1 else 1)(calls))
