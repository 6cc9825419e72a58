"""What lets Keras start quickly: imports for others left out, and no collecting of what stays.

Keras imports scikit-learn and Matplotlib for its wrappers and galleries, TensorFlow imports JAX for
a converter. No script uses those, and importing them takes more than half of the processor seconds
of `import keras`. Both packages do without where one is not installed, so while they are imported,
these seem not to be. Whoever imports them later gets them.

Python's garbage collector looks through all objects again and again while an import or a network
makes hundreds of thousands of them, which all stay; that takes a quarter of the time. What an
import made is then set aside, or it would be looked through once more with further imports: a map's
picture, which takes Matplotlib, takes 0.7 in place of 1.2 processor seconds.
"""

import contextlib
import gc
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from landuse import devices

_SLOW = ("keras", "tensorflow")
_FOR_OTHERS = ("jax", "matplotlib", "sklearn")


def install() -> None:
    """Let the next import of Keras or TensorFlow in this process be a quick one."""
    if not any(name in sys.modules for name in _SLOW):
        sys.meta_path.insert(0, _QuickImport())


class _QuickImport(importlib.abc.MetaPathFinder):
    """Finds the first of them that is imported, once, and lets it run without the others."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _SLOW:
            return None
        with contextlib.suppress(ValueError):  # gone already
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_quickly(module: ModuleType) -> None:
            others = [other for other in _FOR_OTHERS if other != devices.chosen_backend()]
            with without(others), no_collecting():
                execute(module)
            gc.freeze()

        loader.exec_module = execute_quickly
        return spec


@contextlib.contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """Let packages that were not imported so far seem not to be installed in a block."""
    hidden: dict[str, Any] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name, hidden) is None:
                del sys.modules[name]


@contextlib.contextmanager
def no_collecting() -> Iterator[None]:
    """Leave objects that refer to each other alone while a block makes many that stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
