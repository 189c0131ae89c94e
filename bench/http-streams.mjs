/**
 * Concurrent streams over HTTP: `steelyard serve` beside llama.cpp behind a minimal server (node-llama-cpp, whose context
 * batches its sequences), in turns, on the same file with the same threads. Prompts differ, or share a long beginning.
 *
 *   node bench/http-streams.mjs FILE.gguf [--streams 1,4,16] [--tokens N] [--threads N] [--rounds N] [--json FILE]
 */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  options: {
    streams: { type: 'string', default: '1,4,16' },
    tokens: { type: 'string', default: '32' },
    threads: { type: 'string', default: `${availableParallelism()}` },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
  allowPositionals: true,
});
const [model] = positionals;
if (!model) {
  console.error('usage: node bench/http-streams.mjs FILE.gguf [--streams 1,4,16] [--json FILE]');
  process.exit(2);
}
const counts = options.streams.split(',').map(Number);
const most = Math.max(...counts);
const CONTEXT = 1024;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The first line of a child's output that has a port. */
async function start(args, env = {}) {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^(\d+)$|127\.0\.0\.1:(\d+)/.exec(line);
    if (!port) continue;
    child.stdout.resume();
    return { url: `http://127.0.0.1:${port[1] ?? port[2]}/v1/completions`, stop: () => child.kill() };
  }
  throw new Error(`${args[0]} ended before it listened`);
}

const WORDS = 'the old man and a sea of stars went over into long night with no word for it'.split(' ');
const words = (count, seed) =>
  Array.from({ length: count }, (_, i) => WORDS[(i * 7 + seed * 5 + i * seed) % WORDS.length]).join(' ');
const prompts = {
  short: (stream, round) => words(24, stream + 31 * round + 1),
  'shared beginning': (stream, round) => `${words(60, 3)} ${words(8, stream + 31 * round + 1)}`,
};

/** Tokens, and milliseconds to the first event with text. */
async function complete(url, prompt) {
  const started = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: basename(model, '.gguf'),
      prompt,
      max_tokens: Number(options.tokens),
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
  let [tokens, first, rest] = [0, undefined, ''];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue;
      const event = JSON.parse(line.slice(6));
      if (event.choices?.length > 0) first ??= performance.now() - started;
      tokens = event.usage?.completion_tokens ?? tokens;
    }
  }
  return { tokens, first: first ?? performance.now() - started };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function run(url, count, prompt, round) {
  const started = performance.now();
  const answers = await Promise.all(
    Array.from({ length: count }, (_, stream) => complete(url, prompt(stream, round))),
  );
  const seconds = (performance.now() - started) / 1000;
  return {
    rate: answers.reduce((sum, { tokens }) => sum + tokens, 0) / seconds,
    first: median(answers.map(({ first }) => first)),
  };
}

const servers = {
  ours: await start(
    [
      here('../packages/steelyard/bin/steelyard.mjs'),
      ...['serve', model, '--port', '8790', '--threads', options.threads, '--context', `${CONTEXT}`],
      ...[
        '--no-chat-page',
        '--no-speculation',
        '--data-dir',
        join(tmpdir(), `steelyard-bench-${process.pid}`),
      ],
    ],
    { STEELYARD_API_KEY: '' },
  ),
  'llama.cpp': await start([
    here('peers/llama-cpp-http.mjs'),
    ...[model, options.threads, `${most}`, `${CONTEXT}`],
  ]),
};
const rows = [];
try {
  for (const [kind, prompt] of Object.entries(prompts))
    for (const count of counts) {
      const found = { ours: [], 'llama.cpp': [] };
      // The first round warms up.
      for (let round = 0; round <= Number(options.rounds); round++)
        for (const [name, { url }] of Object.entries(servers)) {
          const result = await run(url, count, prompt, round);
          if (round > 0) found[name].push(result);
        }
      const summary = Object.fromEntries(
        Object.entries(found).map(([name, results]) => [
          name,
          { rate: median(results.map(({ rate }) => rate)), first: median(results.map(({ first }) => first)) },
        ]),
      );
      rows.push({ prompts: kind, streams: count, ...summary });
    }
} finally {
  for (const { stop } of Object.values(servers)) stop();
}
console.log(
  '| prompts | streams | ours, tok/s | llama.cpp, tok/s | ratio | first token, ms | llama.cpp, ms |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const { prompts: kind, streams, ours, 'llama.cpp': peer } of rows)
  console.log(
    `| ${kind} | ${streams} | ${ours.rate.toFixed(1)} | ${peer.rate.toFixed(1)} | ${(ours.rate / peer.rate).toFixed(2)}x ` +
      `| ${ours.first.toFixed(0)} | ${peer.first.toFixed(0)} |`,
  );
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);
