/**
 * Responses: what was asked and what was answered, or is being computed. A response that is not done belongs to the
 * server that computes it; when that server starts again and finds it so, it failed.
 */

import { NotFoundError } from '@steelyard/core';
import { and, eq, inArray, lte, sql, type SQL } from 'drizzle-orm';
import { rowsOf, type Database } from './database.ts';
import {
  findItems,
  holdConversation,
  insertItems,
  ITEM_ID,
  listItems,
  ownedBy,
  pageItems,
  type ItemPage,
  type ItemQuery,
  type Transaction,
} from './items.ts';
import type { Item, Json } from './json.ts';
import { items, responses } from './schema.ts';

/** Statuses of responses that are being computed, or will be. */
const UNFINISHED = ['queued', 'in_progress'];

export interface StoredResponse {
  readonly id: string;
  readonly status: string;
  readonly body: Json;
  readonly error: Json | null;
  readonly output: readonly Item[];
}

export interface NewResponse {
  readonly id: string;
  readonly status: string;
  /** All that the API shows but status, error and output. */
  readonly body: Json;
  readonly error?: Json | null;
  readonly input: readonly Item[];
  readonly output?: readonly Item[];
  readonly previousId?: string;
  readonly conversation?: ConversationPlace;
}

/** A conversation as it was when a response went on from it. */
export interface ConversationPlace {
  readonly id: string;
  readonly sequence: number;
}

export interface ResponseEnd {
  readonly status: string;
  readonly body: Json;
  readonly error: Json | null;
  readonly output: readonly Item[];
}

export interface ResponseStore {
  /** Keeps a response, done or still to be computed. Once resolved, a killed process has not lost it. */
  create(response: NewResponse): Promise<void>;
  /** Queued no longer. @returns false when it is done, cancelled or deleted */
  start(id: string): Promise<boolean>;
  /** Keeps the answer, in its conversation too. @returns false, and keeps nothing, when it was done, cancelled or deleted */
  finish(id: string, end: ResponseEnd): Promise<boolean>;
  /** Ends what is not done; otherwise changes nothing. @throws NotFoundError */
  cancel(id: string): Promise<StoredResponse>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredResponse>;
  /** What it was asked itself, without what went before. @throws NotFoundError; RequestError for an unknown `after` */
  input(id: string, query: ItemQuery): Promise<ItemPage>;
  /**
   * All that was said up to the end of a response, from the first of those that it goes on from.
   * @throws NotFoundError naming the one that is missing
   */
  history(id: string): Promise<readonly Item[]>;
  /** Items of any response or conversation of the project, by id. */
  find(ids: readonly string[]): Promise<ReadonlyMap<string, Item>>;
  /** @throws NotFoundError */
  remove(id: string): Promise<void>;
}

/** The responses of one project. @param server this server's name among those that share the database */
export function responseStore(db: Database, server: string, project: string): ResponseStore {
  const one = (id: string) => inProject(project, id);
  return {
    create: (response) => create(db, { server, project }, response),
    async start(id) {
      const unfinished = and(one(id), inArray(responses.status, UNFINISHED));
      const rows = await db
        .update(responses)
        .set({ status: 'in_progress' })
        .where(unfinished)
        .returning({ id: responses.id });
      return rows.length > 0;
    },
    finish: (id, end) => finish(db, project, id, end),
    async cancel(id) {
      await db
        .update(responses)
        .set({ status: 'cancelled' })
        .where(and(one(known(id)), inArray(responses.status, UNFINISHED)));
      return get(db, project, id);
    },
    get: (id) => get(db, project, id),
    async input(id, query) {
      await rowOf(db, project, id);
      return pageItems(db, and(ownedBy({ responseId: id }), eq(items.output, false))!, query);
    },
    history: (id) => history(db, project, id),
    find: (ids) => findItems(db, project, ids),
    async remove(id) {
      const rows = await db
        .delete(responses)
        .where(one(known(id)))
        .returning({ id: responses.id });
      if (rows.length === 0) throw missing(id);
    },
  };
}

/** Ends what a server had not done when it last stopped, in every project. @returns how many */
export async function failInterrupted(db: Database, server: string, error: Json): Promise<number> {
  const rows = await db
    .update(responses)
    .set({ status: 'failed', error })
    .where(and(eq(responses.server, server), inArray(responses.status, UNFINISHED)))
    .returning({ id: responses.id });
  return rows.length;
}

function inProject(project: string, id: string): SQL | undefined {
  return and(eq(responses.project, project), eq(responses.id, id));
}

interface Place {
  readonly server: string;
  readonly project: string;
}

function create(db: Database, { server, project }: Place, response: NewResponse): Promise<void> {
  const { id, status, body, error = null, input, output = [], previousId, conversation } = response;
  return db.transaction(async (tx) => {
    await tx.insert(responses).values({
      id,
      status,
      body,
      error,
      server,
      project,
      previousId: previousId ?? null,
      conversationId: conversation?.id ?? null,
      conversationSequence: conversation?.sequence ?? null,
    });
    await insertItems(tx, { project, responseId: id }, input);
    await insertItems(tx, { project, responseId: id }, output, true);
    if (conversation && !UNFINISHED.includes(status))
      await tellConversation(tx, project, conversation.id, [...input, ...output]);
  });
}

function finish(
  db: Database,
  project: string,
  id: string,
  { status, body, error, output }: ResponseEnd,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [row] = await tx
      .update(responses)
      .set({ status, body, error })
      .where(and(inProject(project, id), inArray(responses.status, UNFINISHED)))
      .returning({ conversationId: responses.conversationId });
    if (!row) return false;
    await insertItems(tx, { project, responseId: id }, output, true);
    if (row.conversationId !== null) {
      const input = await listItems(tx, and(ownedBy({ responseId: id }), eq(items.output, false)));
      await tellConversation(tx, project, row.conversationId, [...input, ...output]);
    }
    return true;
  });
}

/** A conversation deleted meanwhile is told nothing. */
async function tellConversation(
  tx: Transaction,
  project: string,
  id: string,
  said: readonly Item[],
): Promise<void> {
  if (await holdConversation(tx, project, id)) await insertItems(tx, { project, conversationId: id }, said);
}

async function get(db: Database, project: string, id: string): Promise<StoredResponse> {
  const { status, body, error } = await rowOf(db, project, id);
  const output = await listItems(db, and(ownedBy({ responseId: id }), eq(items.output, true)));
  return { id, status, body, error, output };
}

async function rowOf(db: Database, project: string, id: string) {
  const [row] = await db
    .select()
    .from(responses)
    .where(inProject(project, known(id)));
  if (!row) throw missing(id);
  return row;
}

interface Link {
  readonly id: string;
  readonly previous_id: string | null;
  readonly conversation_id: string | null;
  readonly conversation_sequence: string | number | null;
}

async function history(db: Database, project: string, id: string): Promise<readonly Item[]> {
  // Newest first: each response goes on from the next.
  const chain = rowsOf(
    await db.execute(sql`
      with recursive chain as (
        select id, previous_id, conversation_id, conversation_sequence, 0 as depth
        from responses where id = ${known(id)} and project = ${project}
        union all
        select r.id, r.previous_id, r.conversation_id, r.conversation_sequence, c.depth + 1
        from responses r join chain c on r.id = c.previous_id and r.project = ${project}
      )
      select id, previous_id, conversation_id, conversation_sequence from chain order by depth`),
  ) as unknown as readonly Link[];
  const first = chain.at(-1);
  if (!first) throw missing(id);
  if (first.previous_id !== null) throw missing(first.previous_id, `, from which '${first.id}' goes on`);
  const said: Item[] = [];
  if (first.conversation_id !== null) {
    const upTo = lte(items.sequence, Number(first.conversation_sequence));
    said.push(...(await listItems(db, and(ownedBy({ conversationId: first.conversation_id }), upTo))));
  }
  for (const link of chain.toReversed())
    said.push(...(await listItems(db, ownedBy({ responseId: link.id }))));
  return said;
}

/** An id that can be asked for. @throws NotFoundError for one that no response has */
function known(id: string): string {
  if (!ITEM_ID.test(id)) throw missing(id);
  return id;
}

function missing(id: string, why = ''): NotFoundError {
  return new NotFoundError(
    `Response with id '${id.slice(0, 80)}'${why} not found. It may be deleted, or was not stored ('store': false).`,
  );
}
