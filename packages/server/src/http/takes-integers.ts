/** Whether a schema takes whole numbers alone at a path: its bounds do not say so, and the caller is told. */

import type { z } from 'zod';

type Def = z.core.$ZodTypeDef & {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly innerType?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly out?: z.core.$ZodType;
  readonly format?: string;
};

/** False where the path leads to several schemas of which one takes fractions. */
export function takesIntegers(schema: z.core.$ZodType, path: readonly PropertyKey[]): boolean {
  const at = numbersAt(schema, path);
  return at.length > 0 && at.every((isInteger) => isInteger);
}

function numbersAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly boolean[] {
  const def = schema._zod.def as Def;
  const through = def.options ?? [def.innerType ?? def.out].filter((inner) => inner !== undefined);
  if (through.length > 0) return through.flatMap((inner) => numbersAt(inner, path));
  if (path.length === 0) return def.type === 'number' ? [def.format === 'safeint'] : [];
  const [key, ...rest] = path;
  const inner = def.shape?.[String(key)] ?? def.element ?? def.valueType;
  return inner ? numbersAt(inner, rest) : [];
}
