"""The one exception for whatever a user can put right."""


class InputError(ValueError):
    """Input that cannot be used; the message names the file, key and value, and the remedy.

    The message is one line, so that it can be shown alone, without a traceback, in a
    terminal and in a notebook.
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython (and so papermill) shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]
