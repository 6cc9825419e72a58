/* What is seen and pressed. */
"use strict";

const $ = (id) => document.getElementById(id);
const CLASSES = LANDUSE.classes;
const MOST_SHOWN = 2048; // px, side of the picture on the screen
let network = null, scene = null, map = null, running = null;

function say(text) { $("status").textContent = text; }

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function open(file) {
  stop();
  complain("");
  for (const id of ["scene", "single", "warnings"]) $(id).hidden = true;
  if (!network) return;
  say(`Reading ${file.name} ...`);
  try {
    const told = LANDUSE.model.units === "DN" || Number($("offset").value) ? Number($("offset").value) : 0;
    const offset = told || offsetByName(file.name);
    const read = await readFile(file, offset);
    if (!read.isPatch && !read.valid.includes(1)) throw new InputError(`${file.name}: is all nodata`);
    scene = read;
    scene.offset = offset;
    scene.fileName = file.name;
    if (scene.isPatch) await showPatch();
    else showScene();
  } catch (error) {
    say("");
    complain(error instanceof InputError ? error.message : `${file.name}: ${error.message}`);
    if (!(error instanceof InputError)) console.error(error);
  }
}

/* ---- one patch */

async function showPatch() {
  const request = { rows: PATCH, columns: PATCH, bands: scene.bands, dense: false };
  const starts = Int32Array.of(0, 0);
  const found = await network.ask(() => ({ ...request, starts, pixels: scene.pixels.slice() }));
  const order = CLASSES.map((_, label) => label).sort((a, b) => found[b] - found[a] || a - b);
  const answers = order.map((label) => row(label, `${(100 * found[label]).toFixed(1)} %`, found[label]));
  $("answers").replaceChildren(...answers);
  paintScene($("patch"), 1);
  $("single").hidden = false;
  LANDUSE.result = { probabilities: found };
  say(`${scene.fileName}: ${CLASSES[order[0]].name}, ${(100 * found[order[0]]).toFixed(1)} %`);
}

function row(label, text, share) {
  const line = document.createElement("tr"), name = document.createElement("td"), value = document.createElement("td");
  const swatch = document.createElement("i"), bar = document.createElement("span");
  swatch.style.background = `rgb(${CLASSES[label].colour.join()})`;
  name.append(swatch, CLASSES[label].name);
  if (share !== undefined) {
    bar.className = "bar";
    bar.style.width = `${100 * share}%`;
    name.append(bar);
  }
  value.textContent = text;
  line.append(name, value);
  return line;
}

/* ---- a scene */

function showScene() {
  const step = Math.max(1, Math.ceil(Math.max(scene.rows, scene.columns) / MOST_SHOWN));
  paintScene($("picture"), step);
  $("map").width = $("map").height = 1;
  for (const id of ["cross", "shown", "working"]) $(id).hidden = true;
  $("readout").textContent = "";
  const notes = notesOn(scene);
  $("warnings").replaceChildren(...notes.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("warnings").hidden = !notes.length;
  $("scene").hidden = false;
  map = null;
  legend();
  say(`${scene.fileName}: ${scene.rows}x${scene.columns} px`);
  estimate();
}

function notesOn({ place, offset, picture, hasNodata }) {
  const notes = [];
  if (picture) notes.push("an 8-bit RGB image, its colours are taken as they are");
  else notes.push(offset ? `${offset} is added to every DN` : "no radiometric offset: it is taken as 0");
  if (!place) notes.push("no georeference: the map has none either");
  else if (place.isProjected && Math.abs(place.width / 10 - 1) > 0.2) {
    notes.push(`the pixels measure ${Number(place.width.toPrecision(3))} m on the ground, those of the training images 10 m, so that windows see another piece of land than these did`);
  }
  if (hasNodata) notes.push("beside nodata, answers may differ a little from those of the script: the nearest valid pixel is not always one");
  return notes;
}

function paintScene(canvas, step) {
  const { rows, columns, bands, pixels } = scene;
  canvas.width = Math.ceil(columns / step);
  canvas.height = Math.ceil(rows / step);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const shown = LANDUSE.model.shown, rgb8 = pixels instanceof Uint8Array;
  for (let r = 0; r < canvas.height; r++) {
    for (let c = 0; c < canvas.width; c++) {
      const from = (r * step * columns + c * step) * bands, to = (r * canvas.width + c) * 4;
      for (let k = 0; k < 3; k++) {
        const value = pixels[from + shown[k]];
        image.data[to + k] = rgb8 ? value : rgb8Of(value);
      }
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function chosenStride() { return Number($("stride").value); }

function isDense(stride) { return LANDUSE.model.denseStride > 0 && stride % LANDUSE.model.denseStride === 0 && stride <= 32; }

function estimate() {
  const grid = gridOf(scene, chosenStride());
  $("estimate").textContent = `${(grid.rows * grid.columns).toLocaleString("en")} windows`;
}

async function start() {
  const mine = (running = {}), stride = chosenStride(), dense = isDense(stride);
  const grid = gridOf(scene, stride), chosen = chosenCells(scene, grid), filled = fillNodata(scene);
  const cells = grid.rows * grid.columns, began = performance.now();
  map = { grid, chosen, labels: new Uint8Array(cells).fill(NODATA), probability: new Float32Array(cells) };
  $("map").width = grid.columns;
  $("map").height = grid.rows;
  const image = $("map").getContext("2d").createImageData(grid.columns, grid.rows);
  const jobs = jobsOf(scene, grid, chosen, dense);
  $("start").disabled = true;
  $("stop").hidden = $("working").hidden = $("shown").hidden = false;
  $("save-tif").disabled = $("save-png").disabled = true;
  let done = 0, said = 0;
  try {
    await Promise.all(jobs.map(async (job) => {
      const found = await network.ask(() => requestOf(job, filled, scene, grid, chosen, dense));
      if (running !== mine) throw new Error("stopped");
      placeAnswers(map, job, found, CLASSES.length);
      paintJob(image, job);
      done += 1;
      $("progress").value = done / jobs.length;
      if (Math.floor((10 * done) / jobs.length) > said) {
        said = Math.floor((10 * done) / jobs.length);
        say(`Mapping: ${10 * said} %`);
      }
    }));
    const seconds = (performance.now() - began) / 1000;
    LANDUSE.result = { labels: map.labels, probability: map.probability, rows: grid.rows, columns: grid.columns, seconds, device: network.device };
    legend();
    $("save-tif").disabled = $("save-png").disabled = false;
    say(`The map is finished: ${cells.toLocaleString("en")} windows in ${Math.max(1, Math.round(seconds))} s${network.device === "graphics" ? ", by the graphics processor" : ""}`);
  } catch (error) {
    if (error.message !== "stopped") complain(`the scene could not be mapped: ${error.message}`);
    else if (running === mine) say("Stopped.");
  } finally {
    $("start").disabled = false;
    $("stop").hidden = $("working").hidden = true;
  }
}

function stop() {
  running = null;
  if (network) network.stop();
}

function paintJob(image, job) {
  for (let r = job.row; r < job.row + job.rows; r++) {
    for (let c = job.column; c < job.column + job.columns; c++) {
      const cell = r * map.grid.columns + c, label = map.labels[cell];
      if (label === NODATA) continue;
      image.data.set([...CLASSES[label].colour, 255], 4 * cell);
    }
  }
  const place = $("map").style, { grid } = map;
  // The last cells may reach past the scene: the map is drawn as large as its cells are.
  place.width = `${(100 * grid.columns * grid.stride) / scene.columns}%`;
  place.height = `${(100 * grid.rows * grid.stride) / scene.rows}%`;
  $("map").getContext("2d").putImageData(image, 0, 0, job.column, job.row, job.columns, job.rows);
}

function legend() {
  const covered = map && map.labels.some((label) => label !== NODATA) ? coverOf(map, scene, CLASSES.length) : null;
  const whole = covered ? covered.reduce((sum, pixels) => sum + pixels, 0) : 1;
  $("legend").replaceChildren(...CLASSES.map((_, label) => row(label, covered ? `${((100 * covered[label]) / whole).toFixed(1)} %` : "")));
}

/* ---- the mark on the map, by pointer or keys */

let mark = null;

function showMark(i, j) {
  if (!map) return;
  const { grid } = map;
  mark = { row: Math.min(Math.max(i, 0), grid.rows - 1), column: Math.min(Math.max(j, 0), grid.columns - 1) };
  const cell = mark.row * grid.columns + mark.column, label = map.labels[cell];
  const what = label === NODATA ? "no class" : `${CLASSES[label].name}, ${(100 * map.probability[cell]).toFixed(0)} %`;
  $("readout").textContent = `row ${mark.row + 1}, column ${mark.column + 1}: ${what}`;
  const wide = (100 * grid.stride) / scene.columns, high = (100 * grid.stride) / scene.rows, style = $("cross").style;
  style.left = `${mark.column * wide}%`;
  style.top = `${mark.row * high}%`;
  style.width = `max(8px, ${wide}%)`;
  style.height = `max(8px, ${high}%)`;
  $("cross").hidden = false;
}

function onKey(event) {
  if (!map) return;
  const by = event.shiftKey ? 10 : 1, at = mark || { row: 0, column: 0 };
  const moves = {
    ArrowUp: [at.row - by, at.column], ArrowDown: [at.row + by, at.column],
    ArrowLeft: [at.row, at.column - by], ArrowRight: [at.row, at.column + by],
    Home: [0, 0], End: [map.grid.rows, map.grid.columns],
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  showMark(...(mark ? moves[event.key] : [at.row, at.column]));
}

function onPointer(event) {
  if (!map) return;
  const box = $("stage").getBoundingClientRect(), { stride } = map.grid;
  const at = (offset, side, pixels) => Math.floor((offset / side) * pixels / stride);
  showMark(at(event.clientY - box.top, box.height, scene.rows), at(event.clientX - box.left, box.width, scene.columns));
}

/* ---- files to keep */

function save(content, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveTiff() {
  const about = { MODEL: LANDUSE.model.name, MODEL_SHA256: LANDUSE.model.sha256, STRIDE: map.grid.stride, SCENE: scene.fileName };
  save(labelTiff(map, scene, CLASSES, about), "image/tiff", `${scene.name}_label.tif`);
}

function savePng() {
  $("map").toBlob((blob) => save(blob, "image/png", `${scene.name}_label.png`));
}

/* ---- beginning */

async function begin() {
  legend();
  $("offset-row").hidden = LANDUSE.model.takesPicturesOnly === true;
  for (const stride of [64, 32, 16, 8]) {
    const chosen = stride === LANDUSE.stride;
    $("stride").append(new Option(`${stride} px (${10 * stride} m)`, stride, chosen, chosen));
  }
  const missing = missingInBrowser();
  if (missing) return complain(missing);
  if (!LANDUSE.runtime || !LANDUSE.model.onnx) return complain("runtime.js or model.js is not beside this page: copy the whole folder");
  say("Starting the network ...");
  try {
    network = await Network.start();
    const device = new URLSearchParams(location.search).get("device"); // graphics or processor
    const trying = device === "processor" ? null : network.tryGraphics(device === "graphics");
    if (device === "graphics") await trying;
    LANDUSE.ready = true;
    say("Ready.");
  } catch (error) {
    say("");
    complain(`The network could not be started: ${error.message}`);
  }
}

$("file").addEventListener("change", ({ target }) => { if (target.files[0]) open(target.files[0]); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
$("start").addEventListener("click", start);
$("stop").addEventListener("click", () => { const was = running; stop(); running = was; });
$("stride").addEventListener("change", estimate);
$("opacity").addEventListener("input", ({ target }) => { $("map").style.opacity = target.value / 100; });
$("stage").addEventListener("keydown", onKey);
$("stage").addEventListener("pointermove", onPointer);
$("stage").addEventListener("pointerdown", onPointer);
$("save-tif").addEventListener("click", saveTiff);
$("save-png").addEventListener("click", savePng);
begin();
