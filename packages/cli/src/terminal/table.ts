/** Aligned columns of text. Widths count code points; East Asian wide characters may stand one off. */

const ESCAPES = /\u001b\[[0-9;]*m/g;

function width(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

function pad(text: string, to: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, to - width(text)));
  return right ? space + text : text + space;
}

/** Lines of the table. `right` holds the indices of columns aligned to the right. */
export function renderTable(
  rows: readonly (readonly string[])[],
  options: { readonly right?: readonly number[]; readonly indent?: string } = {},
): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => width(row[i] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => pad(cell, widths[i] as number, options.right?.includes(i) ?? false))
      .join('  ')
      .trimEnd();
  return rows.map((row) => (options.indent ?? '') + line(row)).join('\n');
}
