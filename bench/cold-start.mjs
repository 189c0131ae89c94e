/**
 * From the start of a process to its first token, ours and llama.cpp's in turns, with the file in the page cache and
 * dropped from it. Ours is `steelyard run`: Node's start, the tokenizer, the graph and repacking are in it.
 *
 *   node bench/cold-start.mjs FILE.gguf [--threads N] [--rounds N] [--json FILE]
 */

import { execFileSync, spawn } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { llamaCppProgram } from './peers/build.mjs';
import { startRunner } from './peers/runner.mjs';

const { values: options, positionals } = parseArgs({
  options: {
    threads: { type: 'string', default: `${availableParallelism()}` },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
  allowPositionals: true,
});
const [model] = positionals;
if (!model) {
  console.error('usage: node bench/cold-start.mjs FILE.gguf [--threads N] [--rounds N] [--json FILE]');
  process.exit(2);
}
const command = fileURLToPath(new URL('../packages/steelyard/bin/steelyard.mjs', import.meta.url));
const llama = llamaCppProgram();

/** Milliseconds to the first text, or to the end where the token gives none. */
function ours() {
  const args = ['run', '--raw', '--max-tokens', '1', '--temperature', '0', '--threads', options.threads];
  const started = performance.now();
  const child = spawn(process.execPath, [command, ...args, '-m', model, 'Once upon a time'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let ms;
    child.stdout.once('data', () => (ms = performance.now() - started));
    child.on('close', (code) =>
      code === 0
        ? resolve(ms ?? performance.now() - started)
        : reject(new Error(`steelyard run ended with ${code}`)),
    );
  });
}

async function llamaCpp() {
  const started = performance.now();
  const runner = await startRunner(llama.program, [model, options.threads, '256', 'f16', llama.libraries]);
  await runner.time('prefill 5');
  const ms = performance.now() - started;
  runner.stop();
  return ms;
}

/** Leaves nothing of the file in the page cache. */
const drop = () => execFileSync('dd', [`if=${model}`, 'iflag=nocache', 'count=0', 'status=none']);

/** Seconds to read the file from disk. */
function readSeconds() {
  drop();
  const started = performance.now();
  execFileSync('dd', [`if=${model}`, 'of=/dev/null', 'bs=4M', 'status=none']);
  return (performance.now() - started) / 1000;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const rows = [];
for (const cache of ['warm', 'dropped']) {
  const times = { ours: [], llama: [] };
  for (let round = 0; round < Number(options.rounds); round++) {
    if (cache === 'dropped') drop();
    times.ours.push(await ours());
    if (cache === 'dropped') drop();
    if (llama) times.llama.push(await llamaCpp());
  }
  rows.push({
    pageCache: cache,
    ours: median(times.ours),
    'llama.cpp': llama ? median(times.llama) : null,
    readFile: cache === 'dropped' ? readSeconds() * 1000 : null,
  });
}
const cell = (ms) => (ms === null ? '' : (ms / 1000).toFixed(2));
console.log(`${(statSync(model).size / 1e6).toFixed(0)} MB, ${options.threads} threads; medians\n`);
console.log('| page cache | ours, s | llama.cpp, s | ours / llama.cpp | reading the file, s |');
console.log('| --- | --- | --- | --- | --- |');
for (const row of rows) {
  const ratio = row['llama.cpp'] === null ? '' : `${(row.ours / row['llama.cpp']).toFixed(2)}x`;
  console.log(
    `| ${row.pageCache} | ${cell(row.ours)} | ${cell(row['llama.cpp'])} | ${ratio} | ${cell(row.readFile)} |`,
  );
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
