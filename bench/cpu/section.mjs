/** Puts a benchmark's table between its marks in a page of the docs. */

import { readFileSync, writeFileSync } from 'node:fs';
import { markdownTable } from './table.mjs';

/** What stands before the section's text, that text, and what stands behind. */
function parts(path, name) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const page = readFileSync(path, 'utf8');
  const [from, to] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
  if (from < begin.length || to < from) throw new Error(`${path} has no ${begin} ... ${end}`);
  return [page.slice(0, from), page.slice(from, to).trim(), page.slice(to)];
}

export function writeSection(path, name, text) {
  const [before, , after] = parts(path, name);
  writeFileSync(path, `${before}\n\n${text}\n\n${after}`);
}

/**
 * The rows under the machine they were measured on. Those of `part` of the cases replace their own in a table of the same
 * columns and processor, whose other rows and whose line about the machine stay.
 */
export function writeTable(path, name, { processor, setting, rows, part }) {
  const table = markdownTable(rows);
  const [earlierSetting, earlier = ''] = parts(path, name)[1].split('\n\n');
  const [[head, rule, ...lines], [earlierHead, , ...earlierLines]] = [table.split('\n'), earlier.split('\n')];
  if (!part || head !== earlierHead || !earlierSetting.startsWith(processor))
    return writeSection(path, name, `${setting}.\n\n${table}`);
  const caseOf = (line) => line.split(' | ')[0];
  const measured = new Map(lines.map((line) => [caseOf(line), line]));
  const kept = earlierLines.map((line) => {
    const now = measured.get(caseOf(line));
    measured.delete(caseOf(line));
    return now ?? line;
  });
  writeSection(path, name, `${earlierSetting}\n\n${[head, rule, ...kept, ...measured.values()].join('\n')}`);
}
