/** A configuration put together: a flag wins over a variable, a variable over the file, the file over the default. */

import { readFileSync } from 'node:fs';
import type { Environment } from '../context.ts';
import { ConfigError, foundOf, nearestVariable, shown, type ConfigIssue, type Found } from './issues.ts';
import { readConfigFile, type ConfigFile } from './read-file.ts';
import { configSchema, type ServeConfig } from './schema.ts';
import { settingAt, settings, type Setting } from './settings.ts';

export type Layer = 'default' | 'file' | 'env' | 'flag';

export interface Origin {
  readonly layer: Layer;
  /** `--port`, `STEELYARD_PORT`, `steelyard.yaml:3:7`; absent for a default. */
  readonly where?: string;
  /** As the flag or the variable had it. */
  readonly text?: string;
}

export interface Sources {
  /** Texts by name of the setting; `true` and `false` for those that are either. */
  readonly flags?: Readonly<Record<string, FlagValue | undefined>>;
  readonly env: Environment;
  /** Default: `STEELYARD_CONFIG`, else none. */
  readonly file?: string | undefined;
}

export type FlagValue = string | boolean | readonly string[];

export interface Resolved {
  readonly config: ServeConfig;
  /** By name of the setting. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** The file that was read. */
  readonly file?: string;
  /** What is likely a mistake and stops nothing. */
  readonly warnings: readonly string[];
}

interface Given {
  readonly value: unknown;
  readonly origin: Origin;
}

/** @throws ConfigError with everything that is wrong */
export async function resolveConfig({ flags = {}, env, file }: Sources): Promise<Resolved> {
  const name = file ?? env['STEELYARD_CONFIG'];
  const read = name ? await readConfigFile(name) : undefined;
  const given = new Map<string, Given>();
  const raw: Record<string, unknown> = structuredClone({ ...read?.value });
  for (const setting of settings) {
    const one = ofFlag(setting, flags[setting.name]) ?? ofEnvironment(setting, env) ?? ofFile(setting, read);
    if (!one) continue;
    given.set(setting.name, one);
    put(raw, setting.at, one.value);
  }
  const result = configSchema.safeParse(raw, { reportInput: true });
  if (!result.success) {
    const found = result.error.issues.flatMap((issue) => foundOf(issue, raw));
    throw new ConfigError(found.map((one) => issueOf(one, given, read)));
  }
  const origins = new Map<string, Origin>(
    settings.map((setting) => [setting.name, given.get(setting.name)?.origin ?? { layer: 'default' }]),
  );
  return { config: result.data, origins, warnings: strayVariables(env), ...(name ? { file: name } : {}) };
}

function ofFlag(setting: Setting, value: FlagValue | undefined): Given | undefined {
  if (value === undefined) return undefined;
  const option = value === false ? setting.option?.replace('--', '--no-') : setting.option;
  const where = option ?? setting.name.toUpperCase();
  if (typeof value !== 'string') return { value, origin: { layer: 'flag', where } };
  return { value: fromText(setting, value), origin: { layer: 'flag', where, text: value } };
}

function ofEnvironment(setting: Setting, env: Environment): Given | undefined {
  for (const variable of setting.variables) {
    const text = env[variable];
    // An empty one is how compose files and charts leave out a setting.
    if (text) return { value: fromText(setting, text), origin: { layer: 'env', where: variable, text } };
    const file = setting.secret && env[`${variable}_FILE`];
    if (file) return { value: secretIn(file, variable), origin: { layer: 'env', where: `${variable}_FILE` } };
  }
  return undefined;
}

function secretIn(file: string, variable: string): string {
  const where = `${variable}_FILE`;
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError([{ where, path: '', message: `names ${file}, which cannot be read (${code})` }]);
  }
  if (text === '') throw new ConfigError([{ where, path: '', message: `names ${file}, which is empty` }]);
  return text;
}

function ofFile(setting: Setting, file: ConfigFile | undefined): Given | undefined {
  let value: unknown = file?.value;
  for (const key of setting.at) {
    if (value === null || typeof value !== 'object') return undefined;
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  if (!file || value === undefined) return undefined;
  const { line, column } = file.place(setting.at);
  const where = `${file.name}:${line}:${column}`;
  return { value: file.resolve(value, setting), origin: { layer: 'file', where } };
}

/** What the text does not fit is handed on as it is: the schema says what was expected. */
function fromText({ form }: Setting, text: string): unknown {
  switch (form) {
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return BOOLEANS.get(text.toLowerCase()) ?? text;
    case 'list':
      return text.split(',').flatMap((one) => one.trim() || []);
    case 'json':
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return text;
      }
    case 'text':
      return text;
  }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

function put(root: Record<string, unknown>, at: readonly string[], value: unknown): void {
  let inside = root;
  for (const key of at.slice(0, -1)) {
    const next = inside[key];
    // A group that the file has as something else is the schema's to refuse.
    if (next !== undefined && (next === null || typeof next !== 'object')) return;
    inside = (inside[key] ??= {}) as Record<string, unknown>;
  }
  inside[at.at(-1)!] = value;
}

function issueOf(
  { path, text, atKey }: Found,
  given: ReadonlyMap<string, Given>,
  file: ConfigFile | undefined,
): ConfigIssue {
  const name = path.map(String).join('.');
  const setting = settingAt(path);
  const origin = setting && given.get(setting.name)?.origin;
  if (origin && origin.layer !== 'file' && origin.where !== undefined) {
    // Within a value that came as one text, only the text itself has a place.
    const inner = path.length > setting.at.length ? `${name}: ` : '';
    const told = origin.text === undefined || setting.secret || inner ? text : withText(text, origin.text);
    const hint = /^tcp:\/\//.test(origin.text ?? '') ? SERVICE_LINK : '';
    return { where: origin.where, path: name, message: `${inner}${told}${hint}` };
  }
  if (!file) return { where: name, path: name, message: text };
  const { line, column } = file.place(path, atKey);
  const where = `${file.name}:${line}:${column}: ${name}`;
  return { where, file: file.name, line, column, path: name, message: text };
}

const SERVICE_LINK = ' (Kubernetes sets it for a service of this name: set enableServiceLinks: false)';

/** As the person wrote it, not as we read it. */
function withText(message: string, text: string): string {
  return message.replace(/^is .*?; expected/s, () => `is ${shown(text)}; expected`);
}

/** Variables that are read elsewhere. */
const OTHERS = /^STEELYARD_(HOME|CONFIG|CPU|NATIVE|WASM|ACTIVATIONS|DEBUG|ADMIN_KEY|SERVICE_|PORT_|FUZZ_)/;

function strayVariables(env: Environment): string[] {
  const known = new Set(
    settings.flatMap(({ variables }) => [...variables, ...variables.map((v) => `${v}_FILE`)]),
  );
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith('STEELYARD_') || known.has(name) || OTHERS.test(name)) return [];
    const meant = nearestVariable(name);
    return meant === undefined ? [] : [`${name} is not a setting; did you mean ${meant}?`];
  });
}
