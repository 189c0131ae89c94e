/** Takes away what is past its time, at the start and then regularly, of all projects. */

import type { Contents } from './contents.ts';
import type { Database } from './database.ts';
import { sweepFiles } from './files.ts';
import { sweepUploads } from './uploads.ts';
import { sweepVectorStores } from './vector-stores.ts';

const EVERY_MS = 5 * 60_000;

/**
 * Begins at once, in the background. What fails is tried again at the next turn: until then it is only hidden.
 * @returns ends it, once a turn under way is done
 */
export function sweepRegularly(db: Database, contents: Contents): () => Promise<void> {
  let turn: Promise<void> | undefined;
  const sweep = (): void => {
    turn ??= sweepAll(db, contents)
      .catch(() => {})
      .finally(() => (turn = undefined));
  };
  sweep();
  const timer = setInterval(sweep, EVERY_MS).unref();
  return async () => {
    clearInterval(timer);
    await turn;
  };
}

async function sweepAll(db: Database, contents: Contents): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  await sweepFiles(db, contents, now);
  await sweepUploads(db, contents, now);
  await sweepVectorStores(db, now);
}
