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

class Network {
  /* Start the workers; resolves when all of them are ready. */
  static async start() {
    const network = new Network();
    const [wasm, library] = await Promise.all([unpacked(LANDUSE.runtime.wasm), unpacked(LANDUSE.runtime.library)]);
    const source = new Blob([library, "\n", LANDUSE.worker], { type: "text/javascript" });
    const url = URL.createObjectURL(source), model = bytesOf(LANDUSE.model.onnx);
    const count = Math.min(MOST_WORKERS, Math.max(1, navigator.hardwareConcurrency || 1));
    network.waiting = [];
    network.asked = new Map();
    network.next = 0;
    network.workers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
      const worker = new Worker(url);
      worker.onerror = (event) => reject(new Error(event.message || "a worker could not be started"));
      worker.onmessage = ({ data }) => {
        if (data.error) return reject(new Error(data.error));
        worker.onmessage = (event) => network.answered(worker, event.data);
        resolve(worker);
      };
      worker.postMessage({ model: model.slice(), wasm: wasm.slice(0), stride: LANDUSE.model.denseStride });
    })));
    network.free = [...network.workers];
    return network;
  }

  /* Probabilities for a request; `request` is made when a worker is free. */
  ask(makeRequest) {
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
