/**
 * How close our native backend is to our float32 reference and to llama.cpp, on one real file, token by token:
 * top-1 agreement, mean KL divergence, and the perplexity of each, over real English text.
 *
 *   npm run bench:quality -- [--model FILE] [--tokens N] [--cache q8_0] [--json FILE] [--skip-peer] [--baseline int16]
 *
 * `--baseline int16` takes our native backend with 16 bits to every activation for the reference: minutes instead of an
 * hour, and within 1e-6 of it.
 *
 * llama.cpp comes from `npm --prefix bench ci --ignore-scripts`; without it the peer's column is left out.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createCpuBackend } from '../packages/backend-cpu/dist/index.js';
import { createReferenceBackend } from '../packages/backend-reference/dist/index.js';
import { tokenizerFromGguf } from '../packages/text/dist/index.js';
import { openModel } from '../packages/formats/dist/node/index.js';

import { logitsOf } from './step-logits.mjs';
import { openLlamaCpp } from './llama-cpp.mjs';

const CHUNK = 256;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    tokens: { type: 'string', default: '2048' },
    json: { type: 'string' },
    'skip-peer': { type: 'boolean', default: false },
    baseline: { type: 'string', default: 'reference' },
    cache: { type: 'string', default: 'f16' },
  },
});

const path = options.model ?? (await (await import('./default-model.mjs')).defaultModelPath());
const file = openModel(path);
if (file.format !== 'gguf') throw new Error(`${path}: the peer reads GGUF only; give a .gguf file`);
const text = readFileSync(new URL('data/english.txt', import.meta.url), 'utf8');
const tokens = tokenizerFromGguf(file.metadata).encode(text).slice(0, Number(options.tokens));

const baselines = {
  reference: () => logitsOf(file, createReferenceBackend(), 'f32', tokens.length, CHUNK),
  int16: () => logitsOf(file, createCpuBackend({ activations: 'int16' }), undefined, tokens.length, CHUNK),
};
const baseline = options.baseline;
if (!(baseline in baselines)) throw new Error(`--baseline must be ${Object.keys(baselines).join(' or ')}`);
const systems = {
  [baseline]: await baselines[baseline](),
  native: await logitsOf(file, createCpuBackend(), options.cache, tokens.length, CHUNK),
};
if (!options['skip-peer']) {
  const peer = await openLlamaCpp(path, tokens.length, { cache: options.cache });
  if (peer) systems['llama.cpp'] = peer;
  else console.error('llama.cpp is not installed; run: npm --prefix bench ci --ignore-scripts');
}

const names = Object.keys(systems);
const sums = Object.fromEntries(names.map((name) => [name, { nll: 0, kl: 0, top1: 0 }]));
let scored = 0;

for (let start = 0; start < tokens.length; start += CHUNK) {
  const part = tokens.slice(start, start + CHUNK);
  const rows = {};
  for (const name of names) rows[name] = await systems[name].evaluate(part, start);
  part.forEach((_, i) => {
    const next = tokens[start + i + 1];
    if (next === undefined) return;
    scored++;
    const reference = logSoftmax(rows[baseline][i]);
    const best = argmax(reference);
    for (const name of names) {
      const q = name === baseline ? reference : logSoftmax(rows[name][i]);
      sums[name].nll -= q[next];
      sums[name].kl += divergence(reference, q);
      sums[name].top1 += argmax(q) === best ? 1 : 0;
    }
  });
  process.stderr.write(`\r${Math.min(start + CHUNK, tokens.length)} of ${tokens.length} tokens`);
}
process.stderr.write('\n');

function logSoftmax(logits) {
  let top = -Infinity;
  for (const v of logits) if (v > top) top = v;
  let total = 0;
  for (const v of logits) total += Math.exp(v - top);
  const shift = top + Math.log(total);
  return Float64Array.from(logits, (v) => v - shift);
}

function divergence(p, q) {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.exp(p[i]) * (p[i] - q[i]);
  return sum;
}

function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

const rows = names.map((name) => ({
  system: name,
  tokens: scored,
  perplexity: Math.exp(sums[name].nll / scored),
  meanKlToReference: sums[name].kl / scored,
  top1AgreementWithReference: sums[name].top1 / scored,
}));
console.log(`${file.name}: ${scored} tokens of bench/data/english.txt`);
console.log(`| system | perplexity | mean KL to ${baseline} | top-1 agreement |`);
console.log('|---|---|---|---|');
for (const r of rows) {
  console.log(
    `| ${r.system} | ${r.perplexity.toFixed(4)} | ${r.meanKlToReference.toFixed(6)} | ${(100 * r.top1AgreementWithReference).toFixed(2)}% |`,
  );
}
if (options.json) writeFileSync(options.json, JSON.stringify(rows, null, 2) + '\n');
process.exit(0);
