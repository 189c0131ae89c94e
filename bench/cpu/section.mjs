/** Puts a benchmark's table between its marks in a page of the docs. */

import { readFileSync, writeFileSync } from 'node:fs';

export function writeSection(path, name, text) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const page = readFileSync(path, 'utf8');
  const [before, rest] = page.split(begin);
  if (rest === undefined || !rest.includes(end)) throw new Error(`${path} has no ${begin} ... ${end}`);
  writeFileSync(path, `${before}${begin}\n\n${text}\n\n${end}${rest.split(end)[1]}`);
}
