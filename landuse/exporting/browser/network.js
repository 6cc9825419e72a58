/* The network in as many workers as there are processor cores. */
"use strict";

const MOST_WORKERS = 8;

/* The smallest module that has an instruction of SIMD, which onnxruntime-web needs. */
const SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11);

function missingInBrowser() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(SIMD)) {
    return "This browser has no WebAssembly with SIMD, which the network needs: use Chrome or Edge 91, Firefox 89, Safari 16.4 or a later one.";
  }
  if (typeof DecompressionStream !== "function" || typeof OffscreenCanvas !== "function") {
    return "This browser is too old for this page: use Chrome or Edge 80, Firefox 113, Safari 16.4 or a later one.";
  }
  return "";
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes;
}

async function unpacked(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/* Start workers of a runtime; resolves when all of them are ready. */
async function startWorkers(runtime, count, gpu) {
  const [wasm, library] = await Promise.all([unpacked(runtime.wasm), unpacked(runtime.library)]);
  const source = new Blob([library, "\n", LANDUSE.worker], { type: "text/javascript" });
  const url = URL.createObjectURL(source), model = bytesOf(LANDUSE.model.onnx);
  return Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const worker = new Worker(url);
    worker.onerror = (event) => reject(new Error(event.message || "a worker could not be started"));
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(worker));
    worker.postMessage({ model: model.slice(), wasm: wasm.slice(0), stride: LANDUSE.model.denseStride, gpu });
  })));
}

function addScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = name;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${name} could not be read`));
    document.head.append(script);
  });
}

const TRIAL_WINDOWS = 64; // a call of the graphics processor, four of a worker

/* Made pixels from dark to light, to compare two networks on. */
function trialRequest() {
  const { units, bands, denseStride } = LANDUSE.model, dense = denseStride > 0, size = dense ? 3 * PATCH : PATCH;
  const values = new Float32Array(size * size * bands.length), top = units === "DN" ? 3000 : 200;
  let state = 1;
  for (let k = 0; k < values.length; k++) {
    state = (48271 * state) % 2147483647; // Park and Miller 1988
    values[k] = Math.round(top * (0.1 + (0.7 * k) / values.length + (0.2 * state) / 2147483647));
  }
  return { pixels: values, rows: size, columns: size, bands: bands.length, starts: new Int32Array(dense ? 2 : 2 * TRIAL_WINDOWS), dense };
}

const MOST_APART = 1e-3; // probabilities of two runtimes

class Network {
  /* Start the workers; resolves when all of them are ready. */
  static async start() {
    const network = new Network();
    const count = Math.min(MOST_WORKERS, Math.max(1, navigator.hardwareConcurrency || 1));
    network.waiting = [];
    network.asked = new Map();
    network.next = 0;
    network.device = "processor";
    network.take(await startWorkers(LANDUSE.runtime, count, false));
    return network;
  }

  take(workers) {
    for (const worker of this.workers || []) worker.terminate();
    this.workers = workers;
    this.free = [...workers];
    for (const worker of workers) worker.onmessage = (event) => this.answered(worker, event.data);
  }

  /* Use the graphics processor from the next map on, where there is one that gives the same
     answers and is faster; `always`: also where it is slower. */
  async tryGraphics(always) {
    if (!LANDUSE.model.gpu || !navigator.gpu || !(await navigator.gpu.requestAdapter())) return;
    const other = new Network();
    Object.assign(other, { waiting: [], asked: new Map(), next: 0 });
    try {
      await addScript("runtime_gpu.js");
      other.take(await startWorkers(LANDUSE.runtimeGpu, 1, true));
      delete LANDUSE.runtimeGpu;
      const [here, there] = [await this.timed(), await other.timed()];
      const apart = Math.max(...here.found.map((value, k) => Math.abs(value - there.found[k])));
      if (!(apart < MOST_APART)) throw new Error(`its probabilities are ${apart} off`);
      if (!always && there.seconds > here.seconds / this.workers.length) throw new Error("it is slower");
      this.better = other.workers;
    } catch (error) {
      console.warn(`the graphics processor is not used: ${error.message}`);
      for (const worker of other.workers || []) worker.terminate();
    }
  }

  /* Answers to the trial, and how long it takes the second time: at first, shaders are compiled. */
  async timed() {
    const found = await this.ask(trialRequest);
    const began = performance.now();
    await this.ask(trialRequest);
    return { found: Array.from(found), seconds: performance.now() - began };
  }

  /* Probabilities for a request; `request` is made when a worker is free. */
  ask(makeRequest) {
    if (this.better && !this.asked.size && !this.waiting.length) {
      this.take(this.better);
      this.better = null;
      this.device = "graphics";
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ makeRequest, resolve, reject });
      this.hand();
    });
  }

  hand() {
    while (this.free.length && this.waiting.length) {
      const { makeRequest, resolve, reject } = this.waiting.shift();
      const request = makeRequest(), id = this.next++;
      this.asked.set(id, { resolve, reject });
      this.free.pop().postMessage({ ...request, id }, [request.pixels.buffer]);
    }
  }

  answered(worker, { id, probabilities, error }) {
    this.free.push(worker);
    const { resolve, reject } = this.asked.get(id);
    this.asked.delete(id);
    this.hand();
    if (error) reject(new Error(error));
    else resolve(probabilities);
  }

  /* Forget what was not begun yet. */
  stop() {
    for (const { reject } of this.waiting.splice(0)) reject(new Error("stopped"));
  }
}
