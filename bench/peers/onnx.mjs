/**
 * onnxruntime-web in Node behind the line protocol of runner.mjs. It is what transformers.js runs models with in browsers;
 * what transformers.js adds to a step is not in the figures: see transformers.mjs.
 *
 *   node bench/peers/onnx.mjs FOLDER THREADS
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as ort from 'onnxruntime-web';
import { onnxSteps } from './onnx-steps.mjs';

const [folder, threads] = process.argv.slice(2);
const model = new Uint8Array(readFileSync(join(folder, 'onnx', 'model_q4.onnx')));
const commands = await onnxSteps(ort, model, Number(threads));
console.log(`ready onnxruntime-web, ${threads} threads`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...numbers] = line.split(' ');
  console.log((await commands[name](...numbers.map(Number))).toFixed(4));
}
process.exit(0);
