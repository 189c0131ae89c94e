/** The settings of the schema as a flat list, with the names that each goes by. */

import type { z } from 'zod';
import { configSchema } from './schema.ts';
import { settingFacts, type SettingFacts } from './setting.ts';

export interface Setting extends SettingFacts {
  /** As in a file: `['limits', 'bodyBytes']`. */
  readonly at: readonly string[];
  /** `limits.bodyBytes` */
  readonly name: string;
  readonly about: string;
  /** `--limits-body-bytes`; undefined where it has none. */
  readonly option: string | undefined;
  /** `STEELYARD_LIMITS_BODY_BYTES`, then others that are read. */
  readonly variables: readonly string[];
}

export interface SettingGroup {
  readonly name: string;
  readonly about: string;
}

interface Shape {
  readonly shape: Readonly<Record<string, z.ZodType>>;
}

const words = (text: string) =>
  text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(' ');

function settingOf(schema: z.ZodType, at: readonly string[], facts: SettingFacts): Setting {
  const parts = at.flatMap(words);
  const flag = facts.flag ?? parts.join('-');
  return {
    ...facts,
    at,
    name: at.join('.'),
    about: schema.description ?? '',
    option: flag === false ? undefined : `--${flag}`,
    variables: [`STEELYARD_${parts.join('_').toUpperCase()}`, ...(facts.env ?? [])],
  };
}

/** A group behind its default. */
function shapeOf(schema: z.ZodType): Shape['shape'] {
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType ? shapeOf(innerType) : (schema as unknown as Shape).shape;
}

function collect(shape: Shape['shape'], at: readonly string[]): Setting[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const here = [...at, key];
    const facts = settingFacts.get(schema);
    return facts ? [settingOf(schema, here, facts)] : collect(shapeOf(schema), here);
  });
}

export const settings: readonly Setting[] = collect(configSchema.shape, []);

export const settingGroups: readonly SettingGroup[] = Object.entries(configSchema.shape)
  .filter(([, schema]) => !settingFacts.has(schema))
  .map(([name, schema]) => ({ name, about: schema.description ?? '' }));

/** The setting that a path of the schema is in. */
export function settingAt(path: readonly PropertyKey[]): Setting | undefined {
  return settings.find(({ at }) => at.length <= path.length && at.every((key, i) => key === path[i]));
}
