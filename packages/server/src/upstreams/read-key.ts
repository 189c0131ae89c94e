/** Keys for other machines: from a variable of the environment or from a file, never from what a person writes down. */

import { readFileSync } from 'node:fs';
import { RequestError } from '@steelyard/core';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface KeyPlace {
  readonly key_env?: string | undefined;
  readonly key_file?: string | undefined;
}

/**
 * @param whose for messages: `upstream 'x'`
 * @param param option that it stands in
 * @returns undefined where no place is named
 * @throws RequestError for a key that is not there
 */
export function readKey(
  whose: string,
  { key_env: variable, key_file: file }: KeyPlace,
  env: Environment,
  param: string,
): string | undefined {
  if (variable !== undefined) {
    const key = env[variable]?.trim();
    if (key) return key;
    throw new RequestError(`${whose}: the environment variable ${variable} holds no key`, param);
  }
  if (file === undefined) return undefined;
  try {
    const key = readFileSync(file, 'utf8').trim();
    if (key) return key;
  } catch (error) {
    throw new RequestError(
      `${whose}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      param,
    );
  }
  throw new RequestError(`${whose}: ${file} holds no key`, param);
}
