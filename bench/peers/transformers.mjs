/**
 * transformers.js in Node behind the line protocol of runner.mjs, on onnxruntime-web: left to itself it takes native kernels
 * in Node, which are no peer of WebAssembly's.
 *
 *   node bench/peers/transformers.mjs FOLDER THREADS
 */

import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import * as ort from 'onnxruntime-web';
import { transformersSteps } from './transformers-steps.mjs';

const [folder, threads] = process.argv.slice(2);
ort.env.wasm.numThreads = Number(threads);
// Where it looks before it takes a runtime of its own.
globalThis[Symbol.for('onnxruntime')] = ort;
const transformers = await import('@huggingface/transformers');
transformers.env.allowRemoteModels = false;
transformers.env.localModelPath = dirname(folder);
// It names a host on the network; onnxruntime-web finds its files beside itself.
delete ort.env.wasm.wasmPaths;
// With a runtime given it knows no device by name: auto leaves the choice to the runtime, which has WebAssembly alone.
const options = { device: 'auto' };
const commands = await transformersSteps(transformers, basename(folder), options);
console.log(`ready transformers.js ${transformers.env.version}, ${threads} threads`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...numbers] = line.split(' ');
  console.log((await commands[name](...numbers.map(Number))).toFixed(4));
}
process.exit(0);
