/**
 * Responses that go on from others. One that is deleted can be read no more, but while others go on from it its items
 * stay: they are part of what those were asked. They go with the last of these.
 */

import { NotFoundError } from '@steelyard/core';
import { and, eq, lte, ne, sql, type SQL } from 'drizzle-orm';
import { rowsOf, type Database } from './database.ts';
import {
  DELETED,
  insertItems,
  ITEM_ID,
  listItems,
  ownedBy,
  type Queries,
  type Transaction,
} from './items.ts';
import type { Item } from './json.ts';
import { items, responses } from './schema.ts';

/** Where a response is made. */
export interface Place {
  readonly server: string;
  readonly project: string;
}

interface Link {
  readonly id: string;
  readonly previous_id: string | null;
  readonly conversation_id: string | null;
  readonly conversation_sequence: string | number | null;
}

/** @throws NotFoundError naming the one that is missing */
export async function chainHistory(db: Database, project: string, id: string): Promise<readonly Item[]> {
  // Newest first: each response goes on from the next.
  const chain = rowsOf(
    await db.execute(sql`
      with recursive chain as (
        select id, previous_id, conversation_id, conversation_sequence, 0 as depth
        from responses where id = ${known(id)} and project = ${project} and status <> ${DELETED}
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

/**
 * Keeps the response that a new one goes on from until the transaction ends, as what is left of a deleted one where it
 * went while the new one was computed.
 * @param history all that the new one goes on from
 */
export async function holdPrevious(
  tx: Transaction,
  place: Place,
  id: string,
  history: readonly Item[],
): Promise<void> {
  const held = sql`select 1 from responses where id = ${id} and project = ${place.project} for key share`;
  if (rowsOf(await tx.execute(held)).length > 0) return;
  await tx
    .insert(responses)
    .values({ ...place, id, status: DELETED, body: {} })
    .onConflictDoNothing();
  await insertItems(tx, { project: place.project, responseId: id }, history);
}

/** @throws NotFoundError */
export function removeResponse(db: Database, project: string, id: string): Promise<void> {
  return db.transaction(async (tx) => {
    let gone = await locked(tx, project, known(id));
    if (!gone || gone.status === DELETED) throw missing(id);
    if (await hasNext(tx, project, id)) {
      await tx
        .update(responses)
        .set({ status: DELETED, body: {}, error: null })
        .where(inProject(project, id));
      return;
    }
    // Upwards only, so that two removals never wait for each other.
    while (gone) {
      await tx.delete(responses).where(inProject(project, gone.id));
      if (gone.previousId === null) return;
      const previous = await locked(tx, project, gone.previousId);
      const isNeeded = previous?.status !== DELETED || (await hasNext(tx, project, previous.id));
      gone = isNeeded ? undefined : previous;
    }
  });
}

/** A response of the project that is not deleted. */
export function readable(project: string, id: string): SQL | undefined {
  return and(inProject(project, id), ne(responses.status, DELETED));
}

export function inProject(project: string, id: string): SQL | undefined {
  return and(eq(responses.project, project), eq(responses.id, id));
}

async function locked(tx: Transaction, project: string, id: string) {
  const [row] = await tx
    .select({ id: responses.id, status: responses.status, previousId: responses.previousId })
    .from(responses)
    .where(inProject(project, id))
    .for('update');
  return row;
}

async function hasNext(db: Queries, project: string, id: string): Promise<boolean> {
  const [row] = await db
    .select({ id: responses.id })
    .from(responses)
    .where(and(eq(responses.project, project), eq(responses.previousId, id)))
    .limit(1);
  return row !== undefined;
}

/** An id that can be asked for. @throws NotFoundError for one that no response has */
export function known(id: string): string {
  if (!ITEM_ID.test(id)) throw missing(id);
  return id;
}

export function missing(id: string, why = ''): NotFoundError {
  return new NotFoundError(
    `Response with id '${id.slice(0, 80)}'${why} not found. It may be deleted, or was not stored ('store': false).`,
  );
}
