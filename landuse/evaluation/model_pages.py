"""A page on a model: card, classes with example patches, confusions, calibration; one file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import files
from landuse.evaluation import doubts, measures, report_figures
from landuse.patches import patch_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 4  # patches of each class that are shown
UNITS = {
    "DN": "DN of Sentinel-2 (reflectance x 10,000, the product's offset added, 0 is nodata)",
    "rgb8": "8 bits, DN 0 to 2750 scaled to 1 to 255 (0 is nodata)",
}
_TEMPLATE = Path(__file__).with_name("model_page.html")


def write_model_page(
    path: str | Path,
    record: Mapping[str, Any],
    report: Mapping[str, Any],
    patches: Any,
    labels: np.ndarray,
    where: str,
) -> None:
    """Write the page on a model.

    Parameters
    ----------
    path : str or Path
        The .html to write or replace.
    record : mapping
        Of the model.
    report : mapping
        What `reports.write_report` returns.
    patches : array-like of shape (N, rows, columns, bands)
        The images of the report, of which examples are shown.
    labels : ndarray of shape (N,), int
        Their true classes.
    where : str
        What was measured on: the folder, say.

    Raises
    ------
    OSError
        When the page cannot be written.
    """
    matrix = np.array(report["confusion_matrix"])
    names, calibrated = record["class_names"], report["calibration"]
    texts = {
        "title": f"{record['network']} for land use",
        "subtitle": (
            f"{len(names)} classes of {record['patch_size']}x{record['patch_size']} px "
            f"({10 * record['patch_size']} m) of Sentinel-2, by {len(record['band_names'])} bands"
        ),
        "measured": _measured(report, where),
        "classes_note": (
            "Precision: of the images that it calls so, how many are. Recall: of the images that "
            "are so, how many it finds. In brackets, 95 % intervals."
        ),
        "confusions": _confusions(report),
        "confusion_text": _confusions(report),
        "calibration": _calibration(report),
        "confusion_matrix": _embedded(report_figures.draw_confusion_matrix(matrix, names)),
        "reliability": _embedded(report_figures.draw_reliability(calibrated)),
    }
    parts = {
        "warnings": _warnings(record),
        "figures": _figures(report),
        "classes": _classes(record, report, patches, np.asarray(labels)),
        "card": "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
            for name, text in card(record).items()
        ),
    }
    page = _TEMPLATE.read_text(encoding="utf-8")
    for name, text in texts.items():
        page = page.replace("{{" + name + "}}", html.escape(text))
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    with files.atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def card(record: Mapping[str, Any]) -> dict[str, str]:
    """Give what a model knows of itself, as texts by name."""
    settings = record.get("settings") or {}
    versions = record.get("versions") or {}
    told = {
        "Network": record["network"],
        "Input": (
            f"{record['patch_size']}x{record['patch_size']} px of "
            f"{', '.join(record['band_names'])}; {UNITS[record['units']]}"
        ),
        "Output": f"probabilities of {', '.join(record['class_names'])}",
        "Began with": record.get("weights") or "weights at random",
        "Product level": record.get("processing_level") or "",
        "For dense maps": "yes" if record.get("dense") is True else "no, window by window",
        "Trained on": str(settings.get("PATH_TO_SPLIT_DATASETS", "")),
        "Settings": ", ".join(f"{name} = {value!r}" for name, value in settings.items()),
        "Made with": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return {name: text for name, text in told.items() if text}


def _warnings(record: Mapping[str, Any]) -> str:
    warnings = [doubts.doubt(record)]
    if record.get("built_in_sample") is True:
        warnings.append(
            "It has learned from the built-in sample, a made landscape, and says nothing about "
            "real land."
        )
    return "".join(f'<p class="warning">{html.escape(text)}</p>' for text in warnings if text)


def _figures(report: Mapping[str, Any]) -> str:
    error = report["calibration"]["expected_calibration_error"]
    shown = (
        ("accuracy", _range(report["accuracy"])),
        ("balanced accuracy", _range(report["balanced_accuracy"])),
        ("macro F1", _range(report["macro_f1"])),
        ("calibration error", (f"{100 * error:.1f} %", "mean gap between sure and right")),
    )
    return "".join(
        f"<li><span>{name}</span><b>{value}</b><span>{around}</span></li>"
        for name, (value, around) in shown
    )


def _range(interval: measures.Interval) -> tuple[str, str]:
    value, low, high = (interval[name] for name in ("value", "low", "high"))
    if value is None:
        return "–", ""
    around = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{100 * value:.1f} %", around


def _measured(report: Mapping[str, Any], where: str) -> str:
    note = report["note"]
    return (
        f"Measured on the {report['images']:,} images of {where} ({report['part']} part). {note} "
        "Land elsewhere, in another season or under haze may look different, and then it is right "
        "less often."
    )


def _confusions(report: Mapping[str, Any]) -> str:
    pairs = report["most_frequent_confusions"][:3]
    if not pairs:
        return "It takes no class for another here."
    told = [f"{pair['true']} for {pair['predicted']} ({pair['images']:,})" for pair in pairs]
    return f"Most often it takes {', '.join(told)}."


def _calibration(report: Mapping[str, Any]) -> str:
    sure = 100 * report["calibration"]["mean_probability"]
    right = 100 * report["accuracy"]["value"]
    return f"On average it is {sure:.1f} % sure of its class, and right in {right:.1f} %."


def _classes(
    record: Mapping[str, Any], report: Mapping[str, Any], patches: Any, labels: np.ndarray
) -> str:
    rows = []
    for number, name in enumerate(record["class_names"]):
        found = report["per_class"][name]
        places = np.flatnonzero(labels == number)
        chosen = places[np.linspace(0, len(places) - 1, min(EXAMPLES, len(places))).astype(int)]
        pictures = "".join(
            f'<img src="{_patch(patches[place], record["band_names"])}" alt="">' for place in chosen
        )
        rows.append(
            f'<tr><th scope="row">{html.escape(name)}</th><td><div class="patches">{pictures}</div>'
            f'</td><td class="number">{len(places):,}</td>'
            + "".join(
                f'<td class="number">{" ".join(_bracketed(found[kind]))}</td>'
                for kind in ("precision", "recall")
            )
            + "</tr>"
        )
    return "".join(rows)


def _bracketed(interval: measures.Interval) -> Sequence[str]:
    value, around = _range(interval)
    return (value.removesuffix(" %"), f"({around.removesuffix(' %')})" if around else "")


def _patch(patch: np.ndarray, band_names: Sequence[str]) -> str:
    from PIL import Image

    picture = patch_pictures.patch_in_colours(patch, band_names)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _embedded(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
