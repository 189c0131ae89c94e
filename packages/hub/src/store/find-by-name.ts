/** Which stored model a person means. Exact matches win over beginnings; nothing is guessed between equals. */

import { RequestError } from '@steelyard/core';
import { formatSource, parseSource } from '../parse-source.ts';
import type { StoredModel } from '../stored-model.ts';

/** Begins the source of a model that was copied from another of the store. */
export const COPY = 'copy:';

/** @throws RequestError naming the models when several fit */
export function findByName(models: readonly StoredModel[], text: string): StoredModel | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return undefined;
  const canonical = canonicalSource(text);
  const rules: ((model: StoredModel) => boolean)[] = [
    (model) => model.name.toLowerCase() === wanted,
    (model) => model.source.toLowerCase() === canonical,
    (model) => shortForms(model).includes(wanted),
    (model) =>
      model.name.toLowerCase().startsWith(wanted) || shortForms(model).some((f) => f.startsWith(wanted)),
  ];
  for (const rule of rules) {
    const found = models.filter(rule);
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      const names = found.map((model) => model.name).join(', ');
      throw new RequestError(`'${text}' may be any of ${names}; write more of the name`, 'model');
    }
  }
  return undefined;
}

function canonicalSource(text: string): string | undefined {
  try {
    return formatSource(parseSource(text)).toLowerCase();
  } catch {
    return undefined;
  }
}

/** `hf:owner/repo:Q4_K_M` is also `owner/repo:q4_k_m` and `repo:q4_k_m`; addresses and copies have no short form. */
function shortForms(model: StoredModel): string[] {
  const source = model.source.toLowerCase();
  if (/^(https?|file):/.test(source) || source.startsWith(COPY)) return [];
  const rest = source.slice(source.indexOf(':') + 1);
  return [rest, rest.slice(rest.lastIndexOf('/') + 1)];
}
