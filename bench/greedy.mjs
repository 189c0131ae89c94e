/**
 * Greedy text of our native backend and of llama.cpp on one file: 20 prompts, 64 tokens each. We answer; llama.cpp then
 * scores every token of the answer, and where it would have chosen another, float32 arithmetic says how near to a
 * tie the two tokens are in exact arithmetic. Two roundings may take different sides of a tie, and of nothing else.
 *
 *   node bench/greedy.mjs [--model FILE] [--exact] [--tokens N] [--json FILE]
 *
 * With --exact nothing is rounded by either: the file's weights are written out as float32, and activations and cache
 * are float32 too. What differs then is the order of sums, and llama.cpp's table of halves for GELU; a gap that moves
 * farther than these can move it is an error of one of the two. Ends with 1 when a difference is no tie. llama.cpp comes from `npm --prefix bench ci --ignore-scripts`.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createCpuBackend } from '../packages/backend-cpu/dist/index.js';
import { openModel } from '../packages/formats/dist/node/index.js';
import { tokenizerFromGguf } from '../packages/text/dist/index.js';
import { openLlamaCpp } from './llama-cpp.mjs';
import { logitsOf } from './step-logits.mjs';
import { writeWidened } from './widen.mjs';

const CONTEXT = 256;
/**
 * How far a gap may move with --exact, in logits. Sums in another order move it by some 1e-5. llama.cpp looks GELU up in
 * a table of halves (GGML_GELU_FP16); put into our reference backend, the same rounding moves logits by 0.007.
 */
const EXACT_BOUNDS = { gelu: 0.02, other: 0.001 };

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    exact: { type: 'boolean', default: false },
    tokens: { type: 'string', default: '64' },
    json: { type: 'string' },
  },
});
const path = options.model ?? (await (await import('./default-model.mjs')).defaultModelPath());
const wanted = Number(options.tokens);
const file = openModel(path);
if (file.format !== 'gguf') throw new Error(`${path}: the peer reads GGUF only; give a .gguf file`);
const peer = await openPeer();
if (!peer) throw new Error('llama.cpp is not installed; run: npm --prefix bench ci --ignore-scripts');
const tokenizer = tokenizerFromGguf(file.metadata);
// Float32 throughout, with the published weights: within 1e-6 of the reference backend, and much faster.
const exactly = await logitsOf(file, createCpuBackend({ activations: 'f32' }), 'f32', CONTEXT, CONTEXT);
const ours = options.exact ? exactly : await logitsOf(file, createCpuBackend(), undefined, CONTEXT, CONTEXT);
const prompts = readFileSync(new URL('data/prompts.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

const hasGelu = exactly.model.graph.nodes.some(
  ({ op, attrs }) => op === 'gelu' || /^gelu/.test(`${attrs.activation}`),
);
const exactBound = EXACT_BOUNDS[hasGelu ? 'gelu' : 'other'];
/** How far llama.cpp's difference of the two likeliest logits is from ours, where both choose alike. */
const noise = [];
const rows = [];
let scored = 0;

for (const [i, text] of prompts.entries()) {
  const prompt = tokenizer.encode(text);
  const { tokens, logits } = await answer(prompt);
  const whole = [...prompt, ...tokens.slice(0, -1)];
  const first = prompt.length - 1;
  await peer.reset();
  const chosen = (await peer.choose(whole)).slice(first);
  const differences = tokens.flatMap((token, at) =>
    chosen[at] === token ? [] : [{ at, ours: token, theirs: chosen[at] }],
  );
  scored += tokens.length;
  // Where both choose alike, the gap to our second choice tells how far the roundings are apart.
  const pairs = tokens.map((token, at) => {
    const other = chosen[at] === token ? argmax(logits[at], token) : chosen[at];
    return { at, a: token, b: other };
  });
  await peer.reset();
  const theirs = await peer.gaps(
    whole,
    pairs.map(({ at, a, b }) => ({ at: first + at, a, b })),
  );
  const gapOf = (row, { a, b }) => row[a] - row[b];
  tokens.forEach((token, at) => {
    if (chosen[at] === token) noise.push(Math.abs(gapOf(logits[at], pairs[at]) - theirs[at]));
  });
  const places = differences.map(({ at }) => first + at);
  const exact = places.length > 0 ? await exactly.evaluate(whole, 0, places) : [];
  for (const [n, difference] of differences.entries()) {
    const { at } = difference;
    const pair = pairs[at];
    difference.gaps = {
      exact: gapOf(exact[n], pair),
      ours: gapOf(logits[at], pair),
      'llama.cpp': theirs[at],
    };
  }
  rows.push({ prompt: text, answer: tokenizer.decode(tokens), tokens: tokens.length, differences });
  process.stderr.write(`\r${i + 1} of ${prompts.length} prompts`);
}
process.stderr.write('\n');

/** llama.cpp with the file, or with its weights as float32; then its cache is float32 too. */
async function openPeer() {
  if (!options.exact) return openLlamaCpp(path, CONTEXT, { threads: 1 });
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-widened-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  const widened = join(folder, 'widened.gguf');
  writeWidened(file, widened);
  return openLlamaCpp(widened, CONTEXT, { threads: 1, exact: true });
}

/** Our greedy answer, and the logits that each of its tokens was chosen by. */
async function answer(prompt) {
  const tokens = [];
  const logits = [];
  let rows = await ours.evaluate(prompt, 0, [prompt.length - 1]);
  while (tokens.length < wanted) {
    logits.push(rows[0].slice());
    const next = argmax(rows[0]);
    tokens.push(next);
    if (tokenizer.eosIds.includes(next)) break;
    rows = await ours.evaluate([next], prompt.length + tokens.length - 1);
  }
  return { tokens, logits };
}

function argmax(values, except = -1) {
  let best = except === 0 ? 1 : 0;
  for (let i = 1; i < values.length; i++) if (i !== except && values[i] > values[best]) best = i;
  return best;
}

noise.sort((a, b) => a - b);
const rounding = noise.at(-1) ?? 0;
const all = rows.flatMap(({ prompt, differences }) => differences.map((d) => ({ prompt, ...d })));
const equal = rows.filter(({ differences }) => differences.length === 0).length;
const noTie = all.filter(({ gaps }) => Math.abs(gaps.exact) > rounding);
const ourWay = all.filter(({ gaps }) => gaps.exact >= 0).length;
console.log(
  `${file.name}${options.exact ? ', float32 throughout' : ''}: ${prompts.length} prompts, ${scored} tokens`,
);
console.log(
  `${equal} texts equal; ${all.length} of ${scored} tokens differ, ${all.length - noTie.length} of them ties; ` +
    `exact arithmetic sides with ours in ${ourWay} of ${all.length}`,
);
console.log(
  `between the two roundings the gap of the two likeliest moves by ${median(noise).toFixed(5)} (median) to ${rounding.toFixed(5)} (largest)`,
);
if (all.length > 0) {
  console.log('\n| prompt | token | ours | llama.cpp | gap, exact | gap, ours | gap, llama.cpp |');
  console.log('|---|---|---|---|---|---|---|');
}
for (const { prompt, at, ours: a, theirs: b, gaps } of all) {
  const cells = [gaps.exact, gaps.ours, gaps['llama.cpp']].map((gap) => gap.toFixed(4));
  const words = [a, b].map((id) => codeSpan(tokenizer.decode([id])));
  console.log(`| ${prompt} | ${at + 1} | ${[...words, ...cells].join(' | ')} |`);
}
if (options.json) writeFileSync(options.json, `${JSON.stringify({ rounding, rows }, null, 2)}\n`);
const moved = options.exact && rounding > exactBound;
if (moved) {
  console.log(
    `\nfloat32 on both sides must not move a gap by ${rounding.toFixed(3)}; the bound is ${exactBound}`,
  );
}
process.exit(noTie.length > 0 || moved ? 1 : 0);

function median(sorted) {
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Text as a table shows it: what would end the span or the cell is escaped. */
function codeSpan(text) {
  const escaped = JSON.stringify(text).slice(1, -1);
  return `\`${escaped.replaceAll('`', '\\u0060').replaceAll('|', '\\u007c')}\``;
}
