/** A name for the server whose data directory this is, among those that share its database. The same at every start. */

import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @param directory locked by this process */
export async function serverName(directory: string): Promise<string> {
  const path = join(directory, 'server-name');
  const known = await readFile(path, 'utf8').catch(() => '');
  if (known !== '') return known;
  const name = randomUUID();
  // Never half written: a name lost would leave behind what it had begun.
  await writeFile(`${path}.new`, name);
  await rename(`${path}.new`, path);
  return name;
}
