"""Notebooks: like their sources, small, and running on a tiny sample."""

import ast
import importlib.util
import json
import os
import re
import sys

import pytest

NAMES = (
    "Image_functions",
    "Train_from_Scratch",
    "Transfer_learning",
    "Classify_a_scene",
    "Check_and_compare",
    "Your_own_classes",
    "More_than_one_class",
)

# Few patches, one epoch, and a network that TensorFlow traces quickly.
TINY = {
    "Image_functions": {"SAMPLE_PATCHES_PER_CLASS": 10},
    "Train_from_Scratch": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "NETWORK": "ResNet9",
        "EPOCHS": 1,
        "BATCH_SIZE": 32,
    },
    "Transfer_learning": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "WEIGHTS": None,
        "NETWORK": "VGG16",
        "FEW": 2,
        "EPOCHS_TOP": 1,
        "EPOCHS": 1,
        "BATCH_SIZE": 10,
    },
    "Classify_a_scene": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "NETWORK": "ResNet9",
        "EPOCHS": 1,
        "BATCH_SIZE": 32,
        "STRIDE": 64,
    },
    "Check_and_compare": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "NETWORK": "ResNet9",
        "EPOCHS": 1,
        "BATCH_SIZE": 32,
        "STRIDE": 32,
    },
    "Your_own_classes": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "EPOCHS_TOP": 1,
        "EPOCHS": 1,
        "BATCH_SIZE": 16,
        "STRIDE": 64,
        "POINTS": 40,
    },
    "More_than_one_class": {
        "SAMPLE_PATCHES_PER_CLASS": 10,
        "EPOCHS_PIXELS": 1,
        "TILES": 16,
        "EPOCHS_LABELS": 1,
        "MADE": 100,
        "STRIDE": 160,
    },
}


@pytest.fixture(scope="module")
def build():
    from conftest import REPOSITORY

    path = list(sys.path)
    spec = importlib.util.spec_from_file_location(
        "notebooks_build", REPOSITORY / "notebooks" / "build.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


def test_all_notebooks_are_known(build, repository):
    folder = repository / "notebooks"
    assert sorted(build.NOTEBOOKS) == sorted(NAMES)
    assert sorted(path.stem for path in folder.glob("*.ipynb")) == sorted(NAMES)
    assert sorted(path.stem for path in folder.glob("*.py")) == sorted([*NAMES, "build"])


@pytest.mark.parametrize("name", NAMES)
def test_notebook_has_the_cells_of_its_source(build, repository, name):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("jupytext")
    source = build.read_source(repository / "notebooks" / f"{name}.py")
    notebook = nbformat.read(repository / "notebooks" / f"{name}.ipynb", as_version=4)

    def cells(book):
        return [(c.cell_type, c.source, c.metadata.get("tags", []), c.id) for c in book.cells]

    assert cells(notebook) == cells(source), f"run: python notebooks/build.py --notebooks {name}"
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_was_run_and_is_small(repository, name):
    path = repository / "notebooks" / f"{name}.ipynb"
    assert path.stat().st_size < 1_000_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1)), "not run from top to bottom in one go"
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(output["output_type"] != "error" for output in outputs)
    assert sum("image" in kind for o in outputs for kind in o.get("data", {})) >= 3
    shown = "".join(line for o in outputs for line in o.get("text", []))
    assert "\r" not in shown and "\b" not in shown
    for private in ("/home/", "/root/", "/tmp/", "site-packages"):
        assert private not in shown


@pytest.mark.parametrize("name", NAMES)
def test_notebook_defines_nothing_again(repository, name):
    tree = ast.parse((repository / "notebooks" / f"{name}.py").read_text(encoding="utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(tree) if isinstance(node, defined)]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_from_any_folder(build, repository, tmp_path, name):
    for package in ("jupytext", "nbclient", "ipykernel"):
        pytest.importorskip(package)
    notebook = build.read_source(repository / "notebooks" / f"{name}.py")
    paths = {
        constant: str(tmp_path / "work" / constant.lower())
        for constant in ("PATH_TO_DATA", "PATH_TO_RUNS", "PATH_TO_MAPS")
        if f"\n{constant} = " in "\n".join(cell.source for cell in notebook.cells)
    }
    build.set_parameters(notebook, {**TINY[name], **paths})
    # Jupyter says by this variable where the notebook lies.
    place = repository / "notebooks" / f"{name}.ipynb"
    environment = {**os.environ, "JPY_SESSION_NAME": str(place)}
    before = set(repository.iterdir())
    build.run_notebook(notebook, tmp_path, timeout=900, env=environment)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip())
    new = {path.name for path in set(repository.iterdir()) - before}
    assert not {name for name in new if not name.startswith(".")}  # pytest and Jupyter have dots


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_a_script_come_all_and_in_order(build, repository, name):
    source = (repository / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    cut = re.findall(r"^# cut (\w+): (\w+)$", source, re.MULTILINE)
    for script in {script for script, _ in cut}:
        parts = build.parts_of(repository / f"{script}.py")
        assert [key for _, key in cut] == list(parts)


@pytest.mark.parametrize("script", ["02_train_rgb_finetuning", "04_train_ms_finetuning"])
def test_a_script_is_cut_at_the_eight_steps(build, repository, script):
    parts = build.parts_of(repository / f"{script}.py")
    assert list(parts) == ["constants", "start", *"12345678", "end"]
    assert parts["7"][0].startswith("7. Unfreeze all but the first block")
    assert parts["7"][1].startswith("if EPOCHS > 0:\n    transfer.unfreeze_all_but_first_block(")
    assert parts["end"][1].splitlines()[-1] == "opened.close()"
    for _, code in parts.values():
        ast.parse(code)
    main = (repository / f"{script}.py").read_text(encoding="utf-8").partition("def main()")[2]
    for line in main.split("# 1. ")[1].partition("if __name__")[0].splitlines()[1:]:
        code = line.strip()
        assert code.startswith("#") or any(code in part for _, part in parts.values()), code


def test_a_part_that_no_script_has_is_refused(build):
    from nbformat.v4 import new_code_cell

    with pytest.raises(ValueError, match=r"02_train_rgb_finetuning.py has no part 9; it has const"):
        build.with_parts(new_code_cell("# cut 02_train_rgb_finetuning: 9"))


def test_terminal_text(build):
    bar = "1/2 [>...] 10s\b\b\b\b\b\b\b\b\b\b\b\b\b\b2/2 [=====] 3s"
    assert build.as_in_terminal(f"Epoch 1\n{bar}\nend") == "Epoch 1\n2/2 [=====] 3s\nend"
    assert build.as_in_terminal("10 %\r100 %") == "100 %"
    assert build.as_in_terminal("\x1b[1mbold\x1b[0m") == "bold"
    assert build.as_in_terminal("long line\rnew") == "newg line"


def test_outputs_are_tidied(build):
    from nbformat.v4 import new_output

    outputs = [
        new_output("stream", name="stdout", text="a\n"),
        new_output("stream", name="stdout", text="b\n"),
        new_output("stream", name="stderr", text=" 50%|#### |\r100%|########|\n"),
        new_output("stream", name="stderr", text="a/site-packages/b.py:1: UserWarning: c\n  d(\n"),
        new_output("stream", name="stderr", text="UserWarning: look here\n"),
    ]
    tidied = build.tidy_outputs(outputs)
    assert [(o.name, o.text) for o in tidied] == [
        ("stdout", "a\nb\n"),
        ("stderr", "UserWarning: look here\n"),
    ]
    assert outputs[0].text == "a\n"


def test_unknown_parameter_is_refused(build, repository):
    pytest.importorskip("jupytext")
    notebook = build.read_source(repository / "notebooks" / "Image_functions.py")
    with pytest.raises(ValueError, match="the notebook sets no EPOCHS"):
        build.set_parameters(notebook, {"EPOCHS": 1})


def test_too_large_a_notebook_is_not_written(build, tmp_path):
    from nbformat.v4 import new_markdown_cell, new_notebook

    notebook = new_notebook(cells=[new_markdown_cell("x" * 1_100_000)])
    with pytest.raises(ValueError, match=r"big\.ipynb would have 1,1.* bytes"):
        build.write_notebook(notebook, tmp_path / "big.ipynb")
    assert not (tmp_path / "big.ipynb").exists()


def test_unknown_notebook_is_refused(build, repository):
    with pytest.raises(FileNotFoundError, match=r"Nothing\.py: .* Classify_a_scene, Image_fun"):
        build.read_source(repository / "notebooks" / "Nothing.py")
