/**
 * Responses: what was asked and what was answered, or is being computed. A response that is not done belongs to the
 * server that computes it; when that server starts again and finds it so, it failed.
 */

import { and, eq, inArray } from 'drizzle-orm';
import type { Database } from './database.ts';
import {
  findItems,
  holdConversation,
  insertItems,
  listItems,
  ownedBy,
  pageItems,
  type ItemPage,
  type ItemQuery,
  type Transaction,
} from './items.ts';
import type { Item, Json } from './json.ts';
import {
  chainHistory,
  holdPrevious,
  inProject,
  known,
  missing,
  readable,
  removeResponse,
  type Place,
} from './response-chains.ts';
import { items, responses } from './schema.ts';

/** Statuses of responses that are being computed, or will be. */
const UNFINISHED = ['queued', 'in_progress'];
const CANCELLED = 'cancelled';

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
  /** All that it goes on from, kept with it where the previous one was deleted meanwhile. */
  readonly history?: readonly Item[];
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
  /** Keeps what there was of an answer when it was cancelled. @returns false, and keeps nothing, when it is deleted or not cancelled */
  keepCancelled(id: string, end: ResponseEnd): Promise<boolean>;
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
  /** It is not found any more; what others go on from stays as a part of those. @throws NotFoundError */
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
    keepCancelled: (id, { body, output }) =>
      db.transaction(async (tx) => {
        const cancelled = and(one(id), eq(responses.status, CANCELLED));
        const rows = await tx
          .update(responses)
          .set({ body })
          .where(cancelled)
          .returning({ id: responses.id });
        if (rows.length > 0) await insertItems(tx, { project, responseId: id }, output, true);
        return rows.length > 0;
      }),
    async cancel(id) {
      await db
        .update(responses)
        .set({ status: CANCELLED })
        .where(and(one(known(id)), inArray(responses.status, UNFINISHED)));
      return get(db, project, id);
    },
    get: (id) => get(db, project, id),
    async input(id, query) {
      await rowOf(db, project, id);
      return pageItems(db, and(ownedBy({ responseId: id }), eq(items.output, false))!, query);
    },
    history: (id) => chainHistory(db, project, id),
    find: (ids) => findItems(db, project, ids),
    remove: (id) => removeResponse(db, project, id),
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

function create(db: Database, { server, project }: Place, response: NewResponse): Promise<void> {
  const { id, status, body, error = null, input, output = [], previousId, conversation } = response;
  const { history = [] } = response;
  return db.transaction(async (tx) => {
    if (previousId !== undefined) await holdPrevious(tx, { server, project }, previousId, history);
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
    .where(readable(project, known(id)));
  if (!row) throw missing(id);
  return row;
}
