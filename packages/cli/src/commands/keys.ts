/** `steelyard keys` and `steelyard projects`: who may ask a server that asks for keys. */

import type { Command } from 'commander';
import type { RegisterCommand } from '../command.ts';
import { addExamples, wholeNumber } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  addAdministrationOptions,
  withAdministration,
  type AdministrationFlags,
  type Ask,
} from '../records/administration.ts';
import { sanitiseLine } from '../terminal/sanitise.ts';
import { renderTable } from '../terminal/table.ts';

interface Flags extends AdministrationFlags {
  readonly json?: boolean;
}

interface KeyFlags extends Flags {
  readonly project: string;
  readonly admin?: boolean;
}

interface NewKeyFlags extends KeyFlags, LimitFlags {
  readonly scope?: readonly string[];
  readonly model?: readonly string[];
  readonly expires?: number;
}

interface LimitFlags {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly tokensPerMonth?: number;
  readonly dollarsPerMonth?: number;
}

interface NewProjectFlags extends Flags, LimitFlags {
  readonly logContent?: boolean;
}

interface ListOf<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
}

interface Key {
  readonly id: string;
  readonly name: string;
  readonly redacted_value: string;
  readonly value?: string;
  readonly last_used_at: number | null;
  readonly steelyard: {
    readonly scopes: readonly string[];
    readonly expires_at: number | null;
    readonly revoked_at: number | null;
  };
}

interface Project {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly created_at: number;
}

const MANY = 1e12;
const DEFAULT_PROJECT = 'default';
const collect = (text: string, all: readonly string[] = []): string[] => [...all, text];

export const registerKeys: RegisterCommand = (program, context) => {
  const keys = program.command('keys').description('keys of a server that asks for them');
  const create = keys
    .command('create <name>')
    .description('make a key, and show it this once')
    .option(
      '--scope <name>',
      '`all`, `read`, or a group such as `chat` or `files:read`; may be given again',
      collect,
    )
    .option('--model <name>', 'a model that it may use (default: all); may be given again', collect)
    .option('--expires <time>', 'a date, as in 2027-01-31', expiry)
    .action((name: string, flags: NewKeyFlags) => createKey(name, flags, context));
  const list = keys
    .command('list')
    .description('keys of a project, or of admins')
    .option('--json', 'write an array of keys')
    .action((flags: KeyFlags) => listKeys(flags, context));
  const revoke = keys
    .command('revoke <id>')
    .description('refuse a key from now on')
    .action((id: string, flags: KeyFlags) => revokeKey(id, flags, context));
  for (const command of [create, list, revoke]) {
    command
      .option('--project <id>', 'whose key it is', DEFAULT_PROJECT)
      .option('--admin', 'a key that may do everything, instead of one of a project');
    addAdministrationOptions(command);
  }
  addLimitOptions(create);
  addExamples(keys, [
    'steelyard keys create laptop',
    'steelyard keys create ci --scope chat --requests-per-minute 60 --expires 2027-01-31',
    'steelyard keys list',
    'steelyard keys revoke key_0123 --url http://127.0.0.1:8642',
  ]);
};

export const registerProjects: RegisterCommand = (program, context) => {
  const projects = program.command('projects').description('projects of a server that asks for keys');
  const create = projects
    .command('create <name>')
    .description('make a project')
    .option('--log-content', 'the log of requests holds what is asked and answered')
    .action((name: string, flags: NewProjectFlags) => createProject(name, flags, context));
  const list = projects
    .command('list')
    .description('projects, archived ones too')
    .option('--json', 'write an array of projects')
    .action((flags: Flags) => listProjects(flags, context));
  const archive = projects
    .command('archive <id>')
    .description("refuse a project's keys from now on; what it keeps stays")
    .action((id: string, flags: Flags) =>
      withAdministration(flags, context, async (ask) => {
        const { name } = await ask<Project>('POST', `/projects/${encodeURIComponent(id)}/archive`);
        context.print(`archived ${id}, ${sanitiseLine(name)}`);
      }),
    );
  for (const command of [create, list, archive]) addAdministrationOptions(command);
  addLimitOptions(create);
  addExamples(projects, [
    'steelyard projects create research --dollars-per-month 50',
    'steelyard projects list',
    'steelyard projects archive proj_0123',
  ]);
};

function addLimitOptions(command: Command): void {
  for (const [flag, what] of [
    ['--requests-per-minute', 'requests'],
    ['--tokens-per-minute', 'tokens in and out'],
    ['--tokens-per-month', 'tokens in and out, by calendar month'],
    ['--dollars-per-month', "by the server's prices"],
  ] as const) {
    command.option(`${flag} <n>`, `at most: ${what}`, wholeNumber(flag, 1, MANY));
  }
}

function limitsOf(flags: LimitFlags) {
  return {
    requests_per_minute: flags.requestsPerMinute,
    tokens_per_minute: flags.tokensPerMinute,
    tokens_per_month: flags.tokensPerMonth,
    dollars_per_month: flags.dollarsPerMonth,
  };
}

function createKey(name: string, flags: NewKeyFlags, context: CommandContext): Promise<void> {
  return withAdministration(flags, context, async (ask) => {
    const key = await ask<Key>('POST', keysPath(flags), {
      name,
      expires_at: flags.expires,
      ...(flags.admin ? {} : { scopes: flags.scope, models: flags.model, limits: limitsOf(flags) }),
    });
    context.print(key.value);
    context.note(`This is ${key.id}. It is shown only now: keep it where only its user reads it.`);
  });
}

function listKeys(flags: KeyFlags, context: CommandContext): Promise<void> {
  return withAdministration(flags, context, async (ask) => {
    const keys = await all<Key>(ask, keysPath(flags));
    if (flags.json) return context.printJson(keys);
    const rows = keys.map(({ id, name, redacted_value: shown, last_used_at: used, steelyard }) => [
      ...[id, sanitiseLine(name), shown, steelyard.scopes.join(',')],
      ...[dayOf(used, 'never'), steelyard.revoked_at === null ? dayOf(steelyard.expires_at, '') : 'revoked'],
    ]);
    printTable(['id', 'name', 'key', 'scopes', 'used', 'until'], rows, context);
  });
}

function revokeKey(id: string, flags: KeyFlags, context: CommandContext): Promise<void> {
  return withAdministration(flags, context, async (ask) => {
    await ask('DELETE', `${keysPath(flags)}/${encodeURIComponent(id)}`);
    context.print(`revoked ${id}`);
  });
}

function createProject(name: string, flags: NewProjectFlags, context: CommandContext): Promise<void> {
  return withAdministration(flags, context, async (ask) => {
    const body = { name, logs_content: flags.logContent, limits: limitsOf(flags) };
    context.print((await ask<Project>('POST', '/projects', body)).id);
  });
}

function listProjects(flags: Flags, context: CommandContext): Promise<void> {
  return withAdministration(flags, context, async (ask) => {
    const projects = await all<Project>(ask, '/projects', 'include_archived=true&');
    if (flags.json) return context.printJson(projects);
    const rows = projects.map((one) => [
      one.id,
      sanitiseLine(one.name),
      one.status,
      dayOf(one.created_at, ''),
    ]);
    printTable(['id', 'name', 'status', 'created'], rows, context);
  });
}

function keysPath({ admin, project }: KeyFlags): string {
  return admin ? '/admin_api_keys' : `/projects/${encodeURIComponent(project)}/api_keys`;
}

/** Every page of a list. */
async function all<T extends { readonly id: string }>(ask: Ask, path: string, query = ''): Promise<T[]> {
  const found: T[] = [];
  for (let more = true; more;) {
    const after = found.at(-1);
    const from = after ? `&after=${encodeURIComponent(after.id)}` : '';
    const page = await ask<ListOf<T>>('GET', `${path}?${query}limit=100${from}`);
    found.push(...page.data);
    more = page.has_more;
  }
  return found;
}

function printTable(titles: readonly string[], rows: readonly string[][], context: CommandContext): void {
  context.print(renderTable([titles.map((title) => context.style.dim(title)), ...rows]));
}

/** @param seconds Unix */
function dayOf(seconds: number | null, none: string): string {
  return seconds === null ? none : new Date(seconds * 1_000).toISOString().slice(0, 10);
}

function expiry(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new UsageError(`--expires is '${text}'; expected a date such as 2027-01-31`);
  return Math.floor(ms / 1_000);
}
