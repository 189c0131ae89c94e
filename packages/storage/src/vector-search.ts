/**
 * Search in a vector store: by meaning (the cosine between vectors), by words (PostgreSQL's full text), or by both,
 * joined by reciprocal rank fusion. Every vector of the store is compared, so nothing near is missed, but for those of
 * another length than the query's: another model made them, under the same name.
 * @see Cormack, Clarke, Büttcher: Reciprocal Rank Fusion (SIGIR 2009)
 */

import { sql, type SQL } from 'drizzle-orm';
import { innerProduct, rowsOf, type Database } from './database.ts';

/** Smooths the ranks, as in the paper. */
const RRF_K = 60;
/** Candidates of either kind that the fusion sees, at least. */
const CANDIDATES = 100;
/** Elements of pgvector's longest vector. */
const PGVECTOR_ELEMENTS = 16_000;

export interface VectorQuery {
  /** Of length 1. */
  readonly vector: Float32Array;
  /** The words of the query; absent: by meaning alone. */
  readonly text?: string;
  readonly weights: { readonly embedding: number; readonly text: number };
  /** Only in these files. Default: in all. */
  readonly fileIds?: readonly string[];
  readonly limit: number;
}

export interface FoundChunk {
  readonly fileId: string;
  readonly filename: string;
  readonly text: string;
  /**
   * 0 to 1. By meaning alone: the cosine, not below 0. By both: the fused rank, as a share of the best possible, which is
   * to be first by meaning and by words.
   */
  readonly score: number;
}

export async function searchChunks(
  db: Database,
  storeId: string,
  query: VectorQuery,
  pgvectorSchema: string | undefined,
): Promise<FoundChunk[]> {
  if (query.fileIds?.length === 0) return [];
  const rows = rowsOf(
    await db.execute(searchStatement(storeId, query, pgvectorSchema)),
  ) as unknown as readonly { file_id: string; filename: string; text: string; score: string | number }[];
  return rows.map((row) => ({
    fileId: row.file_id,
    filename: row.filename,
    text: row.text,
    score: Math.min(1, Number(row.score)),
  }));
}

export function searchStatement(
  storeId: string,
  query: VectorQuery,
  pgvectorSchema: string | undefined,
): SQL {
  const { text, weights, limit } = query;
  return sql`
      with near as (${nearest(storeId, query, pgvectorSchema)}),
      worded as (${text === undefined ? sql`select 0::bigint as sequence, 0 as rank where false` : worded(storeId, query, text)}),
      fused as (
        select coalesce(near.sequence, worded.sequence) as sequence, ${
          text === undefined
            ? sql`greatest(0, near.similarity)`
            : sql`(coalesce(${weights.embedding}::float8 / (${RRF_K} + near.rank), 0)
                + coalesce(${weights.text}::float8 / (${RRF_K} + worded.rank), 0))
                * ${(RRF_K + 1) / (weights.embedding + weights.text)}::float8`
        } as score
        from near full join worded on near.sequence = worded.sequence
      )
      select c.file_id, f.filename, c.text, fused.score
      from fused
      join vector_chunks c on c.sequence = fused.sequence
      join files f on f.id = c.file_id
      order by fused.score desc, fused.sequence
      limit ${limit}`;
}

function within(storeId: string, { fileIds }: VectorQuery): SQL {
  const chosen = fileIds ? sql`and c.file_id in ${[...fileIds]}` : sql``;
  return sql`c.store_id = ${storeId} ${chosen}`;
}

const candidates = ({ limit }: VectorQuery): number => Math.max(CANDIDATES, 2 * limit);

/** Vectors are of length 1, so that their inner product is the cosine; with one of length 0 it is 0, where a cosine is none. */
function nearest(storeId: string, query: VectorQuery, pgvectorSchema: string | undefined): SQL {
  const { length } = query.vector;
  const vector = sql`${`{${query.vector.join(',')}}`}::real[]`;
  const similarity =
    pgvectorSchema !== undefined && length <= PGVECTOR_ELEMENTS
      ? innerProduct(pgvectorSchema, sql`c.embedding`, vector)
      : sql`(select sum(u.a * u.b) from unnest(c.embedding, ${vector}) as u(a, b))`;
  return sql`
    select n.sequence, n.similarity, row_number() over (order by n.similarity desc, n.sequence) as rank
    from (
      select c.sequence, ${similarity} as similarity
      from vector_chunks c where ${within(storeId, query)} and cardinality(c.embedding) = ${length}
    ) n
    order by n.similarity desc, n.sequence limit ${candidates(query)}`;
}

/** Pieces with any of the words; those with more of them, and closer together, come first. */
function worded(storeId: string, query: VectorQuery, text: string): SQL {
  const asked = sql`replace(plainto_tsquery('english', ${text})::text, '&', '|')::tsquery`;
  return sql`
    select w.sequence, row_number() over (order by w.score desc, w.sequence) as rank
    from (
      select c.sequence, ts_rank_cd(c.words, q.asked) as score
      from vector_chunks c, (select ${asked} as asked) q
      where ${within(storeId, query)} and c.words @@ q.asked
    ) w
    order by w.score desc, w.sequence limit ${candidates(query)}`;
}
