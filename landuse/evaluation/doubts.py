"""When a model may be no better than guessing."""

from collections.abc import Mapping
from typing import Any


def doubt(record: Mapping[str, Any]) -> str:
    """Say so when a model may be no better than one that always names the most frequent class.

    Parameters
    ----------
    record : mapping
        Of the model; its results have the accuracy with its interval, and the share of the most
        frequent class among the images that it was measured on.

    Returns
    -------
    str
        Empty for a model that has learned something, or whose record does not tell.
    """
    results = record.get("results")
    results = results if isinstance(results, dict) else {}
    accuracy, share = results.get("accuracy"), results.get("most_frequent_class")
    if not isinstance(accuracy, dict) or not isinstance(share, float):
        return ""
    value, low = accuracy.get("value"), accuracy.get("low")
    if not isinstance(value, float) or not isinstance(low, float) or low > share:
        return ""
    return (
        f"this model may be guessing: it is right in {100 * value:.1f} %, and always naming the "
        f"most frequent class would be in {100 * share:.1f} %; train it for more EPOCHS or on more "
        "images, and do not trust its maps"
    )
