/** Asks the API of administration: of a running server by its address, else of the records on this machine. */

import type { Command } from 'commander';
import { NetworkError, RequestError } from '@steelyard/core';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { addRecordsOptions, withRecords, type RecordsFlags } from './open-records.ts';

export interface AdministrationFlags extends RecordsFlags {
  readonly url?: string;
}

/** @returns the answer's body. @throws RequestError with what the server says */
export type Ask = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) => Promise<T>;

const BASE = '/v1/organization';

export function addAdministrationOptions(command: Command): Command {
  command.option('--url <address>', 'a running server, asked with the key in STEELYARD_ADMIN_KEY');
  return addRecordsOptions(command);
}

/** @throws UsageError for an address without a key */
export async function withAdministration<T>(
  flags: AdministrationFlags,
  context: CommandContext,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  if (flags.url === undefined) {
    return withRecords(flags, context, async (records) => {
      const request = await context.services.administration(records);
      return work((method, path, body) => answerOf(request(`${BASE}${path}`, requestOf(method, body))));
    });
  }
  const key = context.env['STEELYARD_ADMIN_KEY'];
  if (!key) throw new UsageError('--url needs an admin key in the environment, as STEELYARD_ADMIN_KEY');
  if (!URL.canParse(flags.url)) throw new UsageError(`--url is '${flags.url}'; expected http://HOST:PORT`);
  const url = flags.url.replace(/\/+$/, '');
  return work((method, path, body) =>
    answerOf(fetch(`${url}${BASE}${path}`, requestOf(method, body, { authorization: `Bearer ${key}` }))),
  );
}

function requestOf(method: string, body: unknown, headers: Record<string, string> = {}): RequestInit {
  if (body === undefined) return { method, headers };
  return {
    method,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

async function answerOf<T>(answer: Promise<Response>): Promise<T> {
  const response = await answer.catch((cause: unknown) => {
    throw new NetworkError('the server at --url cannot be reached: start it, or mend the address', { cause });
  });
  const body = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
  if (response.ok) return body as T;
  throw new RequestError(body.error?.message ?? `the server answered ${response.status}`);
}
