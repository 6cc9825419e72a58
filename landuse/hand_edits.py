"""What a constant that was edited by hand may be, and the one line that says what is wrong."""

import ast
import builtins
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from landuse import script_constants

# Of constants without an annotation, whose type the value shows until somebody changes it.
WHOLE_NUMBERS = {
    "BATCH_SIZE",
    "CLASSES",
    "DECODER_WIDTH",
    "EPOCHS",
    "EPOCHS_TOP",
    "FLOOR",
    "LEAST_DISTANCE",
    "MADE",
    "MOSAIC",
    "MOSAIC_EPOCHS",
    "NODES",
    "PATIENCE",
    "RETRIES",
    "SAMPLE_PATCHES_PER_CLASS",
    "SAMPLE_SCENE_SIZE",
    "SEED",
    "STRIDE",
    "TILE_SIZE",
    "VALIDATE_EVERY",
    "VIEWS",
    "WINDOWS",
    "WINDOWS_PER_POINT",
    "WORKERS",
}
NUMBERS = {
    "BAND_GAIN_RANGE",
    "BLUR",
    "BRIGHTNESS_RANGE",
    "CLIP_NORM",
    "CONTRAST_RANGE",
    "COVERAGE",
    "DROPOUT",
    "EXPECTED_ACCURACY",
    "FOCUS",
    "FRACTION_IMAGES",
    "FRACTION_PATCHES",
    "FRACTION_TEST",
    "FRACTION_VALIDATION",
    "HALF_WIDTH",
    "HAZE_RANGE",
    "HISTOGRAM_MATCHING",
    "LABELLED_SHARE",
    "LABEL_SMOOTHING",
    "LEARNING_RATE",
    "LEARNING_RATE_TOP",
    "LEAST_COVER",
    "LEAST_VALID",
    "MIN_AREA",
    "MIN_PROBABILITY",
    "MIXUP",
    "MOST_FALSE",
    "ROTATION_RANGE",
    "TIMEOUT",
    "WARMUP_EPOCHS",
    "WEIGHT_DECAY",
    "ZOOM_RANGE",
}
SWITCHES = {
    "ALL_PROBABILITIES",
    "CACHE_NETWORK",
    "CALIBRATE",
    "DELETE_OLD_PATCHES",
    "DELETE_OLD_PATH_TO_SPLIT_DATASETS",
    "DOUBT",
    "EMA",
    "HORIZONTAL_FLIP",
    "HTML",
    "LEAVE_OUT_SNOW_AND_CLOUDS",
    "MASK_CLOUDS",
    "MODEL_PAGE",
    "POLYGONS",
    "QUICKLOOK",
    "REPLACE",
    "SKIP_BAD_PATCHES",
    "STRICT",
    "SYMMETRIES",
    "VERTICAL_FLIP",
}
WORDS = {
    "NETWORK",
    "OPTIMIZER",
    "PRECISION",
    "SCHEDULE",
}


class Constant(NamedTuple):
    """A constant as a script has it.

    Attributes
    ----------
    value : object
    kind : type
        What it may be: its annotation, or `kind_of`.
    line : int
        Where it is set.
    """

    value: Any
    kind: Any
    line: int


def kind_of(name: str, value: Any) -> Any:
    """Give the type of a constant without an annotation: by its name, else None."""
    for names, kind in ((WHOLE_NUMBERS, int), (NUMBERS, float), (SWITCHES, bool), (WORDS, str)):
        if name in names:
            # Some scripts let None stand for "what suits".
            return kind | None if value is None else kind
    return str if name.startswith("PATH_TO_") and value is not None else None


def check_names(path: Path, tree: ast.Module, defined: Iterable[str]) -> None:
    """Raise a ValueError for a constant that a script uses and lacks, or has and never uses.

    Parameters
    ----------
    path : Path
        Of the script.
    tree : ast.Module
        What it is.
    defined : iterable of str
        Names that it has when it runs.
    """
    used = {
        node.id: node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.isupper()
    }
    known = {*defined, *vars(builtins), *(n.asname or n.name for n in _imported(tree))}
    own = {
        node.id: node.lineno
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if node.id.isupper() and not node.id.startswith("_") and not _is_body(statement)
    }
    lacking = [name for name in used if name not in known]
    unused = [name for name in own if name not in used]
    for name in unused:
        near = difflib.get_close_matches(name, [*lacking, *used], n=1, cutoff=0.7)
        if near:  # one that looks like none of ours may be the user's own
            raise ValueError(
                f"{path.name}, line {own[name]}: this script knows no constant {name}: did you "
                f"mean {near[0]}?"
            )
    for name in lacking:
        raise ValueError(
            f"{path.name}, line {used[name]}: the script has no constant {name}, which it needs: "
            "was it removed?"
        )


def _imported(tree: ast.Module) -> list[ast.alias]:
    kinds = (ast.Import, ast.ImportFrom)
    return [alias for node in ast.walk(tree) if isinstance(node, kinds) for alias in node.names]


def _is_body(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If)


def check_values(path: Path, constants: Mapping[str, Constant]) -> None:
    """Raise a ValueError for a constant of another type than it must have.

    Parameters
    ----------
    path : Path
        Of the script.
    constants : mapping
    """
    for name, (value, kind, line) in constants.items():
        if kind is None or any(fits(value, member) for member in script_constants.members(kind)):
            continue
        wanted = script_constants.describe(kind)
        raise ValueError(
            f"{path.name}, line {line}: {name} = {value!r}: expected {wanted}{_hint(value, kind)}"
        )


def _hint(value: Any, kind: Any) -> str:
    members = script_constants.members(kind)
    if isinstance(value, tuple) and len(value) == 1 and any(fits(value[0], m) for m in members):
        return "; a comma at the end of the line makes it a row of one: take the comma away"
    if isinstance(value, str) and not any(member is str for member in members):
        return "; without quotes" if _is_literal(value) else ""
    if isinstance(value, float) and value.is_integer() and int in members:
        return f"; write {int(value)}"
    return ""


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def fits(value: Any, kind: Any) -> bool:
    """Tell whether a value is of a type, as a flag would make it; a list will do for a tuple."""
    if get_origin(kind) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(kind))
    if get_origin(kind) in (list, tuple):
        items = get_args(kind)
        if not isinstance(value, list | tuple):
            return False
        if get_origin(kind) is tuple and Ellipsis not in items:
            pairs = zip(value, items, strict=False)
            return len(value) == len(items) and all(fits(one, item) for one, item in pairs)
        return all(fits(one, items[0]) for one in value)
    if kind is None or kind is NoneType:
        return value is None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (str, Path):
        return isinstance(value, str | Path)
    return isinstance(value, kind) if isinstance(kind, type) else True


def check(namespace: Mapping[str, Any]) -> None:
    """Raise a ValueError for a constant that was edited by hand and cannot be as it is.

    Parameters
    ----------
    namespace : mapping
        ``globals()`` of the script, before any flag is set.
    """
    source = script_constants.source_of(namespace)
    if not source:
        return
    path = Path(namespace["__file__"])
    check_names(path, ast.parse(source), namespace)
    constants = {}
    for name, statement in script_constants.assignments(source):
        if name in namespace:
            value, kind = namespace[name], script_constants.annotation_of(name, namespace)
            if kind is None or script_constants.is_supported(kind):
                kind = kind_of(name, value) if kind is None else kind
                constants[name] = Constant(value, kind, statement.lineno)
    check_values(path, constants)
