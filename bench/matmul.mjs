/**
 * The product kernels alone, on one thread: multiply-adds per second by weight format, rows of activations (1 is decode,
 * 4 a few streams, 32 prefill) and bits of activations; and the three products that training a linear layer takes, by
 * float format. Best of many short runs, so that a busy machine disturbs little.
 *
 *   node bench/matmul.mjs [--format NAME,...] [--level avx2] [--json FILE]
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createCpuBackend } from '../packages/backend-cpu/dist/index.js';
import { createBuilder, dtypeInfo, encode, Random } from '../packages/graph/dist/index.js';

const { values: options } = parseArgs({
  options: {
    format: { type: 'string', default: 'q4_0,q4_k,q5_k,q6_k,q8_0,f16,bf16' },
    level: { type: 'string' },
    json: { type: 'string' },
  },
});
const DEPTH = 2048;
const COLUMNS = 1024;
const ROWS = [1, 4, 32];
const REPEATS = 400;

/** Floats are ordinary ones. Of blocks the second byte of every half, which is a scale's in some formats, stays small. */
function weight(dtype, rows) {
  const info = dtypeInfo(dtype);
  const random = new Random(7);
  if (info.blockSize === 1) {
    const bytes = encode(dtype, random.normals(rows * DEPTH));
    return { dtype, shape: [rows, DEPTH], byteLength: bytes.length, bytes: () => bytes };
  }
  const bytes = new Uint8Array(((rows * DEPTH) / info.blockSize) * info.blockBytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.next() * (i % 2 ? 0x3c : 256);
  return { dtype, shape: [rows, DEPTH], byteLength: bytes.length, bytes: () => bytes };
}

/** Seconds of the quickest of so many runs of what `build` makes of a builder and its weight, with inputs of these widths. */
async function quickest(w, inputs, repeats, build) {
  const backend = createCpuBackend({ threads: 1, ...(options.level && { level: options.level }) });
  const g = createBuilder('matmul');
  const values = Object.entries(inputs).map(([name, shape]) => g.input(name, shape, 'f32'));
  g.output('y', build(g, g.weight('w', w.shape, w.dtype), ...values));
  const executable = await backend.compile(g.finish(), {
    weights: new Map([['w', backend.loadWeight(w)]]),
    states: new Map(),
    limits: {},
  });
  const random = new Random(3);
  const data = Object.fromEntries(
    Object.entries(inputs).map(([name, [m, n]]) => [name, random.normals(m * n)]),
  );
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const started = performance.now();
    await executable.run({ dims: {}, inputs: data });
    best = Math.min(best, performance.now() - started);
  }
  return best / 1000;
}

async function measure(dtype, rows, narrow) {
  const w = weight(dtype, COLUMNS);
  const seconds = await quickest(w, { x: [rows, DEPTH] }, REPEATS, (g, w, x) =>
    g.matmul(x, null, w, { transposed: true, narrow }),
  );
  return {
    format: dtype,
    rows,
    bits: dtypeInfo(dtype).blockSize === 1 ? 32 : narrow ? 8 : 16,
    products: (rows * COLUMNS * DEPTH) / seconds,
    bytes: w.byteLength / seconds,
  };
}

/** Forward, and backward by activations and by weights, of a layer that 512 tokens go through. */
async function measureTraining(dtype) {
  const [tokens, outs] = [512, 512];
  const w = weight(dtype, outs);
  const products = {
    forward: (g, w, x) => g.matmul(x, null, w, { transposed: true }),
    'by activations': (g, w, x, dy) => g.matmul(dy, null, w, { transposed: false }),
    'by weights': (g, w, x, dy) => g.outersum(dy, x),
  };
  const shapes = { x: [tokens, DEPTH], dy: [tokens, outs] };
  const rates = {};
  for (const [name, build] of Object.entries(products))
    rates[name] = (tokens * outs * DEPTH) / (await quickest(w, shapes, 20, build));
  return { format: dtype, rates };
}

const rows = [];
for (const format of options.format.split(','))
  for (const count of ROWS)
    for (const narrow of dtypeInfo(format).blockSize === 1 ? [false] : [true, false])
      rows.push(await measure(format, count, narrow));
console.log('| weights | rows | bits of activations | G multiply-adds/s | GB/s of weights |');
console.log('| --- | --- | --- | --- | --- |');
for (const { format, rows: count, bits, products, bytes } of rows)
  console.log(
    `| ${format} | ${count} | ${bits} | ${(products / 1e9).toFixed(1)} | ${count === 1 ? (bytes / 1e9).toFixed(1) : ''} |`,
  );
const training = [];
for (const format of ['f32', 'bf16']) training.push(await measureTraining(format));
console.log(`\nTraining, G multiply-adds/s:\n`);
console.log(`| weights | ${Object.keys(training[0].rates).join(' | ')} |`);
console.log('| --- | --- | --- | --- |');
for (const { format, rates } of training)
  console.log(
    `| ${format} | ${Object.values(rates)
      .map((rate) => (rate / 1e9).toFixed(1))
      .join(' | ')} |`,
  );
if (options.json) writeFileSync(options.json, `${JSON.stringify({ rows, training }, null, 2)}\n`);
process.exit(0);
