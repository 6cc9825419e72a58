/* A GeoTIFF of labels: one band of 8 bits with a colour for each class, where the scene lies. */
"use strict";

function labelTiff(map, scene, classes, about) {
  const { grid, labels } = map, tags = [];
  const add = (tag, type, values) => tags.push({ tag, type, values });
  const ASCII = 2, SHORT = 3, LONG = 4, DOUBLE = 12;
  const palette = new Array(3 * 256).fill(0);
  classes.forEach(({ colour }, label) => {
    for (let c = 0; c < 3; c++) palette[c * 256 + label] = colour[c] * 257;
  });
  add(256, LONG, [grid.columns]);
  add(257, LONG, [grid.rows]);
  add(258, SHORT, [8]);
  add(259, SHORT, [1]);
  add(262, SHORT, [3]);
  add(270, ASCII, `Land use: ${classes.map(({ name }, k) => `${k} ${name}`).join(", ")}; ${NODATA} nodata`);
  add(273, LONG, [0]);
  add(277, SHORT, [1]);
  add(278, LONG, [grid.rows]);
  add(279, LONG, [labels.length]);
  add(320, SHORT, palette);
  const { place } = scene;
  if (place) {
    add(33550, DOUBLE, [place.width * grid.stride, place.height * grid.stride, 0]);
    add(33922, DOUBLE, [0, 0, 0, place.left, place.top, 0]);
    if (place.keys) add(34735, SHORT, place.keys);
    if (place.doubles) add(34736, DOUBLE, place.doubles);
    if (place.texts) add(34737, ASCII, place.texts);
  }
  const items = Object.entries({ ...about, ...Object.fromEntries(classes.map(({ name }, k) => [`CLASS_${k}`, name])) });
  const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  add(42112, ASCII, `<GDALMetadata>${items.map(([key, value]) => `<Item name="${escaped(key)}">${escaped(value)}</Item>`).join("")}</GDALMetadata>`);
  add(42113, ASCII, String(NODATA));
  return assemble(tags, labels);
}

function assemble(tags, labels) {
  const bytesOf = ({ type, values }) => {
    if (type === 2) return new TextEncoder().encode(`${values}\0`);
    const size = { 3: 2, 4: 4, 12: 8 }[type], view = new DataView(new ArrayBuffer(size * values.length));
    values.forEach((value, k) => {
      if (type === 3) view.setUint16(k * size, value, true);
      else if (type === 4) view.setUint32(k * size, value, true);
      else view.setFloat64(k * size, value, true);
    });
    return new Uint8Array(view.buffer);
  };
  const contents = tags.map(bytesOf);
  let free = 8 + 2 + 12 * tags.length + 4;
  const places = contents.map((content) => {
    if (content.length <= 4) return 0;
    free += free % 2;
    const place = free;
    free += content.length;
    return place;
  });
  const start = free + (free % 2), bytes = new Uint8Array(start + labels.length), view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0, 8, 0, 0, 0]);
  view.setUint16(8, tags.length, true);
  tags.forEach(({ tag, type, values }, k) => {
    const at = 10 + 12 * k, content = tag === 273 ? bytesOf({ type: 4, values: [start] }) : contents[k];
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, type === 2 ? content.length : values.length, true);
    if (content.length <= 4) bytes.set(content, at + 8);
    else {
      view.setUint32(at + 8, places[k], true);
      bytes.set(content, places[k]);
    }
  });
  bytes.set(labels, start);
  return bytes;
}
