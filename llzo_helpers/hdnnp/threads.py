"""The same work in several threads, each with its share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Threads:
    """A number of threads, the calling one among them.

    Parameters
    ----------
    n
        How many.
    """

    def __init__(self, n: int = 1) -> None:
        self.n = n
        self._others = ThreadPoolExecutor(n - 1) if n > 1 else None

    def run(self, work: Callable[[int], None]) -> None:
        """Call a function with the number of each thread, and wait for all."""
        futures = [self._others.submit(work, k) for k in range(1, self.n)] if self._others else []
        try:
            work(0)
        finally:
            for future in futures:
                future.result()

    def share(self, n_items: int, thread: int) -> slice:
        """Items of one thread, one after another."""
        return slice(n_items * thread // self.n, n_items * (thread + 1) // self.n)
