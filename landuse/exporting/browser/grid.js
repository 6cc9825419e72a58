/* Cells of a map and the pixels of their windows, as landuse/mapping does it. Numbers only. */
"use strict";

const PATCH = 64;
const NODATA = 255;

/* DN to 1..255 as the EuroSAT pictures were scaled; 0 is nodata and stays 0. */
function rgb8Of(dn) {
  return dn > 0 ? Math.floor(Math.min(dn * (254 / 2750) + 1, 255) + 0.5) : 0;
}

/* The index inside 0..size-1 that lies there when the image goes on as its own reflection. */
function mirrored(index, size) {
  const folded = ((index % (2 * size)) + 2 * size) % (2 * size);
  return folded < size ? folded : 2 * size - 1 - folded;
}

function gridOf(scene, stride) {
  return { stride, rows: Math.ceil(scene.rows / stride), columns: Math.ceil(scene.columns / stride) };
}

function windowStart(cell, stride) {
  return cell * stride + Math.floor(stride / 2) - PATCH / 2;
}

/* Which cells have a valid centre and a window of which no more than half is nodata. */
function chosenCells(scene, grid) {
  const chosen = new Uint8Array(grid.rows * grid.columns).fill(1);
  if (!scene.hasNodata) return chosen;
  const counts = new Uint32Array(scene.columns + PATCH * 2);
  for (let i = 0; i < grid.rows; i++) {
    const top = windowStart(i, grid.stride);
    const rows = Array.from({ length: PATCH }, (_, k) => mirrored(top + k, scene.rows) * scene.columns);
    for (let c = 0; c < scene.columns; c++) {
      let bad = 0;
      for (const row of rows) bad += 1 - scene.valid[row + c];
      counts[c] = bad;
    }
    const centreRow = Math.min(top + PATCH / 2, scene.rows - 1) * scene.columns;
    for (let j = 0; j < grid.columns; j++) {
      const left = windowStart(j, grid.stride);
      let bad = 0;
      for (let k = 0; k < PATCH; k++) bad += counts[mirrored(left + k, scene.columns)];
      const centre = Math.min(left + PATCH / 2, scene.columns - 1);
      chosen[i * grid.columns + j] = bad * 2 <= PATCH * PATCH && scene.valid[centreRow + centre] ? 1 : 0;
    }
  }
  return chosen;
}

/* In place of nodata: the reflection of the valid pixels beside it. The nearest valid pixel of
   each is found exactly, along columns first and then along rows (Felzenszwalb and Huttenlocher
   2012); of several at the same distance, it may be another one than scipy takes. */
function fillNodata(scene) {
  const { rows, columns, valid, pixels, bands } = scene;
  if (!scene.hasNodata) return pixels;
  const far = rows + columns;
  const nearestRow = new Int32Array(rows * columns);
  for (let c = 0; c < columns; c++) {
    let last = -1;
    for (let r = 0; r < rows; r++) {
      if (valid[r * columns + c]) last = r;
      nearestRow[r * columns + c] = last;
    }
    last = -1;
    for (let r = rows - 1; r >= 0; r--) {
      const at = r * columns + c;
      if (valid[at]) last = r;
      if (last >= 0 && (nearestRow[at] < 0 || last - r < r - nearestRow[at])) nearestRow[at] = last;
    }
  }
  const filled = pixels.slice();
  const place = new Int32Array(columns), border = new Float64Array(columns + 1);
  for (let r = 0; r < rows; r++) {
    const height = (c) => {
      const row = nearestRow[r * columns + c];
      return row < 0 ? far * far : (row - r) * (row - r);
    };
    let top = -1;
    for (let c = 0; c < columns; c++) {
      let meets = -Infinity;
      while (top >= 0) {
        const p = place[top];
        meets = (height(c) + c * c - height(p) - p * p) / (2 * (c - p));
        if (meets > border[top]) break;
        top -= 1;
      }
      top += 1;
      place[top] = c;
      border[top] = top ? meets : -Infinity;
    }
    let piece = 0;
    for (let c = 0; c < columns; c++) {
      while (piece < top && border[piece + 1] < c) piece += 1;
      if (valid[r * columns + c]) continue;
      const near = [nearestRow[r * columns + place[piece]], place[piece]];
      if (near[0] < 0) continue;
      let from = [2 * near[0] - r, 2 * near[1] - c];
      const inside = from[0] >= 0 && from[0] < rows && from[1] >= 0 && from[1] < columns;
      if (!inside || !valid[from[0] * columns + from[1]]) from = near;
      const source = (from[0] * columns + from[1]) * bands, target = (r * columns + c) * bands;
      for (let b = 0; b < bands; b++) filled[target + b] = pixels[source + b];
    }
  }
  return filled;
}

/* Pixels of a rectangle that may reach beyond the scene, where its reflection lies. */
function cut(pixels, scene, top, left, rows, columns) {
  const { bands } = scene;
  const piece = new pixels.constructor(rows * columns * bands);
  for (let r = 0; r < rows; r++) {
    const from = mirrored(top + r, scene.rows) * scene.columns;
    const inside = left >= 0 && left + columns <= scene.columns;
    if (inside) {
      piece.set(pixels.subarray((from + left) * bands, (from + left + columns) * bands), r * columns * bands);
      continue;
    }
    for (let c = 0; c < columns; c++) {
      const source = (from + mirrored(left + c, scene.columns)) * bands;
      const target = (r * columns + c) * bands;
      for (let b = 0; b < bands; b++) piece[target + b] = pixels[source + b];
    }
  }
  return piece;
}

/* Pieces of a map for the workers: window by window a part of a row of cells, dense a block. */
function jobsOf(scene, grid, chosen, dense) {
  const jobs = [], most = dense ? Math.max(1, Math.floor(DENSE_BLOCK / grid.stride)) : 128;
  const rowsAtOnce = dense ? most : 1;
  for (let i = 0; i < grid.rows; i += rowsAtOnce) {
    for (let j = 0; j < grid.columns; j += most) {
      const rows = Math.min(rowsAtOnce, grid.rows - i), columns = Math.min(most, grid.columns - j);
      let any = false;
      for (let r = 0; r < rows && !any; r++) {
        for (let c = 0; c < columns && !any; c++) any = chosen[(i + r) * grid.columns + j + c] === 1;
      }
      if (any) jobs.push({ row: i, column: j, rows, columns });
    }
  }
  return jobs;
}

const DENSE_BLOCK = 256; // px, side of what is classified at once
const DENSE_MARGIN = 64; // px around it, so that convolutions do not see its edge

/* What a worker gets: pixels, and where in them the windows start. */
function requestOf(job, pixels, scene, grid, chosen, dense) {
  const margin = dense ? DENSE_MARGIN : 0;
  const top = windowStart(job.row, grid.stride) - margin;
  const left = windowStart(job.column, grid.stride) - margin;
  const rows = (job.rows - 1) * grid.stride + PATCH + 2 * margin;
  const columns = (job.columns - 1) * grid.stride + PATCH + 2 * margin;
  const starts = [];
  for (let r = 0; r < job.rows; r++) {
    for (let c = 0; c < job.columns; c++) {
      if (!chosen[(job.row + r) * grid.columns + job.column + c]) continue;
      starts.push(margin + r * grid.stride, margin + c * grid.stride);
    }
  }
  return {
    pixels: cut(pixels, scene, top, left, rows, columns),
    rows, columns, bands: scene.bands, starts: Int32Array.from(starts), dense,
  };
}

/* Put the answers of a job into the map. */
function placeAnswers(map, job, probabilities, classes) {
  let at = 0;
  for (let r = 0; r < job.rows; r++) {
    for (let c = 0; c < job.columns; c++) {
      const cell = (job.row + r) * map.grid.columns + job.column + c;
      if (!map.chosen[cell]) continue;
      let best = 0;
      for (let k = 1; k < classes; k++) {
        if (probabilities[at + k] > probabilities[at + best]) best = k;
      }
      map.labels[cell] = best;
      map.probability[cell] = probabilities[at + best];
      at += classes;
    }
  }
}

/* Pixels of the scene that the cells of each class cover; at the edges, cells are cut. */
function coverOf(map, scene, classes) {
  const pixels = new Array(classes).fill(0), { grid } = map;
  for (let i = 0; i < grid.rows; i++) {
    const height = Math.min(grid.stride, scene.rows - i * grid.stride);
    for (let j = 0; j < grid.columns; j++) {
      const label = map.labels[i * grid.columns + j];
      if (label === NODATA) continue;
      pixels[label] += height * Math.min(grid.stride, scene.columns - j * grid.stride);
    }
  }
  return pixels;
}
