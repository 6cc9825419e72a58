"""A folder with a page that classifies patches and maps scenes in the reader's browser.

All that the page needs lies in scripts beside it, the engine's machine code too: so it works from
a double click, where browsers forbid a page to open other files, and from any web server.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landuse import sensors
from landuse.exporting import export_types, onnx_files, web_runtime
from landuse.outputs import class_colours
from landuse.scenes import other_containers

PAGE, MODEL, RUNTIME, GEOTIFF = "index.html", "model.js", "runtime.js", "geotiff.js"
GPU_RUNTIME = "runtime_gpu.js"  # read by browsers with WebGPU only
SCRIPTS = ("grid.js", "reading.js", "tiff.js", "network.js", "page.js")
_FOLDER = Path(__file__).with_name("browser")
_NO_IMAGE = (
    "cannot be read as an image (damaged, or not one of GTiff, PNG, JPEG, which a browser reads)"
)
_MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write(export: export_types.Export, path: Path) -> None:
    """Write the page and the scripts beside it into a folder."""
    runtime = web_runtime.find(export.web_runtime)
    network = path / "network.onnx"
    onnx_files.write(export, network)
    model = base64.b64encode(network.read_bytes()).decode()
    network.unlink()
    _write_script(path / MODEL, "model.onnx", model)
    _write_runtime(path / RUNTIME, "runtime", runtime, *web_runtime.FILES[:2])
    with_gpu = web_runtime.GPU_WASM.name in runtime
    if with_gpu:
        _write_runtime(path / GPU_RUNTIME, "runtimeGpu", runtime, *web_runtime.GPU_FILES)
    (path / GEOTIFF).write_bytes(runtime[web_runtime.GEOTIFF.name])
    (path / "licences.txt").write_text(_licences(export.facts), encoding="utf-8")
    (path / PAGE).write_text(_page(export, with_gpu), encoding="utf-8")


def _write_runtime(
    path: Path,
    place: str,
    runtime: Mapping[str, bytes],
    library: web_runtime.RuntimeFile,
    wasm: web_runtime.RuntimeFile,
) -> None:
    script = _as_worker(runtime[library.name].decode()).encode()
    packed = {"library": _packed(script), "wasm": _packed(runtime[wasm.name])}
    _write_script(path, place, packed)


def _write_script(path: Path, place: str, value: Any) -> None:
    path.write_text(f"LANDUSE.{place} = {json.dumps(value)};\n", encoding="ascii")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _as_worker(library: str) -> str:
    """Turn the module of onnxruntime-web into a script that leaves its names in `ort`.

    Opened from a file, a page may start workers of scripts, but not of modules.
    """
    exports = re.findall(r"export\s*\{([^}]*)\};?", library)
    if len(exports) != 1:
        raise ValueError("onnxruntime-web exports its names otherwise than expected")
    pairs = [pair.strip().split(" as ") for pair in exports[0].split(",")]
    names = ", ".join(f"{pair[-1]}: {pair[0]}" for pair in pairs)
    script = re.sub(r"export\s*\{[^}]*\};?", "", library)
    script = re.sub(r"//# sourceMappingURL=.*", "", script)
    script = script.replace("import.meta.url", "self.location.href")
    return f"const ort = (() => {{\n{script}\nreturn {{ {names} }};\n}})();\n"


def _page(export: export_types.Export, with_gpu: bool) -> str:
    facts = export.facts
    names = list(json.loads(facts["class_names"]).values())
    bands = json.loads(facts["band_names"])
    colours = class_colours.colours_of(names)
    listed = ", ".join(bands)
    what = f"8-bit RGB, or DN of {listed}" if facts["units"] == "rgb8" else f"DN of {listed}"
    texts = {
        "title": f"Land use by {facts['network']}",
        "heading": "Land use, in your browser",
        "what": "It names the land use of a patch of 64x64 px, and maps that of a larger scene.",
        "expected": (
            f"a GeoTIFF of Sentinel-2 ({what})"
            + (", or a PNG or JPEG." if facts["units"] == "rgb8" else ".")
        ),
        "card": _card(facts),
        "ort": web_runtime.LIBRARY.version,
        "geotiff": web_runtime.GEOTIFF.version,
    }
    data = {
        "classes": [
            {"name": name, "colour": list(map(int, colour))}
            for name, colour in zip(names, colours, strict=True)
        ],
        "stride": 8 if export.dense_stride else 32,
        "model": {
            "name": facts["network"],
            "bands": bands,
            "units": facts["units"],
            "sha256": facts["made_from_sha256"],
            "denseStride": export.dense_stride or 0,
            "shown": _shown(bands),
            "gpu": with_gpu,
        },
        "words": {
            "noImage": _NO_IMAGE,
            "bands": list(sensors.BANDS_MS),
            "kinds": [
                [list(start), what, advice] for start, what, advice in other_containers.KINDS
            ],
        },
        "worker": (_FOLDER / "worker.js").read_text(encoding="utf-8"),
    }
    page = (_FOLDER / "page.html").read_text(encoding="utf-8")
    for name, text in texts.items():
        page = page.replace("{{" + name + "}}", html.escape(text))
    warning = facts.get("warning", "")
    shown = f'<p id="warning"><b>Warning:</b> {html.escape(warning)}</p>' if warning else ""
    script = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    page = page.replace("{{warning}}", shown).replace("{{script}}", script)
    return page.replace("{{data}}", json.dumps(data).replace("<", "\\u003c"))


def _shown(bands: list[str]) -> list[int]:
    """Places of red, green and blue among the bands, or of the first ones."""
    colours = sensors.sensor_of(bands).true_colour
    if set(colours) <= set(bands):
        return [bands.index(band) for band in colours]
    return [min(place, len(bands) - 1) for place in range(3)]


def _card(facts: Mapping[str, str]) -> str:
    accuracy = facts.get("validation_accuracy")
    right = (
        f" {100 * float(accuracy):.1f} % of the validation images are right." if accuracy else ""
    )
    return (
        f"{facts['network']}, {len(json.loads(facts['class_names']))} classes; bands "
        f"{', '.join(json.loads(facts['band_names']))}; {facts['pixel_values']}.{right} "
        f"Licence: {facts['licence']}."
    )


def _licences(facts: Mapping[str, str]) -> str:
    return (
        f"The model: {facts['licence']}\n\n"
        f"onnxruntime-web {web_runtime.LIBRARY.version} (runtime.js, runtime_gpu.js)\n"
        "Copyright (c) Microsoft Corporation\n\n"
        f"geotiff.js {web_runtime.GEOTIFF.version} (geotiff.js)\n"
        "Copyright (c) 2015 EOX IT Services GmbH\n\n"
        f"Both under the MIT licence:\n\n{_MIT}"
    )


def open_model(path: Path) -> export_types.Predict:
    """Give the function that onnxruntime computes from the network of the page."""
    text = (path / MODEL).read_text(encoding="ascii")
    content = base64.b64decode(json.loads(text[text.index("=") + 1 :].rstrip().rstrip(";")))
    return onnx_files.open_graph(content)


BROWSER = export_types.FileFormat(
    "browser",
    "",
    "onnxruntime",
    onnx_files.PACKAGES,
    write,
    open_model,
    precisions=("float32", "float16"),
    dense_where_trained=8,
    marker=MODEL,
)
