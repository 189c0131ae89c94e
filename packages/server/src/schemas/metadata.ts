/** Pairs that callers attach to what is kept for them. */

import { z } from 'zod';

const MAX_PAIRS = 16;
const MAX_KEY = 64;
const MAX_VALUE = 512;

export const metadataSchema = z
  .record(z.string().min(1).max(MAX_KEY), z.string().max(MAX_VALUE))
  .refine((pairs) => Object.keys(pairs).length <= MAX_PAIRS, `expected at most ${MAX_PAIRS} pairs.`);

export type Metadata = z.infer<typeof metadataSchema>;
