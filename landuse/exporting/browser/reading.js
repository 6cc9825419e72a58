/* From a file to pixels in the model's bands and units. The sentences are those of step 6. */
"use strict";

const BANDS_RGB = ["B04", "B03", "B02"];
const STRIP = 1024; // rows that are decoded at once

const TAGS = [
  "GDAL_METADATA", "GDAL_NODATA", "ModelPixelScale", "ModelTiepoint", "GeoKeyDirectory",
  "GeoDoubleParams", "GeoAsciiParams",
];

class InputError extends Error {}

function startsWith(bytes, hex) {
  return hex.every((value, place) => bytes[place] === value);
}

/* What people bring that is not read, by its first bytes. */
function checkKind(name, bytes) {
  for (const [start, what, advice] of LANDUSE.words.kinds) {
    if (!startsWith(bytes, start)) continue;
    const told = advice.replaceAll("{path}", name).replaceAll("{stem}", name.replace(/\.[^.]*$/, ""));
    throw new InputError(`${name}: is ${what}, which is not read: ${told}`);
  }
}

function noImage(name, cause) {
  if (cause) console.warn(cause);
  return new InputError(`${name}: ${LANDUSE.words.noImage}`);
}

async function readFile(file, offset) {
  const bytes = new Uint8Array(await file.slice(0, 32).arrayBuffer());
  checkKind(file.name, bytes);
  const isTiff = startsWith(bytes, [0x49, 0x49]) || startsWith(bytes, [0x4d, 0x4d]);
  const isPhoto = startsWith(bytes, [0xff, 0xd8]) || startsWith(bytes, [0x89, 0x50, 0x4e, 0x47]);
  if (!isTiff && !isPhoto) throw noImage(file.name);
  const read = isTiff ? await readTiff(file, offset) : await readPhoto(file);
  read.name = file.name.replace(/\.[^.]*$/, "");
  const [rows, columns] = [read.rows, read.columns];
  if (Math.min(rows, columns) < PATCH) {
    throw new InputError(`${file.name}: is ${rows}x${columns} pixels, a scene has at least ${PATCH} on each side`);
  }
  read.isPatch = rows === PATCH && columns === PATCH;
  return read;
}

async function readPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch (error) {
    throw noImage(file.name, error);
  }
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const picture = { rows: bitmap.height, columns: bitmap.width, names: BANDS_RGB, picture: true };
  return select(file.name, picture, (b) => (r, c) => data[(r * bitmap.width + c) * 4 + b], 0);
}

async function readTiff(file, offset) {
  let image, about;
  try {
    image = await (await GeoTIFF.fromBlob(file)).getImage();
    about = await describe(image);
  } catch (error) {
    throw noImage(file.name, error);
  }
  about.names = namesOf(file.name, about);
  const places = wantedPlaces(file.name, about);
  const alpha = about.picture && about.count === 4 ? [3] : [];
  const samples = [...places, ...alpha], bands = places.length;
  const scene = emptyScene(about, bands);
  for (let top = 0; top < about.rows; top += STRIP) {
    const bottom = Math.min(about.rows, top + STRIP);
    let values;
    try {
      values = await image.readRasters({ window: [0, top, about.columns, bottom], samples });
    } catch (error) {
      throw noImage(file.name, error);
    }
    fill(file.name, scene, about, top, bottom, values, offset);
  }
  return scene;
}

async function describe(image) {
  const directory = image.getFileDirectory();
  const tags = {};
  for (const name of TAGS) tags[name] = directory.hasTag(name) ? await directory.loadValue(name) : null;
  const count = image.getSamplesPerPixel();
  const format = image.getSampleFormat(0), bits = image.getBitsPerSample(0);
  const described = [], xml = tags.GDAL_METADATA;
  if (xml) {
    const items = new DOMParser().parseFromString(String(xml).replace(/\0+$/, ""), "text/xml");
    for (const item of items.querySelectorAll("Item[role=description]")) {
      described[Number(item.getAttribute("sample"))] = item.textContent.trim();
    }
  }
  return {
    rows: image.getHeight(), columns: image.getWidth(), count, described,
    picture: format === 1 && bits === 8 && (count === 3 || count === 4) && !described.some(Boolean),
    nodata: tags.GDAL_NODATA === null ? null : Number(String(tags.GDAL_NODATA).replace(/\0+$/, "")),
    place: placeOf(tags),
  };
}

/* Where the pixels lie on the ground: the tags that a map of the same place needs. */
function placeOf(tags) {
  const scale = tags.ModelPixelScale, tie = tags.ModelTiepoint, keys = tags.GeoKeyDirectory;
  if (!scale || !tie) return null;
  const corner = [tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1]];
  return {
    width: scale[0], height: scale[1], left: corner[0], top: corner[1],
    keys: keys ? Array.from(keys) : null,
    doubles: tags.GeoDoubleParams ? Array.from(tags.GeoDoubleParams) : null,
    texts: tags.GeoAsciiParams ? String(tags.GeoAsciiParams).replace(/\0+$/, "") : null,
    isProjected: keys ? keyOf(keys, 1024) === 1 : false,
  };
}

function keyOf(keys, wanted) {
  for (let k = 4; k < keys.length; k += 4) if (keys[k] === wanted) return keys[k + 3];
  return 0;
}

function bandOf(text) {
  const found = /(?:^|[^0-9A-Za-z])(?:band|b)[ _-]?(0?[1-9]|1[0-2])(a?)(?![0-9A-Za-z])/i.exec(text || "");
  if (!found) return "";
  if (found[2]) return Number(found[1]) === 8 ? "B8A" : "";
  return `B${String(Number(found[1])).padStart(2, "0")}`;
}

function namesOf(name, about) {
  const model = LANDUSE.model;
  const counts = about.described.every((text, place) => !text || new RegExp(`^band[ _-]?${place + 1}$`, "i").test(text));
  const named = Array.from({ length: about.count }, (_, b) => (counts ? "" : bandOf(about.described[b])));
  if (named.some(Boolean)) return named;
  if (about.picture) return [...BANDS_RGB, ""].slice(0, about.count);
  if (about.count === LANDUSE.words.bands.length) return LANDUSE.words.bands;
  if (about.count === model.bands.length) return model.bands;
  throw new InputError(
    `${name}: has ${about.count} bands without names, and the model wants ${model.bands.length} ` +
    `(${model.bands.join(", ")}); set the bands' descriptions, as B02`);
}

/* Positions of the model's bands in the file. */
function wantedPlaces(name, about) {
  const { bands, units } = LANDUSE.model;
  if (about.picture && units !== "rgb8") {
    throw new InputError(
      `${name}: is an 8-bit RGB image, and the model needs DN of the bands ${bands.join(", ")}; ` +
      "give the product itself, or use an RGB model");
  }
  const missing = bands.filter((band) => !about.names.includes(band));
  if (missing.length) {
    throw new InputError(
      `${name}: has no band ${missing.join(", ")}; the model needs ${bands.join(", ")}, ` +
      `found ${about.names.filter(Boolean).sort().join(", ")}`);
  }
  return bands.map((band) => about.names.indexOf(band));
}

function emptyScene(about, bands) {
  const { rows, columns } = about, size = rows * columns;
  const rgb8 = LANDUSE.model.units === "rgb8";
  return {
    rows, columns, bands, place: about.place || null, picture: about.picture, hasNodata: false,
    pixels: rgb8 ? new Uint8Array(size * bands) : new Uint16Array(size * bands),
    valid: new Uint8Array(size),
  };
}

function select(name, about, valuesOf, offset) {
  const places = wantedPlaces(name, about), scene = emptyScene(about, places.length);
  const values = places.map((place) => {
    const value = valuesOf(place), flat = new Uint16Array(about.rows * about.columns);
    for (let r = 0; r < about.rows; r++) {
      for (let c = 0; c < about.columns; c++) flat[r * about.columns + c] = value(r, c);
    }
    return flat;
  });
  fill(name, scene, about, 0, about.rows, values, offset);
  return scene;
}

/* Values of the file into the scene: the offset added, scaled to 8 bits if the model wants that. */
function fill(name, scene, about, top, bottom, values, offset) {
  const { bands, columns } = scene, scales = scene.pixels instanceof Uint8Array && !about.picture;
  const alpha = values[bands], count = (bottom - top) * columns;
  for (let k = 0; k < count; k++) {
    let valid = !alpha || alpha[k] > 0;
    const target = (top * columns + k) * bands;
    for (let b = 0; b < bands; b++) {
      let dn = values[b][k];
      if (dn === about.nodata || Number.isNaN(dn)) dn = 0;
      if (dn !== Math.round(dn)) {
        throw new InputError(`${name}: its values are no whole numbers: DN are, reflectance x 10000`);
      }
      if (dn > 0 && !about.picture) dn = Math.min(Math.max(dn + offset, 1), 65535);
      dn = Math.max(dn, 0);
      if (dn === 0) valid = false;
      scene.pixels[target + b] = scales ? rgb8Of(dn) : dn;
    }
    scene.valid[top * columns + k] = valid ? 1 : 0;
    if (!valid) scene.hasNodata = true;
  }
}

/* Products of baseline 04.00 on hold 1000 too much; the name of a product tells. */
function offsetByName(name) {
  const found = /_N(\d{4})_/.exec(name);
  return found && Number(found[1]) >= 400 ? -1000 : 0;
}
