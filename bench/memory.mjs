/**
 * Peak resident memory of `steelyard run`, against the file's size: weights stay mapped, so nothing is held twice.
 * Linux only: the peak is read from /proc.
 *
 *   node bench/memory.mjs MODEL.gguf [--json FILE]
 */

import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
});
const [model] = positionals;
if (!model) {
  console.error('usage: node bench/memory.mjs MODEL.gguf [--json FILE]');
  process.exit(2);
}
const TOKENS = 32;
const command = fileURLToPath(new URL('../packages/steelyard/bin/steelyard.mjs', import.meta.url));
const args = [
  command,
  'run',
  model,
  '--raw',
  'Once upon a time',
  '--max-tokens',
  `${TOKENS}`,
  '--temperature',
  '0',
];
const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });

let peakKiB = 0;
const timer = setInterval(() => {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  } catch {
    // It has just ended.
  }
}, 5);
const code = await new Promise((resolve) => child.on('exit', resolve));
clearInterval(timer);
if (code !== 0) process.exit(1);

const mib = (bytes) => bytes / 1048576;
const file = statSync(model).size;
const row = {
  model,
  fileMiB: mib(file),
  peakMiB: peakKiB / 1024,
  aboveFileMiB: peakKiB / 1024 - mib(file),
  tokens: TOKENS,
};
console.log('| file MiB | peak resident MiB | above the file MiB |');
console.log('|---|---|---|');
console.log(`| ${row.fileMiB.toFixed(0)} | ${row.peakMiB.toFixed(0)} | ${row.aboveFileMiB.toFixed(0)} |`);
if (options.json) writeFileSync(options.json, JSON.stringify([row], null, 2) + '\n');
