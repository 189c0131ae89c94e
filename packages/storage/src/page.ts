/** Pages of rows in the order of their arrival, from a row on, either way. */

import { RequestError } from '@steelyard/core';
import { and, asc, desc, gt, lt, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';

export interface PageQuery {
  /** Entries at most. */
  readonly limit: number;
  /** By time of arrival. */
  readonly order: 'asc' | 'desc';
  /** Id of the entry before the first one wanted. */
  readonly after?: string | undefined;
  /** Id of the entry behind the last one wanted: the page is of those right before it. */
  readonly before?: string | undefined;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
}

/** Reads rows that a condition holds of, in an order, so many at most. */
export type ReadRows<Row> = (where: SQL | undefined, order: SQL, limit: number) => Promise<Row[]>;

/**
 * @param sequenceOf place of a row by its id; undefined for one that is not in the list
 * @throws RequestError for an id that is not in the list
 */
export async function readPage<Row>(
  query: PageQuery,
  column: AnyPgColumn,
  sequenceOf: (id: string) => Promise<number | undefined>,
  read: ReadRows<Row>,
): Promise<Page<Row>> {
  const { limit, order, after, before } = query;
  const place = async (id: string | undefined, param: string): Promise<number | undefined> => {
    if (id === undefined) return undefined;
    const found = await sequenceOf(id);
    if (found !== undefined) return found;
    const message = `Invalid '${param}': got '${id.slice(0, 80)}', expected the id of an entry in this list.`;
    throw new RequestError(message, param);
  };
  const [from, to] = [await place(after, 'after'), await place(before, 'before')];
  const [behind, ahead] = order === 'asc' ? [gt, lt] : [lt, gt];
  // The entries next to `before` are wanted, so they are read from there, and turned around.
  const backwards = before !== undefined && after === undefined;
  const rows = await read(
    and(
      from === undefined ? undefined : behind(column, from),
      to === undefined ? undefined : ahead(column, to),
    ),
    (order === 'asc') === backwards ? desc(column) : asc(column),
    limit + 1,
  );
  const page = rows.slice(0, limit);
  return { rows: backwards ? page.reverse() : page, hasMore: rows.length > limit };
}
