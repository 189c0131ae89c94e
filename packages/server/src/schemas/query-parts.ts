/** Parts of queries that several endpoints have. */

import { z } from 'zod';

/** Unix seconds, to those. */
export const unixTime = z
  .string()
  .regex(/^\d{1,11}$/, 'expected Unix seconds')
  .transform(Number);

const MOST = 100;

/** A list as SDKs write it, `name[]` repeated, or one value as `name`. Both are read by `listed`. */
export function queryList<Name extends string, Value extends z.ZodType>(name: Name, value: Value) {
  const fields = {
    [name]: value.optional(),
    [`${name}[]`]: z.array(value).min(1).max(MOST).optional(),
  };
  return fields as Record<Name, z.ZodOptional<Value>> & Record<`${Name}[]`, z.ZodOptional<z.ZodArray<Value>>>;
}

/** All values of a list, by its two names; undefined where there is none. */
export function listed<Value>(
  single: Value | undefined,
  several: readonly Value[] | undefined,
): readonly Value[] | undefined {
  return single === undefined ? several : [single, ...(several ?? [])];
}
