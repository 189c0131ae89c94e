/** How many files of a store or of a batch have which status. */

/** Files by what became of them. */
export interface FileCounts {
  readonly in_progress: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly total: number;
}

/** @param rows how many files have each status */
export function countsOf(rows: readonly { readonly status: string; readonly files: string }[]): FileCounts {
  const of = (status: string): number => Number(rows.find((row) => row.status === status)?.files ?? 0);
  return {
    in_progress: of('in_progress'),
    completed: of('completed'),
    failed: of('failed'),
    cancelled: of('cancelled'),
    total: rows.reduce((all, { files }) => all + Number(files), 0),
  };
}
