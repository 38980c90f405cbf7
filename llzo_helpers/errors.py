"""Errors that a user can put right, told in one line."""


class _OneLineError(Exception):
    """An error whose message is one line that stands alone, in a terminal or a notebook."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython, and so papermill, shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class InputError(_OneLineError, ValueError):
    """Input that cannot be used; the message names the file, key and value, and the remedy."""


class SimulationError(_OneLineError, RuntimeError):
    """A simulation that failed; the message holds the engine's own words and the log's path."""


class OutOfTimeError(SimulationError):
    """A run that stopped between two segments because its Slurm job has no time for the next."""
