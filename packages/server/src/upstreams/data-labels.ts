/** Labels of a request's data: of its header, its metadata and its project; each may say that it must not leave. */

import type { Call } from '../endpoint.ts';
import { RESTRICTED, type Routing } from './config.ts';

export const DATA_LABEL_HEADER = 'x-steelyard-data-label';

export function dataLabels(
  { request, caller, body, dataLabels: more = [] }: Call<unknown>,
  projects: Routing['projects'] = {},
): string[] {
  const { metadata } = (body ?? {}) as { metadata?: Readonly<Record<string, unknown>> | null };
  const project = Object.hasOwn(projects, caller.project) ? projects[caller.project] : undefined;
  return [request.headers.get(DATA_LABEL_HEADER), metadata?.['data_label'], project, ...more]
    .filter((label): label is string => typeof label === 'string')
    .map((label) => label.trim().toLowerCase());
}

/** The label for which data stays: one that nobody has said anything about does, for it is not known to be harmless. */
export function holdingLabel(labels: readonly string[], known: Routing['labels'] = {}): string | undefined {
  return labels.find(
    (label) => label === RESTRICTED || !Object.hasOwn(known, label) || known[label] !== 'any',
  );
}
