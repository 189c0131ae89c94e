/** JSON files that people name on the command line. */

import { readFile } from 'node:fs/promises';
import { RequestError } from '@steelyard/core';

/** @throws RequestError for a file that cannot be read or is not JSON */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new RequestError(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      'file',
    );
  });
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RequestError(`${file}: is not JSON`, 'file');
  }
}
