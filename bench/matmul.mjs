/**
 * The product kernels alone, on one thread: multiply-adds per second by weight format, rows of activations (1 is decode,
 * 32 prefill) and bits of activations. Best of many short runs, so that a busy machine disturbs little.
 *
 *   node bench/matmul.mjs [--format NAME,...] [--level avx2] [--json FILE]
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createCpuBackend } from '../packages/backend-cpu/dist/index.js';
import { createBuilder, dtypeInfo, Random } from '../packages/graph/dist/index.js';

const { values: options } = parseArgs({
  options: {
    format: { type: 'string', default: 'q4_0,q4_k,q5_k,q6_k,q8_0,f16,bf16' },
    level: { type: 'string' },
    json: { type: 'string' },
  },
});
const DEPTH = 2048;
const COLUMNS = { 1: 1024, 32: 128 };
const REPEATS = 400;

/** Values are finite: the second byte of every half, which is a scale's in some formats, stays small. */
function weight(dtype, rows) {
  const info = dtypeInfo(dtype);
  const bytes = new Uint8Array(((rows * DEPTH) / info.blockSize) * info.blockBytes);
  const random = new Random(7);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.next() * (i % 2 ? 0x3c : 256);
  return { dtype, shape: [rows, DEPTH], byteLength: bytes.length, bytes: () => bytes };
}

async function measure(dtype, rows, narrow) {
  const columns = COLUMNS[rows];
  const w = weight(dtype, columns);
  const backend = createCpuBackend({ threads: 1, ...(options.level && { level: options.level }) });
  const g = createBuilder('matmul');
  const x = g.input('x', [rows, DEPTH], 'f32');
  g.output('y', g.matmul(x, null, g.weight('w', w.shape, dtype), { transposed: true, narrow }));
  const executable = await backend.compile(g.finish(), {
    weights: new Map([['w', backend.loadWeight(w)]]),
    states: new Map(),
    limits: {},
  });
  const inputs = { x: new Random(3).normals(rows * DEPTH) };
  let best = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const started = performance.now();
    await executable.run({ dims: {}, inputs });
    best = Math.min(best, performance.now() - started);
  }
  const seconds = best / 1000;
  return {
    format: dtype,
    rows,
    bits: dtypeInfo(dtype).blockSize === 1 ? 32 : narrow ? 8 : 16,
    products: (rows * columns * DEPTH) / seconds,
    bytes: w.byteLength / seconds,
  };
}

const rows = [];
for (const format of options.format.split(','))
  for (const count of [1, 32])
    for (const narrow of dtypeInfo(format).blockSize === 1 ? [false] : [true, false])
      rows.push(await measure(format, count, narrow));
console.log('| weights | rows | bits of activations | G multiply-adds/s | GB/s of weights |');
console.log('| --- | --- | --- | --- | --- |');
for (const { format, rows: count, bits, products, bytes } of rows)
  console.log(
    `| ${format} | ${count} | ${bits} | ${(products / 1e9).toFixed(1)} | ${count === 1 ? (bytes / 1e9).toFixed(1) : ''} |`,
  );
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);
