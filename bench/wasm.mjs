/**
 * Our WebAssembly backend beside its peers on the 135M shape in Q4_0 with the same threads, in Node and in Chromium: runs
 * take turns A B A B, medians are quoted, and a ratio is printed only when the spread is at most 15%.
 *
 *   npm run bench:wasm -- [--case REGEX] [--rounds N] [--json FILE] [--write docs/performance.md]
 *
 * With --case, --write replaces the rows of those cases alone.
 *
 * Peers (npm --prefix bench ci): wllama, which is llama.cpp, in Chromium only, as it needs a browser's workers;
 * onnxruntime-web, and transformers.js with its own generate loop around it, on a file of the same shape
 * (bench/peers/make-onnx.mjs).
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'vite';
import { findChromium, openPage } from '../scripts/browser/chromium.mjs';
import { startSite } from '../scripts/browser/serve.mjs';
import { writeTable } from './cpu/section.mjs';
import { rowOf } from './cpu/statistics.mjs';
import { markdownTable } from './cpu/table.mjs';
import { cacheFolder } from './peers/build.mjs';
import { startRunner } from './peers/runner.mjs';
import { wasmFloors } from './wasm-floors.mjs';

const CONTEXT = 1024;
/** Weights that a token of a prompt is multiplied by, those of the layers, and a token of decode, with the head. */
const WEIGHTS = { prefill: 106e6, decode: 134.5e6 };
const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    prefill: { type: 'string', default: '512' },
    decode: { type: 'string', default: '16' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const COMMANDS = [
  { name: 'prefill', command: 'prefill', args: [Number(options.prefill)], tokens: Number(options.prefill) },
  { name: 'decode', command: 'decode', args: [128, Number(options.decode)], tokens: Number(options.decode) },
];
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

function made(name, script, args = []) {
  const path = join(cacheFolder(), name);
  if (!existsSync(path)) {
    console.error(`writing ${path}`);
    execFileSync(process.execPath, [here(script), ...args, `${path}.new`]);
    renameSync(`${path}.new`, path);
  }
  return path;
}

/** Folder of an installed peer's package; undefined where it is not installed. */
function peerFolder(name) {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return entry.slice(0, entry.lastIndexOf(`/${name}/`) + name.length + 2);
  } catch {
    return undefined;
  }
}

const gguf = made('135m-q4_0.gguf', 'make-model.mjs', ['--shape', '135m', '--format', 'q4_0']);
const onnx = made('135m-onnx', 'peers/make-onnx.mjs');
const folders = {
  wllama: peerFolder('@wllama/wllama'),
  'onnxruntime-web': peerFolder('onnxruntime-web'),
  'transformers.js': peerFolder('@huggingface/transformers'),
};
/** Peers in Node, by their scripts. */
const NODE_PEERS = { 'onnxruntime-web': 'peers/onnx.mjs', 'transformers.js': 'peers/transformers.mjs' };
for (const [name, folder] of Object.entries(folders))
  if (!folder) console.error(`${name} is not installed; run: npm --prefix bench ci --ignore-scripts`);

async function measureNode(threads) {
  const runners = {
    ours: await startRunner(process.execPath, [
      here('peers/steelyard.mjs'),
      gguf,
      `${threads}`,
      `${CONTEXT}`,
      'f16',
      'wasm',
    ]),
  };
  for (const [name, script] of Object.entries(NODE_PEERS))
    if (folders[name])
      runners[name] = await startRunner(process.execPath, [here(script), onnx, `${threads}`]);
  const times = Object.fromEntries(Object.keys(runners).map((name) => [name, COMMANDS.map(() => [])]));
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const [i, { command, args }] of COMMANDS.entries()) {
      for (const [name, runner] of Object.entries(runners)) {
        const ms = await runner.time([command, ...args].join(' '));
        if (round > 0) times[name][i].push(ms);
      }
    }
  }
  for (const runner of Object.values(runners)) runner.stop();
  return { times, description: runners.ours.description };
}

/**
 * Bundles transformers.js for the page, as its web build names its runtime by packages; where that runtime lies, or
 * undefined where it is not installed.
 */
async function bundleTransformers(folder, out) {
  if (!folder) return undefined;
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      outDir: out,
      emptyOutDir: false,
      target: 'es2023',
      rollupOptions: {
        input: join(folder, 'dist', 'transformers.web.js'),
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: 'transformers.js' },
      },
    },
  });
  return dirname(createRequire(join(folder, 'package.json')).resolve('onnxruntime-web'));
}

async function measureChromium(chromium, threads) {
  const app = mkdtempSync(join(tmpdir(), 'wasm-bench-'));
  try {
    await build({
      root: here('browser'),
      configFile: false,
      logLevel: 'error',
      base: '/app/',
      worker: { format: 'es' },
      build: {
        outDir: app,
        target: 'es2023',
        lib: { entry: here('browser/page.mjs'), formats: ['es'], fileName: () => 'page.js' },
      },
    });
    const runtime = await bundleTransformers(folders['transformers.js'], app);
    const engines = ['ours', ...Object.keys(folders).filter((name) => folders[name])];
    const plan = {
      threads,
      rounds: Number(options.rounds),
      context: CONTEXT,
      gguf: '135m-q4_0.gguf',
      onnx: '135m-onnx',
      engines,
      commands: COMMANDS,
    };
    writeFileSync(join(app, 'plan.json'), JSON.stringify(plan));
    writeFileSync(
      join(app, 'page.html'),
      '<!doctype html><script type="module" src="/app/page.js"></script>',
    );
    const site = await startSite({
      '/app/': app,
      '/kernels/': here('../packages/backend-cpu/build/wasm'),
      '/models/': dirname(gguf),
      ...(folders.wllama && { '/wllama/': join(folders.wllama, 'esm') }),
      ...(folders['onnxruntime-web'] && { '/onnxruntime/': join(folders['onnxruntime-web'], 'dist') }),
      ...(runtime && { '/transformers-runtime/': runtime }),
    });
    const page = openPage(chromium, `${site.url}/app/page.html`);
    try {
      const result = await Promise.race([site.report(), page.ended]);
      if (result.error) throw new Error(`in the page: ${result.error}`);
      for (const [name, problem] of Object.entries(result.problems)) console.error(`${name}: ${problem}`);
      return { times: result.times, description: Object.values(result.descriptions).join('; ') };
    } finally {
      await page.close();
      await site.close();
    }
  } finally {
    rmSync(app, { recursive: true, force: true });
  }
}

const chromium = findChromium();
if (!chromium) console.error('no Chromium here: its cases are left out');
const hosts = {
  [`Node ${process.versions.node.split('.')[0]}`]: measureNode,
  ...(chromium && { Chromium: (threads) => measureChromium(chromium, threads) }),
};
const floors = await wasmFloors();
const processor = cpus()[0]?.model ?? 'unknown processor';
const setting =
  `${processor}, ${chromium?.version ?? 'no Chromium'}, Node ${process.versions.node}; a thread in Node ` +
  `does ${(floors.words / 1e9).toFixed(0)} G products/s of 16 bits and reads ${(floors.memory / 1e9).toFixed(0)} GB/s of 64 MiB`;
console.error(setting);
const rows = [];
for (const [host, measure] of Object.entries(hosts)) {
  for (const threads of availableParallelism() > 1 ? [1, 2] : [1]) {
    const name = (metric) =>
      `135m q4_0 ${metric === 'prefill' ? `prefill ${options.prefill}` : metric}, ${host}, ${threads} thread${threads > 1 ? 's' : ''}`;
    if (!new RegExp(options.case).test(name(''))) continue;
    const { times, description } = await measure(threads);
    console.error(`${host}: ${description}`);
    for (const [i, { name: metric, tokens }] of COMMANDS.entries()) {
      const own = Object.fromEntries(Object.entries(times).map(([who, lists]) => [who, lists[i]]));
      const limit = (threads * floors.words) / WEIGHTS[metric];
      const row = rowOf({ name: name(metric), metric, tokens, times: own, limit });
      rows.push(row);
      console.error(JSON.stringify(row));
    }
  }
}
console.log(markdownTable(rows));
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
if (options.write)
  writeTable(options.write, 'bench:wasm', { processor, setting, rows, part: options.case !== '' });
