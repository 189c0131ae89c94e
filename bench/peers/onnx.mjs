/**
 * onnxruntime-web in Node behind the line protocol of runner.mjs. It is what transformers.js runs models with in browsers;
 * what transformers.js adds to a step is not in the figures.
 *
 *   node bench/peers/onnx.mjs MODEL.onnx THREADS
 */

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as ort from 'onnxruntime-web';
import { onnxSteps } from './onnx-steps.mjs';

const [path, threads] = process.argv.slice(2);
const commands = await onnxSteps(ort, new Uint8Array(readFileSync(path)), Number(threads));
console.log(`ready onnxruntime-web, ${threads} threads`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...numbers] = line.split(' ');
  console.log((await commands[name](...numbers.map(Number))).toFixed(4));
}
process.exit(0);
