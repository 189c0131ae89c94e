/**
 * `pypi:` packages through the machine's own pip, so that its index, mirror, proxy and credentials apply. Only wheels
 * are taken: source packages would run their build. Packages that carry a model cut in parts are followed (`isPartOf`).
 */

import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CapacityError, FormatError, NetworkError, NotFoundError, UnsupportedError } from '@steelyard/core';
import { openZip } from '../archives/zip.ts';
import { formatSource } from '../parse-source.ts';
import { ProgressMeter } from '../progress-meter.ts';
import type { PullContext, PullPlan } from '../pull-plan.ts';
import type { PackageSource } from '../pull-source.ts';
import { isPartOrSums } from './join-parts.ts';
import { isModelFile } from './model-files.ts';
import type { PackageEntry } from './package-entry.ts';
import { isPartOf, MAX_PARTS, planPackage } from './package-plan.ts';
import { errorLines, runCommand, type CommandResult } from './run-command.ts';
import { readWheel, type WheelFacts } from './wheel.ts';

type Pip = readonly [command: string, ...args: string[]];

const PIPS: readonly Pip[] = [
  ['python3', '-m', 'pip'],
  ['pip3'],
  ['pip'],
  ...(process.platform === 'win32' ? ([['py', '-m', 'pip']] as const) : []),
];

export async function planPypi(source: PackageSource, context: PullContext): Promise<PullPlan> {
  const text = formatSource(source);
  const pip = await findPip(context, text);
  const queue = [source.version === undefined ? source.package : `${source.package}==${source.version}`];
  const entries: PackageEntry[] = [];
  let main: WheelFacts | undefined;
  for (let at = 0; at < queue.length; at++) {
    const wheel = await downloadWheel(pip, queue, at, context, text);
    const read = await readWheel(await openZip(wheel, labelOf(wheel)), labelOf(wheel));
    main ??= read.facts;
    entries.push(...read.entries.filter((entry) => isModelFile(entry.path) || isPartOrSums(entry.path)));
    for (const requirement of read.facts.requires) {
      if (isPartOf(source.package, requirement.name) && !queue.includes(requirement.text))
        queue.push(requirement.text);
    }
    if (queue.length > MAX_PARTS) {
      throw new FormatError(`${text}: more than ${MAX_PARTS} packages; expected a model in fewer parts`);
    }
  }
  const metadata = { package: source.package, ...(main?.version ? { version: main.version } : {}) };
  return planPackage(source, text, entries, { license: main?.license, metadata });
}

function labelOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

async function findPip(context: PullContext, source: string): Promise<Pip> {
  for (const pip of PIPS) {
    const [command, ...args] = pip;
    const { status } = await runCommand(command, [...args, '--version'], context);
    if (status === 0) return pip;
  }
  throw new UnsupportedError(
    `${source}: needs pip, and none of ${PIPS.map((pip) => pip.join(' ')).join(', ')} works here; install Python ` +
      'with pip, or pull from another source',
  );
}

/** Downloads number `at` of the requirements into a folder of its own. @returns the wheel's path */
async function downloadWheel(
  pip: Pip,
  requirements: readonly string[],
  at: number,
  context: PullContext,
  source: string,
): Promise<string> {
  const requirement = requirements[at] ?? '';
  const folder = join(context.temporary, `wheel-${at}`);
  await mkdir(folder);
  const meter = new ProgressMeter([{ path: requirement }], (progress) =>
    context.options.onProgress?.({ ...progress, fileIndex: at, fileCount: requirements.length }),
  );
  meter.set('download', 0, 0);
  let result = await runPip(pip, requirement, folder, 'raw', meter, context);
  // pip before 24.1 has no progress for machines.
  if (result.status === 2 && /progress-bar|invalid choice/.test(result.stderr)) {
    result = await runPip(pip, requirement, folder, 'off', meter, context);
  }
  if (result.status !== 0) throw pipFailure(result, requirement, source);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new FormatError(`${source}: pip downloaded no wheel of ${requirement}`);
  const { size } = await stat(join(folder, wheel));
  meter.set('download', 0, size);
  return join(folder, wheel);
}

function runPip(
  pip: Pip,
  requirement: string,
  folder: string,
  bar: 'raw' | 'off',
  meter: ProgressMeter,
  context: PullContext,
): Promise<CommandResult> {
  const [command, ...first] = pip;
  let before = 0;
  const onLine = (line: string): void => {
    const [, received, total] = /^Progress (\d+) of (\d+)/.exec(line) ?? [];
    if (received === undefined) return;
    if (Number(total) > 0) meter.setSize(0, Number(total));
    meter.add('download', 0, Math.max(Number(received) - before, 0));
    before = Number(received);
  };
  const args = ['download', '--no-deps', '--only-binary=:all:', '--dest', folder, '--no-input'];
  return runCommand(
    command,
    [...first, ...args, '--disable-pip-version-check', '--progress-bar', bar, '--', requirement],
    {
      // pip unpacks its downloads where TMPDIR says; a small /tmp must not decide over a large model.
      env: { ...context.env, TMPDIR: context.temporary, PYTHONUNBUFFERED: '1', PYTHONUTF8: '1' },
      signal: context.signal,
      onLine,
    },
  );
}

function pipFailure({ stderr, stdout }: CommandResult, requirement: string, source: string): Error {
  const said = errorLines(stderr || stdout);
  if (/No space left|Errno 28/i.test(stderr)) {
    return new CapacityError(`${source}: the disk is full (pip: ${said}); free some space and pull again`);
  }
  // pip says the same when it could not reach its index, but then it has warned of retries before.
  if (
    /No matching distribution|Could not find a version/i.test(stderr) &&
    !/Retrying|Max retries/i.test(stdout + stderr)
  ) {
    return new NotFoundError(
      `${source}: pip finds no wheel of ${requirement} for this Python (${said}); check name and version`,
    );
  }
  return new NetworkError(
    `${source}: pip could not download ${requirement}: ${said}; check pip's index: pip config list`,
  );
}
