"""What became of each of several scenes."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from landuse.mapping import watching


class Outcomes:
    """What became of each scene; with several, an error of one does not stop the others."""

    def __init__(self, images: Sequence[Path]) -> None:
        self.images = images
        self.written: dict[Path, tuple[Path, dict[str, Path]]] = {}
        self.errors: dict[Path, Exception] = {}
        self.kept: set[Path] = set()

    @contextlib.contextmanager
    def attempt(self, image: Path) -> Iterator[None]:
        """Keep an error of input for the end, if there are other scenes."""
        try:
            yield
        except (ValueError, OSError) as error:
            if len(self.images) == 1:
                raise
            print(f"  error: {error}")
            self.errors[image] = error

    def note(
        self, image: Path, label: Path, further: dict[str, Path], *, kept: bool = False
    ) -> None:
        """Note where the map of a scene is, and what there is to look at besides the labels.

        A map that is kept was there, made of the same scene, model and settings.
        """
        self.written[image] = label, further
        if kept:
            self.kept.add(image)
        watching.note(label, further, kept)

    def report(self) -> None:
        """Say where the maps are, and what belongs to them.

        Raises
        ------
        ValueError
            When a scene could not be mapped.
        """
        for image in self.images:
            whose = f"map of {image}" if len(self.images) > 1 else "map"
            if image in self.errors:
                print(f"{whose}: none, {self.errors[image]}")
                continue
            label, further = self.written[image]
            print(f"{whose}: {label}{' (was made before, and kept)' if image in self.kept else ''}")
            for what, path in further.items():
                print(f"  {what}: {path}")
        if self.errors:
            counts = f"{len(self.errors)} of {len(self.images)}"
            raise ValueError(f"{counts} scenes could not be mapped, see above")
