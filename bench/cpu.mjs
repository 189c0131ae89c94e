/**
 * Our native backend beside llama.cpp on the same files with the same threads: runs take turns A B A B, medians are
 * quoted, and a ratio is printed only when the spread is at most 15%. Beside each figure stands the machine's floor.
 *
 *   npm run bench:cpu -- [--quick] [--case REGEX] [--threads N] [--rounds N] [--json FILE] [--write docs/performance.md]
 *
 * With --case or --quick, --write replaces the rows of those cases alone.
 *
 * Files of random weights are written once to a cache folder (bench/peers/build.mjs); all cases need about 11 GB there.
 */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createCpuBackend } from '../packages/backend-cpu/dist/index.js';
import { openModel } from '../packages/formats/dist/node/index.js';
import { byteLength, weightBytes } from '../packages/graph/dist/index.js';
import { loadModel } from '../packages/models/dist/index.js';
import { cases, describeFloors, quick } from './cpu/cases.mjs';
import { writeTable } from './cpu/section.mjs';
import { rowOf } from './cpu/statistics.mjs';
import { markdownTable } from './cpu/table.mjs';
import { cacheFolder, floorsProgram, llamaCppProgram } from './peers/build.mjs';
import { startRunner } from './peers/runner.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    case: { type: 'string' },
    threads: { type: 'string', default: `${availableParallelism()}` },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const chosen = cases.filter(({ name }) =>
  options.case ? new RegExp(options.case).test(name) : !options.quick || quick.test(name),
);
if (chosen.length === 0) {
  console.error(
    `--case ${options.case} matches none of:\n${cases.map(({ name }) => `  ${name}`).join('\n')}`,
  );
  process.exit(2);
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Weights of the experts that a token does not choose. */
function idleWeights({ nodes }) {
  const idle = nodes.map(({ op, inputs: [, chosen, w] }) =>
    op === 'expertmatmul' && chosen
      ? (1 - chosen.shape[1] / w.shape[0]) * w.shape.reduce((a, b) => a * b)
      : 0,
  );
  return idle.reduce((a, b) => a + b, 0);
}

/** The case's file, written when it is not there, and what its floors need. */
function modelFile({ shape, format, cache }) {
  const path = join(cacheFolder(), `${shape}-${format}.gguf`);
  if (!existsSync(path)) {
    console.error(`writing ${path}`);
    execFileSync(process.execPath, [
      here('make-model.mjs'),
      '--shape',
      shape,
      '--format',
      format,
      `${path}.new`,
    ]);
    renameSync(`${path}.new`, path);
  }
  const file = openModel(path);
  const { config, parameterCount, graph: step } = loadModel(file, { pageSize: 32, kvDType: 'f16' });
  file.close();
  const { experts, chosen } = weightBytes(step);
  const weights = parameterCount - idleWeights(step);
  return {
    path,
    bytes: statSync(path).size,
    // What a step of one token reads.
    stepBytes: statSync(path).size - experts + chosen,
    weights,
    // A prefill wants the logits of one token only.
    layerWeights: weights - config.vocabSize * config.hiddenSize,
    kvBytes: (tokens) =>
      tokens * config.layers * 2 * byteLength(cache ?? 'f16', config.kvHeads * config.headDim),
  };
}

/** A folder with only the libraries of one processor generation, so that llama.cpp loads those. */
function onlyBackend(libraries, name) {
  const folder = join(cacheFolder(), `llama-${name}`);
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(libraries).filter((f) => f.includes(`-cpu-${name}.`))) {
    if (!existsSync(join(folder, file))) symlinkSync(join(libraries, file), join(folder, file));
  }
  return folder;
}

const machine = (() => {
  const text = execFileSync(floorsProgram(), [options.threads], { encoding: 'utf8' });
  const [memory, cached, products, avx2] = text.trim().split(' ').map(Number);
  return { memory, cached, products, avx2 };
})();
const llama = llamaCppProgram();
if (!llama) console.error('llama.cpp is not installed; run: npm --prefix bench ci --ignore-scripts');

async function measure(one) {
  const file = modelFile(one);
  const args = [file.path, options.threads, `${one.context}`, one.cache ?? 'f16'];
  const runners = {
    ours: await startRunner(process.execPath, [here('peers/steelyard.mjs'), ...args], one.env),
  };
  if (llama) {
    const folder = one.llamaBackend ? onlyBackend(llama.libraries, one.llamaBackend) : llama.libraries;
    runners['llama.cpp'] = await startRunner(llama.program, [...args, folder]);
  }
  const times = Object.fromEntries(Object.keys(runners).map((name) => [name, []]));
  // The first round warms caches up.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const [name, runner] of Object.entries(runners)) {
      const ms = await runner.time(one.command);
      if (round > 0) times[name].push(ms);
    }
  }
  for (const runner of Object.values(runners)) runner.stop();
  const limit = one.floor(machine, file);
  return rowOf({ name: one.name, metric: one.command, tokens: one.tokens, times, limit });
}

const processor = cpus()[0]?.model ?? 'unknown processor';
const setting = `${processor}, ${options.threads} threads; ${describeFloors(machine)}`;
console.error(setting);
const rows = [];
for (const one of chosen) {
  process.stderr.write(`${one.name} ... `);
  const row = await measure(one);
  rows.push(row);
  const peers = Object.entries(row.peers).map(([name, value]) => `${name} ${value.toFixed(1)}`);
  console.error(
    `${[`ours ${row.ours.toFixed(1)}`, ...peers].join(', ')} tok/s; ` +
      (row.noisy
        ? `no ratio: the spread is ${Math.round(row.spread * 100)}%`
        : `ratio ${row.ratio?.toFixed(2) ?? 'none'}`),
  );
}
console.log(markdownTable(rows));
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
// Machines of several levels and makers have measured: each keeps a table of its own.
const level = /^native (avx512|\w+)/.exec(createCpuBackend({ threads: 1 }).description)?.[1];
const maker = /AMD|Intel/.exec(processor)?.[0].toLowerCase() ?? process.arch;
const part = rows.length < cases.length;
if (options.write)
  writeTable(options.write, `bench:cpu ${level} ${maker}`, { processor, setting, rows, part });
