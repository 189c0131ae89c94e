/** Opens what a server has written down, where `steelyard serve` keeps it unless told otherwise. */

import { join } from 'node:path';
import type { Command } from 'commander';
import type { Records } from '@steelyard/storage';
import { resolveConfig } from '../config/resolve.ts';
import type { CommandContext } from '../context.ts';

export interface RecordsFlags {
  readonly config?: string;
  readonly dataDir?: string;
}

export function addRecordsOptions(command: Command): Command {
  return command
    .option('--config <file>', 'as given to `steelyard serve` (default: STEELYARD_CONFIG, else none)')
    .option('--data-dir <path>', 'as given to `steelyard serve` (default: `server` beside the models)');
}

/** Runs work on the records and closes them. @throws RequestError while a server holds the directory */
export async function withRecords<T>(
  flags: RecordsFlags,
  context: CommandContext,
  work: (records: Records) => Promise<T>,
): Promise<T> {
  const { env } = context;
  const given = flags.dataDir === undefined ? {} : { dataDir: flags.dataDir };
  const { config } = await resolveConfig({ env, file: flags.config, flags: given });
  const { databaseUrl, dataDir } = config;
  const records = await context.services.openRecords({
    directory: dataDir ?? join((await context.services.openStore()).root, 'server'),
    ...(databaseUrl ? { databaseUrl } : {}),
  });
  try {
    return await work(records);
  } finally {
    await records.close();
  }
}
