"""Errors that a user can fix, stated in one line."""

from typing import Any

_LONGEST_MESSAGE = 290
_LONGEST_VALUE = 60


def clipped(value: Any, *, quote: bool = True) -> str:
    """Return a value as a message shows it: on one line, without control characters, short.

    Parameters
    ----------
    value
        Anything.
    quote
        As Python writes it; else as plain words.
    """
    # long values are cut before they are written out: an alias in YAML may stand for gigabytes
    if isinstance(value, str | bytes):
        value = value[: 2 * _LONGEST_VALUE]
    elif isinstance(value, list | tuple | dict | set) and (len(value) > 20 or not _flat(value)):
        return f"a {type(value).__name__} of {len(value)}"
    elif isinstance(value, int) and abs(value) >= 10**20:
        return f"a number of about {value.bit_length() * 3 // 10} digits"
    return _cut(_one_line(repr(value) if quote else str(value)), _LONGEST_VALUE)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> counted(1, "frame"), counted(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _flat(values: Any) -> bool:
    items = [*values, *values.values()] if isinstance(values, dict) else values
    return all(
        isinstance(item, float | bool | None)
        or (isinstance(item, str) and len(item) < _LONGEST_VALUE)
        or (isinstance(item, int) and abs(item) < 10**20)
        for item in items
    )


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split(" "))


def _cut(text: str, longest: int) -> str:
    """Leave out the middle of a long text."""
    if len(text) <= longest:
        return text
    head = 2 * longest // 3
    return f"{text[:head]} ... {text[head + 5 - longest :]}"


class _OneLineError(Exception):
    """An error whose message is a single line, in a terminal as in a notebook."""

    def __init__(self, message: str) -> None:
        super().__init__(_cut(_one_line(str(message)), _LONGEST_MESSAGE))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython, and thus papermill, shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class InputError(_OneLineError, ValueError):
    """Input that cannot be used; the message names the file, key and value, and the remedy."""


class SimulationError(_OneLineError, RuntimeError):
    """A simulation that failed; the message holds the engine's own words and the log's path."""


class OutOfTimeError(SimulationError):
    """A run that stopped between segments because its Slurm job has no time for the next one."""
