/** Conversations: items in the order in which they were said, by people, models and tools. */

import { NotFoundError, RequestError } from '@steelyard/core';
import { and, eq, lte } from 'drizzle-orm';
import type { Database } from './database.ts';
import {
  holdConversation,
  insertItems,
  ITEM_ID,
  lastSequence,
  listItems,
  ownedBy,
  pageItems,
  type ItemPage,
  type ItemQuery,
} from './items.ts';
import type { Item, Json } from './json.ts';
import type { ConversationPlace } from './responses.ts';
import { conversations, items } from './schema.ts';

export type StoredConversation = Omit<typeof conversations.$inferSelect, 'project'>;

export interface ConversationStore {
  /** Once resolved, a killed process has not lost it. */
  create(conversation: StoredConversation, said: readonly Item[]): Promise<void>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredConversation>;
  /** @throws NotFoundError */
  setMetadata(id: string, metadata: Json): Promise<StoredConversation>;
  /** The conversation and all that was said in it. @throws NotFoundError */
  remove(id: string): Promise<void>;
  /** @throws NotFoundError; RequestError, and adds none, when one is in it already */
  add(id: string, said: readonly Item[]): Promise<void>;
  /** @throws NotFoundError; RequestError for an unknown `after` */
  list(id: string, query: ItemQuery): Promise<ItemPage>;
  /** @throws NotFoundError for the conversation or the item */
  item(id: string, itemId: string): Promise<Item>;
  /** @throws NotFoundError for the conversation or the item */
  removeItem(id: string, itemId: string): Promise<void>;
  /** All that was said, and where that ends. @throws NotFoundError */
  whole(id: string): Promise<{ readonly items: readonly Item[]; readonly place: ConversationPlace }>;
}

const shown = {
  id: conversations.id,
  createdAt: conversations.createdAt,
  metadata: conversations.metadata,
};

/** The conversations of one project. */
export function conversationStore(db: Database, project: string): ConversationStore {
  const one = (id: string) => and(eq(conversations.project, project), eq(conversations.id, id));
  const get = async (id: string): Promise<StoredConversation> => {
    const [row] = ITEM_ID.test(id) ? await db.select(shown).from(conversations).where(one(id)) : [];
    if (!row) throw missingConversation(id);
    return row;
  };
  const itemIn = (id: string, itemId: string) => {
    if (!ITEM_ID.test(itemId)) throw missingItem(id, itemId);
    return and(eq(items.project, project), ownedBy({ conversationId: id }), eq(items.id, itemId));
  };
  return {
    get,
    create: (conversation, said) =>
      db.transaction(async (tx) => {
        await tx.insert(conversations).values({ ...conversation, project });
        await insertItems(tx, { project, conversationId: conversation.id }, said);
      }),
    async setMetadata(id, metadata) {
      await get(id);
      const [row] = await db.update(conversations).set({ metadata }).where(one(id)).returning(shown);
      if (!row) throw missingConversation(id);
      return row;
    },
    async remove(id) {
      await get(id);
      await db.delete(conversations).where(one(id));
    },
    async add(id, said) {
      await get(id);
      await db.transaction(async (tx) => {
        if (!(await holdConversation(tx, project, id))) throw missingConversation(id);
        const added = new Set(await insertItems(tx, { project, conversationId: id }, said));
        const twin = said.find((item) => !added.has(item.id));
        if (twin) {
          throw new RequestError(
            `Item '${twin.id}' is in conversation '${id}' already. Add it once.`,
            'items',
          );
        }
      });
    },
    async list(id, query) {
      await get(id);
      return pageItems(db, ownedBy({ conversationId: id }), query);
    },
    async item(id, itemId) {
      await get(id);
      const [found] = await listItems(db, itemIn(id, itemId));
      if (!found) throw missingItem(id, itemId);
      return found;
    },
    async removeItem(id, itemId) {
      await get(id);
      const rows = await db.delete(items).where(itemIn(id, itemId)).returning({ id: items.id });
      if (rows.length === 0) throw missingItem(id, itemId);
    },
    async whole(id) {
      await get(id);
      const owner = { conversationId: id };
      const sequence = await lastSequence(db, owner);
      const said = await listItems(db, and(ownedBy(owner), lte(items.sequence, sequence)));
      return { items: said, place: { id, sequence } };
    },
  };
}

function missingConversation(id: string): NotFoundError {
  return new NotFoundError(`Conversation with id '${id.slice(0, 80)}' not found. It may be deleted.`);
}

function missingItem(id: string, itemId: string): NotFoundError {
  return new NotFoundError(`Item with id '${itemId.slice(0, 80)}' not found in conversation '${id}'.`);
}
