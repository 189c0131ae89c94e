/** Every group, in the order of the pages; a new one is its file and a line here. */

import { batches } from './batches.ts';
import { chat } from './chat.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import { files } from './files.ts';
import type { Group } from './group.ts';
import { mcp } from './mcp.ts';
import { messages } from './messages.ts';
import { models } from './models.ts';
import { ollama } from './ollama.ts';
import { moderations } from './moderations.ts';
import { operations } from './operations.ts';
import { organization } from './organization.ts';
import { receipts } from './receipts.ts';
import { responses } from './responses.ts';
import { vectorStores } from './vector-stores.ts';

export const groups: readonly Group[] = [
  chat,
  responses,
  messages,
  ollama,
  mcp,
  completions,
  embeddings,
  files,
  batches,
  vectorStores,
  moderations,
  models,
  receipts,
  organization,
  operations,
];

/** @throws Error for a path that no group claims */
export function groupOf(path: string): Group {
  const claims = groups.flatMap((group) =>
    group.paths.filter((prefix) => isBelow(path, prefix)).map((prefix) => ({ group, prefix })),
  );
  const [first] = claims.sort((a, b) => b.prefix.length - a.prefix.length);
  if (!first) throw new Error(`no group of packages/server/src/docs/groups claims ${path}; add it to one`);
  return first.group;
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}
