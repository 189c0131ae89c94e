/**
 * Many clients at once against `steelyard serve`: long and short requests, streaming and not, some held to a schema.
 * Each asks for its own marker and checks that it gets it, checks that a greedy answer is the same each time, whatever
 * else runs, and takes nothing but 200 and 429. Ends with 1 when a stream was mixed up, an error came, or memory grew.
 * With a peer, llama.cpp's own server takes the same load afterwards; it knows no `echo`, so there that is not checked.
 *
 *   npm run bench:load -- [--minutes N] [--clients N] [--model NAME] [--url URL] [--peer LLAMA-SERVER --file FILE.gguf]
 *     [--json FILE] [--write docs/performance.md]
 */

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSection } from './cpu/section.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    clients: { type: 'string', default: '200' },
    model: { type: 'string' },
    url: { type: 'string' },
    peer: { type: 'string' },
    file: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const minutes = Number(options.minutes);
const clients = Number(options.clients);
/** Requests at once for the peer: of 4, 16 and 64, the number with which it is fastest. */
const PEER_SLOTS = 16;
const PEER_CONTEXT = 2048;
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
    if (!server.isPeer && !text.startsWith(prompt)) return `got ${text.slice(0, 80)}`;
  },
  /** Batch invariance: alone or beside 199 others, the same. */
  async greedy({ long, index, greedy }) {
    const prompt = `Client ${index} asks: ${words(random(index + 7), long ? 200 : 12)}`;
    const { text } = await post('/v1/completions', { prompt, temperature: 0, max_tokens: long ? 64 : 24 });
    const before = greedy.get(long) ?? text;
    greedy.set(long, before);
    if (text !== before) tally.changed.push(`said ${JSON.stringify(text)} after ${JSON.stringify(before)}`);
  },
};

if (options.peer && !options.file) throw new Error('--peer needs --file, the model for it to load');
let server = options.url ? { url: options.url } : await startServer();
let model;
let tally;
let memory;
let end;
let started;
let over;
const report = await load();
if (options.peer) {
  server = await startPeer();
  report.peer = await load();
}
print(report);
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
if (options.write) writeSection(options.write, 'bench:load', sectionOf(report));
// A run in which nothing was answered shows nothing.
const failed =
  report.answers === 0 ||
  report.errors + report.mixedUp + report.changed > 0 ||
  report.memory?.flat === false;
process.exitCode = failed ? 1 : 0;

async function load() {
  model = await firstModel(server.url);
  tally = { answers: 0, busy: 0, errors: [], mixed: [], changed: [], tokens: 0, first: [], whole: [] };
  memory = [];
  started = Date.now();
  end = started + minutes * 60_000;
  /** What is on its way at the end is left, and not counted. */
  over = AbortSignal.timeout(minutes * 60_000);
  const sampler = setInterval(sampleMemory, SAMPLE_MS);
  await Promise.all(Array.from({ length: clients }, (_, i) => runClient(i)));
  clearInterval(sampler);
  server.child?.kill('SIGTERM');
  return summarise();
}

async function startPeer() {
  const context = ['-np', PEER_SLOTS, '-c', PEER_SLOTS * PEER_CONTEXT].map(String);
  const args = ['-m', options.file, '--port', '8643', '-t', String(cpus().length), ...context];
  const child = spawn(options.peer, args, { stdio: 'ignore' });
  const url = 'http://127.0.0.1:8643';
  while (child.exitCode === null) {
    const health = await fetch(`${url}/health`).catch(() => undefined);
    if (health?.ok) return { url, child, isPeer: true };
    await sleep(200);
  }
  throw new Error(`${options.peer} ended with ${child.exitCode} before it was ready`);
}

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
    changed: tally.changed.length,
    examples: [...tally.errors, ...tally.mixed, ...tally.changed].slice(0, 5),
    tokensPerSecond: tally.tokens / seconds,
    firstTokenMs: percentiles(tally.first),
    wholeMs: percentiles(tally.whole),
    ...(memory.length >= 8
      ? { memory: { early, late, most: Math.max(...memory), flat: late <= early * FLAT } }
      : {}),
  };
}

function table(report) {
  const columns = { Steelyard: report, ...(report.peer && { 'llama-server': report.peer }) };
  const ms = ({ p50, p95, p99 }) =>
    [p50, p95, p99].map((value) => `${(value / 1000).toFixed(1)} s`).join(' / ');
  const mib = (bytes) => `${Math.round(bytes / 1048576)} MiB`;
  const rows = {
    'clients, minutes': (of) => `${of.clients}, ${(of.seconds / 60).toFixed(1)}`,
    answers: (of) => String(of.answers),
    'answered 429': (of) => String(of.busy),
    errors: (of) => String(of.errors),
    'streams mixed up': (of) => String(of.mixedUp),
    'greedy answers that changed': (of) => String(of.changed),
    'tokens per second, all together': (of) => of.tokensPerSecond.toFixed(0),
    'first token, p50 / p95 / p99': (of) => ms(of.firstTokenMs),
    'whole answer, p50 / p95 / p99': (of) => ms(of.wholeMs),
    'memory, second quarter / last / most': ({ memory: m }) =>
      m ? [m.early, m.late, m.most].map(mib).join(' / ') : '',
  };
  const reports = Object.values(columns);
  return [
    `| | ${Object.keys(columns).join(' | ')} |`,
    `| --- | ${reports.map(() => '---:').join(' | ')} |`,
    ...Object.entries(rows).map(([name, cell]) => `| ${name} | ${reports.map(cell).join(' | ')} |`),
  ].join('\n');
}

function print(report) {
  console.log(table(report));
  for (const line of report.examples) console.log(line);
}

function sectionOf(report) {
  return (
    `${report.model} on ${report.processor} (${report.cores} cores), ${report.when}, by \`npm run bench:load -- --minutes ${minutes}\`` +
    `${report.peer ? `; llama-server with ${PEER_SLOTS} slots takes the same load afterwards` : ''}:\n\n${table(report)}`
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
