/** Chat completions that were made to be kept, with the messages that they answer. */

import { NotFoundError, RequestError } from '@steelyard/core';
import { and, arrayContains, asc, desc, eq, gt, lt } from 'drizzle-orm';
import type { Database } from './database.ts';
import { ITEM_ID } from './items.ts';
import type { Item, Json } from './json.ts';
import { chatCompletions } from './schema.ts';

export interface StoredChatCompletion {
  readonly id: string;
  readonly model: string;
  readonly metadata: Json;
  /** All that the API shows but the metadata. */
  readonly body: Json;
}

export interface ChatCompletionQuery {
  /** Entries at most. */
  readonly limit: number;
  /** By time of arrival. */
  readonly order: 'asc' | 'desc';
  /** Id of the entry before the first one wanted. */
  readonly after?: string;
  readonly model?: string;
  /** Pairs that the metadata must have. */
  readonly metadata?: Json;
}

/** The chat completions of one project. Once a write resolves, a killed process has not lost it. */
export interface ChatCompletionStore {
  create(completion: StoredChatCompletion, messages: readonly Item[]): Promise<void>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredChatCompletion>;
  /** @throws RequestError when `after` names none */
  list(query: ChatCompletionQuery): Promise<{
    readonly completions: readonly StoredChatCompletion[];
    readonly hasMore: boolean;
  }>;
  /** What it answers, in order. @throws NotFoundError */
  messages(id: string): Promise<readonly Item[]>;
  /** @throws NotFoundError */
  setMetadata(id: string, metadata: Json): Promise<StoredChatCompletion>;
  /** @throws NotFoundError */
  remove(id: string): Promise<void>;
}

const shown = {
  id: chatCompletions.id,
  model: chatCompletions.model,
  metadata: chatCompletions.metadata,
  body: chatCompletions.body,
};

export function chatCompletionStore(db: Database, project: string): ChatCompletionStore {
  const own = eq(chatCompletions.project, project);
  const one = (id: string) => {
    if (!ITEM_ID.test(id)) throw missing(id);
    return and(own, eq(chatCompletions.id, id));
  };
  return {
    async create({ id, model, metadata, body }, messages) {
      await db.insert(chatCompletions).values({
        ...{ id, project, model, metadata, body },
        metadataPairs: pairsOf(metadata),
        messages: { data: messages },
      });
    },
    async get(id) {
      const [row] = await db.select(shown).from(chatCompletions).where(one(id));
      if (!row) throw missing(id);
      return row;
    },
    async list({ limit, order, after, model, metadata }) {
      const from = after === undefined ? undefined : await sequenceOf(after);
      const beyond = order === 'asc' ? gt : lt;
      const rows = await db
        .select(shown)
        .from(chatCompletions)
        .where(
          and(
            own,
            model === undefined ? undefined : eq(chatCompletions.model, model),
            metadata ? arrayContains(chatCompletions.metadataPairs, pairsOf(metadata)) : undefined,
            from === undefined ? undefined : beyond(chatCompletions.sequence, from),
          ),
        )
        .orderBy(order === 'asc' ? asc(chatCompletions.sequence) : desc(chatCompletions.sequence))
        .limit(limit + 1);
      return { completions: rows.slice(0, limit), hasMore: rows.length > limit };
    },
    async messages(id) {
      const [row] = await db
        .select({ messages: chatCompletions.messages })
        .from(chatCompletions)
        .where(one(id));
      if (!row) throw missing(id);
      return row.messages['data'] as readonly Item[];
    },
    async setMetadata(id, metadata) {
      const [row] = await db
        .update(chatCompletions)
        .set({ metadata, metadataPairs: pairsOf(metadata) })
        .where(one(id))
        .returning(shown);
      if (!row) throw missing(id);
      return row;
    },
    async remove(id) {
      const rows = await db.delete(chatCompletions).where(one(id)).returning({ id: chatCompletions.id });
      if (rows.length === 0) throw missing(id);
    },
  };

  async function sequenceOf(id: string): Promise<number> {
    const [row] = ITEM_ID.test(id)
      ? await db.select({ sequence: chatCompletions.sequence }).from(chatCompletions).where(one(id))
      : [];
    if (row) return row.sequence;
    throw new RequestError(
      `Invalid 'after': got '${id.slice(0, 80)}', expected the id of a stored chat completion.`,
      'after',
    );
  }
}

/** JSON, so that a NUL, which PostgreSQL takes in no text, is an escape. */
function pairsOf(metadata: Json): string[] {
  return Object.entries(metadata).map((pair) => JSON.stringify(pair));
}

function missing(id: string): NotFoundError {
  return new NotFoundError(
    `No chat completion found with id '${id.slice(0, 80)}'. It may be deleted, or was made without 'store': true.`,
  );
}
