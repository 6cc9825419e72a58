"""Make the notebooks from their sources, run them, and save them with small outputs.

Each notebook has one source, a .py in percent format beside it; edit that one only. A cell that
says "# cut 05_train_ms_from_scratch: 3" becomes part 3 of that script's main(), so that a reader
can stop after each part and look. What a terminal would overwrite (progress bars) is kept in its
last state.

Run:
    python notebooks/build.py
    python notebooks/build.py --notebooks Image_functions
"""

import ast
import base64
import io
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))  # at its end: the standard library's statistics comes first

from landuse import command_line, files  # noqa: E402

# What to make
NOTEBOOKS: list[str] = [
    "Image_functions",
    "Train_from_Scratch",
    "Transfer_learning",
    "Classify_a_scene",
    "Check_and_compare",
    "Your_own_classes",
    "More_than_one_class",
]
EXECUTE = True  # False: only cells, without results
TIMEOUT = 7200  # s that a cell may take

_LARGEST = 1_000_000  # bytes of a notebook that people still like to open on a web page
_JPEG_QUALITY = 85
_NOISE = re.compile(  # progress bars, what TensorFlow tells about itself, warnings inside libraries
    r"^.*\d+%\|.*\n?|^WARNING: All log messages.*\n?|^[IWEF]\d{4} .*\n?"
    r"|^\d{4}-\d\d-\d\d .*tensorflow.*\n?|^.*site-packages.*Warning: .*\n(  .*\n?)?",
    re.MULTILINE,
)
_CUT = re.compile(r"# cut (\w+): (\w+)")
_PART = re.compile(r"( *)# (?:(\d)\. (?:and \d\. )?|(?=Beyond these steps))(.*)")
_SETTINGS = (  # of a script, and of a notebook, which has constants of its own
    "command_line.constants(globals())",
    "{name: globals()[name] for name in command_line.constants(vars(script))}",
)
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def main() -> None:
    """Make each notebook beside its source."""
    for name in NOTEBOOKS:
        notebook = read_source(FOLDER / f"{name}.py")
        if EXECUTE:
            print(f"running {name}", flush=True)
            notebook = run_notebook(notebook, FOLDER, TIMEOUT)
        path = FOLDER / f"{name}.ipynb"
        size = write_notebook(notebook, path)
        print(f"notebook: {path.relative_to(FOLDER.parent)} ({size / 1000:.0f} kB)")


def read_source(path: Path) -> Any:
    """Read a source in percent format as a notebook without results.

    Parameters
    ----------
    path : Path
        The .py file.

    Returns
    -------
    nbformat.NotebookNode
        Its cells have numbers as ids, so that the same source gives the same notebook.
    """
    import jupytext

    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "build"))
        raise FileNotFoundError(f"{path}: there is no such source; there are {known}")
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.cells = [cell for given in notebook.cells for cell in with_parts(given)]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def with_parts(cell: Any) -> list[Any]:
    """Give the cells that a cell stands for: itself, or a part of a script with its heading.

    Parameters
    ----------
    cell : nbformat.NotebookNode

    Raises
    ------
    ValueError
        When the script has no such part.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    wanted = _CUT.fullmatch(cell.source)
    if wanted is None:
        return [cell]
    script, key = wanted.groups()
    parts = parts_of(FOLDER.parent / f"{script}.py")
    if key not in parts:
        raise ValueError(f"{script}.py has no part {key}; it has {', '.join(parts)}")
    heading, code = parts[key]
    cells = [new_markdown_cell(f"### {heading}")] if heading else []
    return [*cells, new_code_cell(code)] if code else cells


def parts_of(script: Path) -> dict[str, tuple[str, str]]:
    """Cut a training script into what a notebook runs cell by cell.

    The run, which the script opens by `with`, stays open from the part "start" to the part "end",
    and a run that is finished already is gone through again.

    Parameters
    ----------
    script : Path

    Returns
    -------
    dict
        Part ("constants", "start", the numbers of the comments in `main`, "end") -> its heading
        and its code.
    """
    text = script.read_text(encoding="utf-8")
    lines = text.split("\n")
    main = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    )
    run = next(node for node in main.body if isinstance(node, ast.With))
    first = next(n for n, line in enumerate(lines) if re.match(r"# Paths", line))
    constants = "\n".join(lines[first : main.lineno - 1]).strip()
    before = lines[main.body[1].lineno - 1 : run.lineno - 1]
    body = lines[run.body[0].lineno - 1 : run.end_lineno]
    marks = [(n, found) for n, line in enumerate(body) if (found := _PART.fullmatch(line))]
    opening = ast.unparse(run.items[0].context_expr)
    start = [
        textwrap.dedent("\n".join(before)).strip().replace(*_SETTINGS),
        "opened.close()  # what an earlier run of this cell has opened",
        f"run = opened.enter_context({opening})",
        textwrap.dedent("\n".join(body[2 : marks[0][0]])),  # without the question if it is finished
    ]
    typing = [f"{line}\n\n" for line in lines if line.startswith("from typing import ")]
    opening_lines = "".join(typing) + (
        f'script = importlib.import_module("{script.stem}")\n'
        "opened = contextlib.ExitStack()  # closes the run at its end\n\n"
    )
    parts = {"constants": ("", opening_lines + constants)}
    parts["start"] = ("", "\n".join(start).strip())
    for position, (line, found) in enumerate(marks):
        last = marks[position + 1][0] if position + 1 < len(marks) else len(body)
        code = [*_around(body, line), *body[line + 1 : last]]
        following = _around(body, last) if last < len(body) else []
        while code and (not code[-1].strip() or (following and code[-1] == following[-1])):
            following = following[:-1] if code[-1].strip() else following
            code.pop()
        heading = body[line].strip("# ") if found[2] else ""
        parts[found[2] or "end"] = (heading, textwrap.dedent("\n".join(code)))
    heading, code = parts["end"]
    return {**parts, "end": (heading, f"{code}\nopened.close()")}


def _around(body: Sequence[str], line: int) -> list[str]:
    """Headers (if ...:) of the blocks that a line lies in, from the outer one inwards."""

    def indent(text: str) -> int:
        return len(text) - len(text.lstrip())

    headers: list[str] = []
    inner = indent(body[line])
    for text in reversed(body[:line]):
        if text.strip() and indent(text) < inner:
            headers.insert(0, text)
            inner = indent(text)
    return headers


def set_parameters(notebook: Any, values: Mapping[str, Any]) -> None:
    """Change constants for one run, as a reader would: after the cell that sets them.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Its cell tagged "parameters" must assign each of them. It gets one more cell.
    values : mapping
        Name to value.

    Raises
    ------
    ValueError
        When the notebook has no such constant.
    """
    from nbformat.v4 import new_code_cell

    place = next(
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    source = notebook.cells[place].source
    unknown = [name for name in values if not re.search(rf"^{name} = ", source, re.MULTILINE)]
    if unknown:
        raise ValueError(f"the notebook sets no {', '.join(unknown)}")
    lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(place + 1, new_code_cell(lines))


def _kernel_manager_of_this_python() -> type:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):  # whatever kernel the user's settings call python3
        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            quiet = "--log-level=40"
            return KernelSpec(argv=[*command, quiet], display_name="Python 3", language="python")

    return ThisPython


def run_notebook(
    notebook: Any, folder: Path, timeout: float = 7200, env: Mapping[str, str] | None = None
) -> Any:
    """Run all cells in a new kernel of this Python.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    folder : Path
        Working directory to start in.
    timeout : float, s
        For each cell.
    env : mapping, optional
        The environment variables; default: those of this process.

    Returns
    -------
    nbformat.NotebookNode
        With tidied results.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell fails.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        kernel_manager_class=_kernel_manager_of_this_python(),
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    client.execute(**({} if env is None else {"env": dict(env)}))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs)
    return notebook


def tidy_outputs(outputs: list[Any]) -> list[Any]:
    """Merge streams, keep the last state of progress bars, drop log noise, make pictures smaller.

    The home folder is shown as ~.

    Parameters
    ----------
    outputs : list of nbformat.NotebookNode
        Outputs of a cell; not changed.

    Returns
    -------
    list of nbformat.NotebookNode
    """
    from nbformat import from_dict

    tidied: list[Any] = []
    for output in outputs:
        if output.output_type != "stream":
            tidied.append(from_dict({**output, **_small_picture(output)}))
        elif tidied and tidied[-1].get("name") == output.name:
            tidied[-1].text += output.text
        else:
            tidied.append(from_dict(dict(output)))
    for output in tidied:
        if output.output_type == "stream":
            output.text = as_in_terminal(output.text).replace(str(Path.home()), "~")
            if output.name == "stderr":
                output.text = _NOISE.sub("", output.text)
    return [output for output in tidied if output.get("text", "x").strip()]


def _small_picture(output: Any) -> dict[str, Any]:
    """Give the data of an output anew, its PNG as a JPEG where that is much smaller."""
    from PIL import Image

    data = dict(output.get("data", {}))
    if "image/png" not in data:
        return {}
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    jpeg = io.BytesIO()
    white.convert("RGB").save(jpeg, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    text = base64.b64encode(jpeg.getvalue()).decode()
    if len(text) < 0.6 * len(data["image/png"]):
        del data["image/png"]
        data["image/jpeg"] = text
    return {"data": data}


def as_in_terminal(text: str) -> str:
    r"""Give the text that is seen after carriage returns (\r) and backspaces (\b) took effect.

    Parameters
    ----------
    text : str
        What was sent to a terminal.

    Returns
    -------
    str
        Without colour codes and without blanks at the ends of lines.
    """
    return "\n".join(map(_overwrite, _COLOUR_CODES.sub("", text).split("\n")))


def _overwrite(line: str) -> str:
    if "\r" not in line and "\b" not in line:
        return line
    shown: list[str] = []
    place = 0
    for letter in line:
        if letter == "\r":
            place = 0
        elif letter == "\b":
            place = max(0, place - 1)
        else:
            shown[place : place + 1] = [letter]
            place += 1
    return "".join(shown).rstrip()


def write_notebook(notebook: Any, path: Path) -> int:
    """Write a notebook whole or not at all, and give its size in bytes.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    path : Path
        The .ipynb.

    Raises
    ------
    ValueError
        When it has grown too large to be read on a web page; the old one stays.
    """
    import nbformat

    nbformat.validate(notebook)
    text = json.dumps(json.loads(nbformat.writes(notebook)), indent=1, ensure_ascii=False) + "\n"
    size = len(text.encode())
    if size > _LARGEST:
        raise ValueError(
            f"{path.name} would have {size:,} bytes; at most {_LARGEST:,} are wanted: draw smaller "
            "pictures, or fewer"
        )
    with files.atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return size


if __name__ == "__main__":
    command_line.run(main, globals())
