"""Who watches a map being made: a bar on the terminal, or also a process that shares scenes out."""

import contextlib
import contextvars
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm


class Watcher(Protocol):
    """What is told of the scenes that are mapped while it watches."""

    def advanced(self, share: float) -> None:
        """Hear which share of the scene is done, 0..1."""

    def noted(self, label: Path, further: dict[str, Path], kept: bool) -> None:
        """Hear where a map is, what else there is to look at, and whether it was there before."""


_watcher: contextvars.ContextVar[Watcher | None] = contextvars.ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher of all that is mapped within the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def note(label: Path, further: dict[str, Path], kept: bool) -> None:
    """Tell the watcher, if there is one, of a map."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher.noted(label, further, kept)


class Bar(tqdm):
    """A bar on the terminal whose steps the watcher hears of."""

    def update(self, n: float | None = 1) -> bool | None:
        """Go on by so many."""
        shown = super().update(n)
        watcher = _watcher.get()
        if watcher is not None and self.total:
            watcher.advanced(self.n / self.total)
        return shown


def bar(**options: Any) -> Bar:
    """Make a bar; the options are those of tqdm."""
    return Bar(**options)
