/**
 * Resident memory of `steelyard run`, its peak and while it decodes, against the file's size: weights are mapped or
 * repacked, never held twice. Linux only: both are read from /proc.
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
const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
let decoding = false;
child.stdout.on('data', () => (decoding = true));

let peakKiB = 0;
let decodingKiB = 0;
const timer = setInterval(() => {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    // Until text comes it loads, and a process on its way out gives its memory back.
    const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
    if (decoding) decodingKiB = Math.max(decodingKiB, resident);
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
  decodingMiB: decodingKiB / 1024,
  aboveFileMiB: decodingKiB / 1024 - mib(file),
  tokens: TOKENS,
};
console.log('| file MiB | peak resident MiB | resident while decoding MiB | above the file MiB |');
console.log('|---|---|---|---|');
const cells = [row.fileMiB, row.peakMiB, row.decodingMiB, row.aboveFileMiB].map((value) => value.toFixed(0));
console.log(`| ${cells.join(' | ')} |`);
if (options.json) writeFileSync(options.json, JSON.stringify([row], null, 2) + '\n');
