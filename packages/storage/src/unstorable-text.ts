/** Text that PostgreSQL cannot hold, wherever a caller put it: a name, an id that is looked up, a place in a list. */

/** `character_not_in_repertoire`, which PostgreSQL answers to NUL. */
const NOT_IN_REPERTOIRE = '22021';

/** Whether a query failed because one of its values holds NUL (U+0000). */
export function isUnstorableText(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ((one as Error & { code?: unknown }).code === NOT_IN_REPERTOIRE) return true;
  }
  return false;
}
