/**
 * What guessing at next tokens gives: the same answers with and without, in turns, of tasks that repeat their prompt, that
 * come with a prediction, and that do neither. Answers must be equal.
 *
 *   node bench/speculation.mjs [--model FILE.gguf] [--rounds N] [--tokens N] [--threads N] [--json FILE]
 *     [--write docs/performance.md]
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openLanguageModel } from '../packages/steelyard/dist/index.js';
import { writeSection } from './cpu/section.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '160' },
    threads: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const path = options.model ?? (await (await import('./default-model.mjs')).defaultModelPath());
const maxTokens = Number(options.tokens);

const code = `export function total(items) {
  let sum = 0;
  for (const item of items) {
    if (item.price === undefined) throw new Error('an item has no price');
    sum += item.price * item.count;
  }
  return sum;
}`;
const letter = `Dear Ms Okafor,
thank you for your order of 12 March. The two lamps left our warehouse this morning and should reach you on Friday. The
chair that you asked for is sold out until April; we can send it then, or take it off your bill. Please tell us which.
Kind regards, Tom Berger`;
const tasks = {
  'code, one name changed': {
    ask: `Rename the variable sum to amount. Answer with the code only.\n\n${code}`,
  },
  'the same with a prediction': {
    ask: `Rename the variable sum to amount. Answer with the code only.\n\n${code}`,
    prediction: code.replaceAll('sum', 'amount'),
  },
  'a letter copied': { ask: `Repeat this letter word for word:\n\n${letter}` },
  'a question about the letter': {
    ask: `${letter}\n\nWhen will the lamps arrive, and what about the chair?`,
  },
  'a story': { ask: 'Tell me a story about a lighthouse keeper and a whale.' },
  'a story, drawn': {
    ask: 'Tell me a story about a lighthouse keeper and a whale.',
    sampling: { temperature: 0.8, topP: 0.95, seed: 1 },
  },
};

const threads = options.threads ? { threads: Number(options.threads) } : {};
const models = {
  plain: await openLanguageModel(path, { ...threads, speculation: false }),
  guessing: await openLanguageModel(path, threads),
};

async function measure(model, { ask, prediction, sampling = { temperature: 0 } }) {
  const before = model.stats();
  const tokens = [];
  let finish;
  const asked = { maxTokens, sampling, ...(prediction && { prediction }) };
  for await (const event of model.chat([{ role: 'user', content: ask }], asked)) {
    if (event.type === 'text') tokens.push(...event.tokens);
    if (event.type === 'finish') finish = event;
  }
  const after = model.stats();
  return {
    tokens,
    perSecond: ((tokens.length - 1) / finish.timing.decodeMs) * 1000,
    guessed: after.guessedTokensTotal - before.guessedTokensTotal,
    right: after.rightGuessesTotal - before.rightGuessesTotal,
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const rows = [];
for (const [task, wanted] of Object.entries(tasks)) {
  const runs = { plain: [], guessing: [] };
  // The first round warms up, and fills the cache of prefixes.
  for (let round = 0; round <= Number(options.rounds); round++)
    for (const [name, model] of Object.entries(models)) {
      const run = await measure(model, wanted);
      if (round > 0) runs[name].push(run);
    }
  const [plain, guessing] = [runs.plain[0], runs.guessing[0]];
  if (plain.tokens.join() !== guessing.tokens.join()) throw new Error(`${task}: the answers differ`);
  rows.push({
    task,
    tokens: plain.tokens.length,
    guessed: guessing.guessed,
    right: guessing.right,
    plain: median(runs.plain.map(({ perSecond }) => perSecond)),
    guessing: median(runs.guessing.map(({ perSecond }) => perSecond)),
  });
}
const table = [
  '| task | tokens | guessed | right | plain, tok/s | guessing, tok/s | ratio |',
  '| --- | --- | --- | --- | --- | --- | --- |',
  ...rows.map(
    ({ task, tokens, guessed, right, plain, guessing }) =>
      `| ${task} | ${tokens} | ${guessed} | ${right} | ${plain.toFixed(1)} | ${guessing.toFixed(1)} | ${(guessing / plain).toFixed(2)}x |`,
  ),
].join('\n');
console.log(table);
if (options.write) writeSection(options.write, 'bench:speculation', table);
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
for (const model of Object.values(models)) await model.dispose();
