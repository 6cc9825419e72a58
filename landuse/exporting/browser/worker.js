/* One network in a worker of its own; `ort` is onnxruntime-web, which stands before this. */
"use strict";

const WINDOW = 64;
let session, stride, most; // most: windows in a call

self.onmessage = async ({ data }) => {
  try {
    if (data.model) {
      ort.env.wasm.numThreads = 1; // each worker is a thread: several need special HTTP headers
      ort.env.wasm.wasmBinary = data.wasm;
      stride = data.stride;
      most = data.gpu ? 64 : 16;
      session = await ort.InferenceSession.create(data.model, { executionProviders: [data.gpu ? "webgpu" : "wasm"] });
      self.postMessage({ ready: true });
      return;
    }
    const probabilities = data.dense ? await denseAnswers(data) : await windowAnswers(data);
    self.postMessage({ id: data.id, probabilities }, [probabilities.buffer]);
  } catch (error) {
    self.postMessage({ id: data.id, error: String((error && error.message) || error) });
  }
};

async function run(values, shape) {
  const answers = await session.run({ pixels: new ort.Tensor("float32", values, shape) });
  return answers.probabilities;
}

/* Window by window: each is cut out of the pixels. */
async function windowAnswers({ pixels, columns, bands, starts }) {
  const count = starts.length / 2, size = WINDOW * WINDOW * bands;
  let all = null, classes = 0;
  for (let first = 0; first < count; first += most) {
    const many = Math.min(most, count - first);
    const values = new Float32Array(many * size);
    for (let k = 0; k < many; k++) {
      const row = starts[2 * (first + k)], column = starts[2 * (first + k) + 1];
      for (let r = 0; r < WINDOW; r++) {
        const from = ((row + r) * columns + column) * bands;
        values.set(pixels.subarray(from, from + WINDOW * bands), k * size + r * WINDOW * bands);
      }
    }
    const answers = await run(values, [many, WINDOW, WINDOW, bands]);
    classes = answers.dims[answers.dims.length - 1];
    all = all || new Float32Array(count * classes);
    all.set(answers.data, first * classes);
  }
  return all;
}

/* All windows at once, by the dense form of the network; those that are wanted are picked. */
async function denseAnswers({ pixels, rows, columns, bands, starts }) {
  const fit = (size) => size - (size % stride);
  const [height, width] = [fit(rows), fit(columns)];
  const values = new Float32Array(height * width * bands);
  for (let r = 0; r < height; r++) {
    values.set(pixels.subarray(r * columns * bands, (r * columns + width) * bands), r * width * bands);
  }
  const answers = await run(values, [1, height, width, bands]);
  const [, , across, classes] = answers.dims;
  const all = new Float32Array((starts.length / 2) * classes);
  for (let k = 0; k < starts.length / 2; k++) {
    const from = ((starts[2 * k] / stride) * across + starts[2 * k + 1] / stride) * classes;
    all.set(answers.data.subarray(from, from + classes), k * classes);
  }
  return all;
}
