/**
 * JavaScript's share of a decode step through the engine: processor time of the main thread, of the time that a step
 * takes. Kernels run on other threads, so what it does is JavaScript: step inputs, sampling, text, events. (The event
 * loop's own utilisation would count as busy what the thread waits for a core while kernels hold them all.) Linux only.
 *
 *   node bench/javascript.mjs --model FILE.gguf [--tokens N] [--threads N] [--json FILE]
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { openLanguageModel } from '../packages/steelyard/dist/index.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    tokens: { type: 'string', default: '128' },
    threads: { type: 'string' },
    json: { type: 'string' },
  },
});
const path = options.model ?? (await (await import('./default-model.mjs')).defaultModelPath());
const maxTokens = Number(options.tokens);
const model = await openLanguageModel(path, {
  ...(options.threads && { threads: Number(options.threads) }),
  speculation: false,
});

/** Milliseconds that the main thread has run: the first field of its schedstat. */
function threadMs() {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

async function measure(sampling) {
  let started;
  for await (const event of model.complete('Once upon a time', { maxTokens, sampling, ignoreEos: true })) {
    // The prompt's step is over with the first text.
    if (event.type === 'text')
      started ??= { at: performance.now(), ran: threadMs(), steps: model.stats().stepsTotal };
  }
  const steps = model.stats().stepsTotal - started.steps;
  return { stepMs: (performance.now() - started.at) / steps, scriptMs: (threadMs() - started.ran) / steps };
}

const cases = {
  greedy: { temperature: 0 },
  'temperature 0.8, top-p 0.95': { temperature: 0.8, topP: 0.95, seed: 1 },
  'top-k 40, repetition 1.1': { temperature: 0.8, topK: 40, repetitionPenalty: 1.1, seed: 1 },
};
const rows = [];
for (const [name, sampling] of Object.entries(cases)) {
  await measure(sampling);
  rows.push({ sampling: name, ...(await measure(sampling)) });
}
console.log('| sampling | ms per token | JavaScript, us | share |');
console.log('|---|---|---|---|');
for (const { sampling, stepMs, scriptMs } of rows)
  console.log(
    `| ${sampling} | ${stepMs.toFixed(2)} | ${(scriptMs * 1000).toFixed(0)} | ${((scriptMs / stepMs) * 100).toFixed(1)}% |`,
  );
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
await model.dispose();
