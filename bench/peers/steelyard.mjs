/**
 * Our backends behind the line protocol of llama-cpp.cc: one model, steps without the engine, milliseconds.
 * What JavaScript costs a step is in the figures.
 *
 *   node bench/peers/steelyard.mjs MODEL.gguf THREADS CONTEXT f16|q8_0 [cpu|wasm]
 */

import { createInterface } from 'node:readline';
import { createCpuBackend, createNodeWasmBackend } from '../../packages/backend-cpu/dist/index.js';
import { openModel } from '../../packages/formats/dist/node/index.js';
import { loadModel } from '../../packages/models/dist/index.js';
import { createSteps, PAGE } from './steps.mjs';

const [path, threads, length, kvDType, kind = 'cpu'] = process.argv.slice(2);
const create = kind === 'wasm' ? createNodeWasmBackend : createCpuBackend;
const backend = create({ threads: Number(threads) });
const loading = { pageSize: PAGE, kvDType };
const commands = await createSteps(backend, loadModel(openModel(path), loading), Number(length), loading);
console.log(`ready ${backend.description}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...numbers] = line.split(' ');
  console.log((await commands[name](...numbers.map(Number))).toFixed(4));
}
process.exit(0);
