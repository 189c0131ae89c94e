/** Opens what a server has written down, where `steelyard serve` keeps it unless told otherwise. */

import { join } from 'node:path';
import type { Command } from 'commander';
import type { Records } from '@steelyard/storage';
import { resolveConfig } from '../config/resolve.ts';
import type { ServeConfig } from '../config/schema.ts';
import type { CommandContext } from '../context.ts';
import { HeldByServerError } from '../errors.ts';

export interface RecordsFlags {
  readonly config?: string;
  readonly dataDir?: string;
}

export function addRecordsOptions(command: Command): Command {
  return command
    .option('--config <file>', 'as given to `steelyard serve` (default: STEELYARD_CONFIG, else none)')
    .option('--data-dir <path>', 'as given to `steelyard serve` (default: `server` beside the models)');
}

/** Runs work on the records and closes them. @throws HeldByServerError while a server holds the directory */
export async function withRecords<T>(
  flags: RecordsFlags,
  context: CommandContext,
  work: (records: Records) => Promise<T>,
): Promise<T> {
  const { env } = context;
  const given = flags.dataDir === undefined ? {} : { dataDir: flags.dataDir };
  const { config } = await resolveConfig({ env, file: flags.config, flags: given });
  const { databaseUrl, dataDir } = config;
  const directory = dataDir ?? join((await context.services.openStore()).root, 'server');
  const records = await context.services
    .openRecords({ directory, ...(databaseUrl ? { databaseUrl } : {}) })
    .catch((error: unknown) => {
      const { holder } = error as { readonly holder?: number };
      if (holder === undefined) throw error;
      throw new HeldByServerError(directory, holder, addressOf(config), { cause: error });
    });
  try {
    return await work(records);
  } finally {
    await records.close();
  }
}

/** Where a server with this configuration listens, unless the port was taken. */
function addressOf({ host, port }: ServeConfig): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port === 0 ? 'PORT' : port}`;
}
