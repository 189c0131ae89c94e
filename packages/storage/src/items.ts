/** Rows of items, of responses and of conversations alike: written at once, read in pages or whole. */

import { and, asc, desc, eq, gt, inArray, lt, max, sql, type SQL } from 'drizzle-orm';
import { RequestError } from '@steelyard/core';
import { rowsOf, type Database } from './database.ts';
import type { Item } from './json.ts';
import { items, responses } from './schema.ts';

export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
/** What can be asked of a database can be asked within a transaction. */
export type Queries = Database | Transaction;

export type Owner = { readonly responseId: string } | { readonly conversationId: string };
/** An owner, and the project whose it is. */
export type OwnerInProject = Owner & { readonly project: string };

export interface ItemQuery {
  /** Entries at most. */
  readonly limit: number;
  /** By time of arrival. */
  readonly order: 'asc' | 'desc';
  /** Id of the entry before the first one wanted. */
  readonly after?: string;
}

export interface ItemPage {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
}

/** Items per statement: PostgreSQL takes 65 535 parameters. */
const BATCH = 1_000;

/** Ids with other characters name nothing, and are not asked for: PostgreSQL takes no NUL. */
export const ITEM_ID = /^[\w-]{1,128}$/;

/**
 * Status of a response that can be read no more, but whose items others still go on from.
 * Not a status of the API: no such row is shown.
 */
export const DELETED = 'deleted';

export function ownedBy(owner: Owner): SQL {
  return 'responseId' in owner
    ? eq(items.responseId, owner.responseId)
    : eq(items.conversationId, owner.conversationId);
}

/** Adds items in their order; those whose ids the owner has already are left as they are. @returns ids added */
export async function insertItems(
  db: Queries,
  owner: OwnerInProject,
  added: readonly Item[],
  output = false,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let at = 0; at < added.length; at += BATCH) {
    const rows = added.slice(at, at + BATCH).map((body) => ({ ...owner, id: body.id, output, body }));
    const inserted = await db.insert(items).values(rows).onConflictDoNothing().returning({ id: items.id });
    ids.push(...inserted.map(({ id }) => id));
  }
  return ids;
}

/**
 * @param only what the page is of: an owner's items, or some of them
 * @throws RequestError when `after` names none of these
 */
export async function pageItems(db: Queries, only: SQL, query: ItemQuery): Promise<ItemPage> {
  const { limit, order, after } = query;
  const from = after === undefined ? undefined : await sequenceOf(db, only, after);
  const beyond = order === 'asc' ? gt : lt;
  const rows = await db
    .select({ body: items.body })
    .from(items)
    .where(and(only, from === undefined ? undefined : beyond(items.sequence, from)))
    .orderBy(order === 'asc' ? asc(items.sequence) : desc(items.sequence))
    .limit(limit + 1);
  return { items: rows.slice(0, limit).map(({ body }) => body as Item), hasMore: rows.length > limit };
}

export async function listItems(db: Queries, only: SQL | undefined): Promise<Item[]> {
  const rows = await db.select({ body: items.body }).from(items).where(only).orderBy(asc(items.sequence));
  return rows.map(({ body }) => body as Item);
}

/** Items of any owner in a project that can be read, by their ids; of several with one id, the last to come. */
export async function findItems(
  db: Queries,
  project: string,
  ids: readonly string[],
): Promise<Map<string, Item>> {
  const asked = ids.filter((id) => ITEM_ID.test(id));
  if (asked.length === 0) return new Map();
  const isReadable = sql`not exists (
    select 1 from ${responses} r where r.id = ${items.responseId} and r.status = ${DELETED})`;
  const found = await listItems(db, and(eq(items.project, project), inArray(items.id, asked), isReadable));
  return new Map(found.map((item) => [item.id, item]));
}

/** The place of an owner's last item; 0 when it has none. */
export async function lastSequence(db: Queries, owner: Owner): Promise<number> {
  const [row] = await db
    .select({ last: max(items.sequence) })
    .from(items)
    .where(ownedBy(owner));
  return row?.last ?? 0;
}

/** Keeps a conversation from being deleted until the transaction ends. @returns false when it is gone */
export async function holdConversation(tx: Transaction, project: string, id: string): Promise<boolean> {
  const held = sql`select 1 from conversations where id = ${id} and project = ${project} for key share`;
  return rowsOf(await tx.execute(held)).length > 0;
}

async function sequenceOf(db: Queries, only: SQL, id: string): Promise<number> {
  const [row] = ITEM_ID.test(id)
    ? await db
        .select({ sequence: items.sequence })
        .from(items)
        .where(and(only, eq(items.id, id)))
    : [];
  if (!row) {
    throw new RequestError(
      `Invalid 'after': got '${id.slice(0, 80)}', expected the id of an item in this list.`,
      'after',
    );
  }
  return row.sequence;
}
