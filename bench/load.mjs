/**
 * Many clients at once against `steelyard serve`: long and short requests, streaming and not, some held to a schema.
 * Each asks for its own marker and checks that it gets it, checks that a greedy answer is the same each time, whatever
 * else runs, and takes nothing but 200 and 429. Ends with 1 when a stream was mixed up, an error came, or memory grew.
 *
 *   npm run bench:load -- [--minutes N] [--clients N] [--model NAME] [--url URL] [--json FILE] [--write docs/performance.md]
 */

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    clients: { type: 'string', default: '200' },
    model: { type: 'string' },
    url: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const minutes = Number(options.minutes);
const clients = Number(options.clients);
/** Growth of memory from the second quarter of the run to the last that counts as none. */
const FLAT = 1.1;
const SAMPLE_MS = 2000;
const WORDS = 'river stone light paper garden winter engine music window bread coast answer'.split(' ');

/** A request of each kind; tells what is wrong with its answer, if anything is. */
const ask = {
  /** A schema that only the client's own marker fits: another's text cannot pass for it. */
  async schema({ marker, long, next }) {
    const schema = {
      type: 'object',
      properties: { marker: { const: marker }, text: { type: 'string', maxLength: long ? 200 : 40 } },
      required: ['marker', 'text'],
      additionalProperties: false,
    };
    const { text } = await post('/v1/chat/completions', {
      messages: [{ role: 'user', content: words(next, long ? 300 : 20) }],
      response_format: { type: 'json_schema', json_schema: { name: 'marked', schema } },
      max_completion_tokens: 300,
    });
    if (!text.startsWith(`{`) || !text.includes(marker)) return `got ${text.slice(0, 80)}`;
  },
  /** The prompt comes back before its continuation. */
  async echo({ marker, long, next }) {
    const prompt = `${marker} ${words(next, long ? 300 : 10)}`;
    const { text } = await post('/v1/completions', { prompt, echo: true, max_tokens: long ? 100 : 16 });
    if (!text.startsWith(prompt)) return `got ${text.slice(0, 80)}`;
  },
  /** Batch invariance: alone or beside 199 others, the same. */
  async greedy({ long, index, greedy }) {
    const prompt = `Client ${index} asks: ${words(random(index + 7), long ? 200 : 12)}`;
    const { text } = await post('/v1/completions', { prompt, temperature: 0, max_tokens: long ? 64 : 24 });
    const before = greedy.get(long) ?? text;
    greedy.set(long, before);
    if (text !== before) return `said ${JSON.stringify(text)} after ${JSON.stringify(before)}`;
  },
};

const server = options.url ? { url: options.url } : await startServer();
const model = await firstModel(server.url);
const tally = { answers: 0, busy: 0, errors: [], mixed: [], tokens: 0, first: [], whole: [] };
const memory = [];
const end = Date.now() + minutes * 60_000;
const started = Date.now();
/** What is on its way at the end is left, and not counted. */
const over = AbortSignal.timeout(minutes * 60_000);
const sampler = setInterval(sampleMemory, SAMPLE_MS);
await Promise.all(Array.from({ length: clients }, (_, i) => runClient(i)));
clearInterval(sampler);
const report = summarise();
print(report);
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
if (options.write) writeSection(options.write, report);
server.child?.kill('SIGTERM');
// A run in which nothing was answered shows nothing.
const failed = report.answers === 0 || report.errors + report.mixedUp > 0 || report.memory?.flat === false;
process.exitCode = failed ? 1 : 0;

async function startServer() {
  const script = fileURLToPath(new URL('../packages/steelyard/bin/steelyard.mjs', import.meta.url));
  const args = [script, 'serve', ...(options.model ? [options.model] : []), '--port', '0', '--no-chat-page'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /(http:\/\/\S+?)\/v1\b/.exec(line)?.[1];
    if (url) return { url, child };
  }
  throw new Error('the server ended before it told its address');
}

async function firstModel(url) {
  const { data } = await (await fetch(`${url}/v1/models`)).json();
  return data.find(({ steelyard }) => steelyard?.state === 'loaded')?.id ?? data[0].id;
}

/** The kinds of request, in turn: short and long, by schema, greedy, with the prompt told back. */
async function runClient(index) {
  const next = random(index + 1);
  const greedy = new Map();
  // Not all in the same moment.
  await sleep(next(2000));
  for (let turn = 0; Date.now() < end; turn++) {
    const kind = ['schema', 'echo', 'greedy'][(index + turn) % 3];
    const marker = `c${index}-${turn}-${next(1e6)}`;
    const long = next(4) === 0;
    try {
      const problem = await ask[kind]({ marker, long, next, index, greedy });
      if (problem) tally.mixed.push(`${kind} ${marker}: ${problem}`);
    } catch (error) {
      if (!over.aborted) tally.errors.push(`${kind} ${marker}: ${error.message}`);
    }
  }
}

/** Streams, and waits where the server says that it is busy. */
async function post(path, body) {
  const since = performance.now();
  for (;;) {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: over,
      body: JSON.stringify({ model, stream: true, stream_options: { include_usage: true }, ...body }),
    });
    if (response.status === 429) {
      tally.busy++;
      await response.text();
      await sleep(1000 * Number(response.headers.get('retry-after') ?? 1));
      continue;
    }
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 200)}`);
    return readStream(response, since);
  }
}

async function readStream(response, since) {
  let text = '';
  let first;
  let id;
  let usage;
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk, { stream: true });
    const frames = rest.split('\n\n');
    rest = frames.pop();
    for (const frame of frames) {
      const data = frame.slice('data: '.length);
      if (data === '[DONE]') continue;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      id ??= event.id;
      if (event.id !== id) throw new Error(`a chunk of ${event.id} in the stream of ${id}`);
      usage = event.usage ?? usage;
      const piece = event.choices[0]?.delta?.content ?? event.choices[0]?.text ?? '';
      if (piece !== '') first ??= performance.now() - since;
      text += piece;
    }
  }
  if (!usage) throw new Error('the stream ended early');
  tally.answers++;
  tally.tokens += usage.completion_tokens;
  tally.first.push(first ?? performance.now() - since);
  tally.whole.push(performance.now() - since);
  return { text };
}

function sampleMemory() {
  if (!server.child) return;
  try {
    const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
    memory.push(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024);
  } catch {
    // Not Linux: memory is not told.
  }
}

function summarise() {
  const seconds = (Date.now() - started) / 1000;
  const quarter = (n) =>
    memory.slice(Math.floor((memory.length * n) / 4), Math.floor((memory.length * (n + 1)) / 4));
  const [early, late] = [mean(quarter(1)), mean(quarter(3))];
  return {
    when: new Date().toISOString().slice(0, 10),
    processor: cpus()[0].model,
    cores: cpus().length,
    model,
    clients,
    seconds: Math.round(seconds),
    answers: tally.answers,
    busy: tally.busy,
    errors: tally.errors.length,
    mixedUp: tally.mixed.length,
    examples: [...tally.errors, ...tally.mixed].slice(0, 5),
    tokensPerSecond: tally.tokens / seconds,
    firstTokenMs: percentiles(tally.first),
    wholeMs: percentiles(tally.whole),
    ...(memory.length >= 8
      ? { memory: { early, late, most: Math.max(...memory), flat: late <= early * FLAT } }
      : {}),
  };
}

function table(report) {
  const ms = ({ p50, p95, p99 }) =>
    [p50, p95, p99].map((value) => `${(value / 1000).toFixed(1)} s`).join(' / ');
  const mib = (bytes) => `${Math.round(bytes / 1048576)} MiB`;
  const rows = [
    ['clients, minutes', `${report.clients}, ${(report.seconds / 60).toFixed(1)}`],
    ['answers', String(report.answers)],
    ['answered 429', String(report.busy)],
    ['errors', String(report.errors)],
    ['streams mixed up, greedy answers that changed', String(report.mixedUp)],
    ['tokens per second, all together', report.tokensPerSecond.toFixed(0)],
    ['first token, p50 / p95 / p99', ms(report.firstTokenMs)],
    ['whole answer, p50 / p95 / p99', ms(report.wholeMs)],
    ...(report.memory
      ? [
          [
            'memory, second quarter / last / most',
            [report.memory.early, report.memory.late, report.memory.most].map(mib).join(' / '),
          ],
        ]
      : []),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const values = Math.max(...rows.map(([, value]) => value.length), 5);
  return [
    `| ${''.padEnd(width)} | ${'value'.padStart(values)} |`,
    `| ${'-'.repeat(width)} | ${'-'.repeat(values - 1)}: |`,
    ...rows.map(([name, value]) => `| ${name.padEnd(width)} | ${value.padStart(values)} |`),
  ].join('\n');
}

function print(report) {
  console.log(table(report));
  for (const line of report.examples) console.log(line);
}

/** Between its marks, made at the end of the file where there are none. */
function writeSection(file, report) {
  const [open, close] = ['<!-- bench:load -->', '<!-- /bench:load -->'];
  const section =
    `${open}\n\n${report.model} on ${report.processor} (${report.cores} cores), ${report.when}, by \`npm run bench:load -- --minutes ${minutes}\`:\n\n` +
    `${table(report)}\n\n${close}`;
  const text = readFileSync(file, 'utf8');
  const marked = new RegExp(`${open}[^]*${close}`);
  const heading = '## Many clients at once';
  writeFileSync(
    file,
    marked.test(text) ? text.replace(marked, section) : `${text.trimEnd()}\n\n${heading}\n\n${section}\n`,
  );
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function words(next, count) {
  return Array.from({ length: count }, () => WORDS[next(WORDS.length)]).join(' ');
}

/** The same for the same seed, so that a run can be repeated. */
function random(seed) {
  let state = (seed * 2_654_435_761) % 2_147_483_647 || 1;
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below;
}
