/**
 * A model larger than the memory it is given: a GGUF of gpt-oss-20b's shape, sparse on disk, is refused with numbers,
 * then explained, then gives a token with its experts left on disk. Linux only: what is resident is read from /proc.
 *
 *   npm run build && node bench/experts-on-disk.mjs [--memory 4GB] [--keep FILE.gguf] [--json FILE]
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as formats from '../packages/formats/dist/index.js';
import * as graph from '../packages/graph/dist/index.js';
import { GPT_OSS_20B, writeGptOss } from './gpt-oss-file.mjs';

const { values: options } = parseArgs({
  options: { memory: { type: 'string', default: '4GB' }, keep: { type: 'string' }, json: { type: 'string' } },
});
const folder = mkdtempSync(join(tmpdir(), 'steelyard-'));
const path = options.keep ?? join(folder, 'gpt-oss-holes.gguf');
const command = fileURLToPath(new URL('../packages/steelyard/bin/steelyard.mjs', import.meta.url));
const gib = (bytes) => bytes / 2 ** 30;

/** What of the file a process has mapped in, and the most it ever held of everything. */
function resident(pid) {
  const maps = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ours = maps.filter((map) => map.split('\n', 1)[0].endsWith('.gguf'));
  const ofFile = ours.reduce((sum, map) => sum + 1024 * Number(/^Rss:\s+(\d+)/m.exec(map)?.[1] ?? 0), 0);
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { ofFile, peak: 1024 * Number(peak ?? 0) };
}

/** Runs the command; what it wrote, how it ended, and the most it held. */
async function steelyard(...args) {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const most = { ofFile: 0, peak: 0 };
  const timer = setInterval(() => {
    try {
      const now = resident(child.pid);
      for (const key of ['ofFile', 'peak']) most[key] = Math.max(most[key], now[key]);
    } catch {
      // It has just ended.
    }
  }, 100);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  return { output: output.trim(), code, ...most };
}

try {
  const size = writeGptOss(path, GPT_OSS_20B, formats, graph);
  const { blocks } = statSync(path);
  console.log(`${gib(size).toFixed(2)} GiB, of which ${((blocks * 512) / 2 ** 20).toFixed(1)} MiB on disk\n`);
  const run = [
    'run',
    path,
    '--raw',
    'e',
    '--max-tokens',
    '1',
    '--temperature',
    '0',
    '--memory',
    options.memory,
  ];
  const refused = await steelyard(...run);
  console.log(`--memory ${options.memory}: exit ${refused.code}\n${refused.output}\n`);
  const explained = await steelyard('explain', path, '--costs');
  console.log(`${explained.output}\n`);
  const ran = await steelyard(...run, '--experts-on-disk');
  console.log(`--memory ${options.memory} --experts-on-disk: exit ${ran.code}\n${ran.output}\n`);
  const row = { fileBytes: size, mappedBytes: ran.ofFile, peakBytes: ran.peak, memory: options.memory };
  console.log('| file GiB | of it resident GiB | peak of the process GiB |');
  console.log('|---|---|---|');
  console.log(`| ${[size, ran.ofFile, ran.peak].map((bytes) => gib(bytes).toFixed(2)).join(' | ')} |`);
  if (options.json) writeFileSync(options.json, JSON.stringify([row], null, 2) + '\n');
  if (refused.code === 0 || explained.code !== 0 || ran.code !== 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
