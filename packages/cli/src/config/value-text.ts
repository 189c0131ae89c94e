/** Values of settings as a person would write them. */

import { configSchema, type ServeConfig } from './schema.ts';
import type { Setting } from './settings.ts';

const BYTES = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const;

const TIMES = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

export function valueOf(config: ServeConfig, { at }: Setting): unknown {
  let value: unknown = config;
  for (const key of at) value = (value as Record<string, unknown>)[key];
  return value;
}

/** Reads back as the same value. */
export function valueText({ unit }: Pick<Setting, 'unit'>, value: unknown): string {
  if (value === Infinity) return 'never';
  if (typeof value === 'number' && unit) {
    const named = (unit === 'bytes' ? BYTES : TIMES).find(([, one]) => value > 0 && value % one === 0);
    if (named) return `${value / named[1]}${named[0]}`;
    return unit === 'ms' && value > 0 ? `${value}ms` : String(value);
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const defaults = configSchema.parse({});

/** Undefined where there is none, and nothing is said of it. */
export function defaultText(setting: Setting): string | undefined {
  if (setting.otherwise !== undefined) return setting.otherwise;
  const value = valueOf(defaults, setting);
  return value === undefined ? undefined : valueText(setting, value);
}
