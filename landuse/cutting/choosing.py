"""Choosing among the windows that could be cut: apart from each other, and without nodata."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from landuse.cutting import candidates as candidate_windows

NO_DATA = "nodata or clouds in its windows"
TOO_NEAR = "too near to patches that were cut (LEAST_DISTANCE)"
ENOUGH = "its class has enough patches (MOST_PER_CLASS)"
REASONS = (*candidate_windows.REASONS, ENOUGH, TOO_NEAR, NO_DATA)


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    chosen : list of int
        Candidates, in the order of their places.
    reasons : dict of int to str
        Feature to the reason why it gave no patch.
    without_data : int
        Windows that were left out for nodata or clouds.
    """

    chosen: list[int]
    reasons: dict[int, str]
    without_data: int


def choose_windows(
    candidates: candidate_windows.Candidates,
    take: Callable[[int], bool],
    *,
    least_distance: int,
    most_per_class: int | None,
    seed: int,
    given: np.ndarray | None = None,
    description: str = "cutting",
) -> Choice:
    """Choose windows, and take them.

    Rare classes come first, and each feature in turn. A window that turns out to be no good gives
    its place to another one.

    Parameters
    ----------
    candidates : Candidates
    take : callable
        Is given a candidate, and tells whether it was good. They come ordered by rows, because
        files are read fastest that way.
    least_distance : int
        Pixels between the corners of two windows, along rows or columns.
    most_per_class : int or None
    seed : int
    given : ndarray of shape (N,), bool, optional
        Windows that somebody labelled: all are taken, however near to each other.
    description : str
        Of the progress bar.

    Returns
    -------
    Choice
    """
    order = candidate_windows.in_order_of_choice(candidates, least_distance, seed)
    rows, columns, classes = candidates.rows, candidates.columns, candidates.classes
    if given is None:
        given = np.zeros(len(candidates), bool)
    order = order[np.argsort(~given[order], kind="stable")]
    room = np.full(classes.max(initial=0) + 1, most_per_class or len(candidates))
    chosen: list[int] = []
    bad: list[int] = []
    tried = np.zeros(len(candidates), bool)
    with tqdm(desc=description, unit="window", leave=False) as bar:
        while True:
            spacing = candidate_windows.Spacing(least_distance)
            for index in chosen:
                spacing.add(int(rows[index]), int(columns[index]))
            left, proposed = room.copy(), []
            for index in order[~tried[order]].tolist():
                place = int(rows[index]), int(columns[index])
                if given[index]:
                    free = not spacing.has(*place)
                else:
                    free = left[classes[index]] > 0 and spacing.allows(*place)
                if free:
                    spacing.add(*place)
                    left[classes[index]] -= 1
                    proposed.append(index)
            if not proposed:
                break
            bar.total = bar.n + len(proposed)
            for index in sorted(proposed, key=lambda index: (rows[index], columns[index])):
                good = take(index)
                (chosen if good else bad).append(index)
                room[classes[index]] -= good
                tried[index] = True
                bar.update()
    return Choice(
        sorted(chosen, key=lambda index: (rows[index], columns[index])),
        candidates.reasons | _reasons(candidates, chosen, bad, room),
        len(bad),
    )


def _reasons(
    candidates: candidate_windows.Candidates, chosen: list[int], bad: list[int], room: np.ndarray
) -> dict[int, str]:
    """Return why features that had candidates gave no patch."""
    gave = set(candidates.features[chosen].tolist())
    without_data = set(candidates.features[bad].tolist())
    reasons = {}
    features, firsts = np.unique(candidates.features, return_index=True)
    for feature, first in zip(features.tolist(), firsts.tolist(), strict=True):
        if feature in gave:
            continue
        full = room[candidates.classes[first]] <= 0
        if feature in without_data:
            reasons[feature] = NO_DATA
        else:
            reasons[feature] = ENOUGH if full else TOO_NEAR
    return reasons


def merged_reasons(of_scenes: list[Choice], with_patch: set[int]) -> dict[str, int]:
    """Count the features that gave no patch in any scene, by the reason that says most.

    Parameters
    ----------
    of_scenes : list of Choice
    with_patch : set of int
        Features that gave a patch in some scene.

    Returns
    -------
    dict of str to int
        The most frequent reason first.
    """
    best: dict[int, str] = {}
    for choice in of_scenes:
        for feature, reason in choice.reasons.items():
            known = best.get(feature, reason)
            best[feature] = max(known, reason, key=REASONS.index)
    counts: dict[str, int] = {}
    for feature, reason in best.items():
        if feature not in with_patch:
            counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
