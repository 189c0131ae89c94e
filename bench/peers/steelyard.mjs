/**
 * Our backends behind the line protocol of llama-cpp.cc: one model, steps without the engine, milliseconds.
 * What JavaScript costs a step is in the figures.
 *
 *   node bench/peers/steelyard.mjs MODEL.gguf THREADS CONTEXT [cpu|wasm]
 */

import { createInterface } from 'node:readline';
import { createCpuBackend, createNodeWasmBackend } from '../../packages/backend-cpu/dist/index.js';
import { openModel } from '../../packages/formats/dist/node/index.js';
import { loadModel } from '../../packages/models/dist/index.js';
import { createSteps, LOADING } from './steps.mjs';

const [path, threads, length, kind = 'cpu'] = process.argv.slice(2);
const create = kind === 'wasm' ? createNodeWasmBackend : createCpuBackend;
const backend = create({ threads: Number(threads) });
const commands = await createSteps(backend, loadModel(openModel(path), LOADING), Number(length));
console.log(`ready ${backend.description}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...numbers] = line.split(' ');
  console.log((await commands[name](...numbers.map(Number))).toFixed(4));
}
process.exit(0);
