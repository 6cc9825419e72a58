"""How common classes are on the land, where the patches have them in other shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def land_shares(settings: Sequence[str] | None, class_names: Sequence[str]) -> dict[str, float]:
    """Read how common some classes are on the land, one to another.

    Parameters
    ----------
    settings : sequence of str, optional
        "AnnualCrop=9", "PermanentCrop=1": nine times as much of one as of the other. At least two
        classes, or none; any positive numbers, because only their ratios count.
    class_names : sequence of str
        Names that the model has.

    Returns
    -------
    dict
        Class name -> number; empty without settings.

    Raises
    ------
    ValueError
        For a class that the model does not have or that comes twice, for what is no positive
        number, and for a single class.
    """
    found: dict[str, float] = {}
    for setting in settings or ():
        name, equals, number = setting.partition("=")
        if not equals or name not in class_names:
            raise ValueError(
                f"LAND_SHARES: {setting!r}: expected class=number, such as {class_names[0]}=9; "
                f"the classes are {', '.join(class_names)}"
            )
        if name in found:
            raise ValueError(f"LAND_SHARES: {name} is given twice: give each class once")
        try:
            share = float(number)
        except ValueError:
            share = float("nan")
        if not 0 < share < float("inf"):
            raise ValueError(f"LAND_SHARES: {number!r} of {name} is no number above 0")
        found[name] = share
    if len(found) == 1:
        raise ValueError(
            f"LAND_SHARES has {next(iter(found))} alone: give the classes that it shares its land "
            "with, such as AnnualCrop=9 PermanentCrop=1; the others stay as they are"
        )
    return found


def shift_of_logits(
    shares: Mapping[str, float], counts: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Give what to add to the logits, so that the classes named are as common as on the land.

    A network learns how common a class was among its images. By the rule of Bayes, probabilities
    for another place are those, times the share there, through the share in training (Saerens et
    al. 2002, https://doi.org/10.1162/089976602753284446). Classes that are not named keep their
    share, and so do those named taken together.

    Parameters
    ----------
    shares : dict
        Of `land_shares`.
    counts : ndarray of shape (classes,), int
        Training images of each class; at least one of each class that is named.
    class_names : sequence of str

    Returns
    -------
    ndarray of shape (classes,), float64
    """
    shift = np.zeros(len(class_names))
    if shares:
        named = [class_names.index(name) for name in shares]
        land, learned = np.array(list(shares.values())), np.asarray(counts, np.float64)[named]
        shift[named] = np.log(land / land.sum()) - np.log(learned / learned.sum())
    return shift


def shift_model(model: Any, shift: np.ndarray) -> None:
    """Add to the logits of a classifier, in the bias of its last dense layer.

    Parameters
    ----------
    model : keras.Model
        Ends with a dense layer "probabilities" with softmax, as `tops.new_top` makes it.
    shift : ndarray of shape (classes,)
    """
    top = model.get_layer("probabilities")
    kernel, bias = top.get_weights()
    top.set_weights([kernel, bias + shift.astype(bias.dtype)])


def shift_of_record(record: Mapping[str, Any]) -> np.ndarray:
    """Give what `shift_model` added to the logits of a trained model; zeros where nothing was.

    Models of before November 2026 do not say it: for them it is found anew, by the shares of the
    images that measured them, which a random split draws class by class as those of the training.
    Where that cannot be, a warning is printed.

    Parameters
    ----------
    record : mapping
        Of the model.

    Returns
    -------
    ndarray of shape (classes,), float64
    """
    names, results = list(record["class_names"]), record.get("results", {})
    if "added_to_logits" in results:
        return np.asarray(results["added_to_logits"], np.float64)
    shares, measured = results.get("land_shares"), results.get("per_class", {})
    if not shares:
        return np.zeros(len(names))
    if any(not measured.get(name, {}).get("images") for name in shares):
        print("warning: the LAND_SHARES of a model stay: its record does not say what they added")
        return np.zeros(len(names))
    counts = np.array([measured.get(name, {}).get("images", 0) for name in names])
    return shift_of_logits(shares, counts, names)
