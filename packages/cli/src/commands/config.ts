/** `steelyard config`: what `serve` would be told, checked and shown without serving. */

import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import { addConfigFlags, flagLayer, type ConfigFlags } from '../config/flags.ts';
import { configJsonSchema } from '../config/json-schema.ts';
import { ConfigError, issueLine, type ConfigIssue } from '../config/issues.ts';
import { resolveConfig, type Resolved } from '../config/resolve.ts';
import { moderationOf } from '../config/serve-options.ts';
import { settings } from '../config/settings.ts';
import { valueOf, valueText } from '../config/value-text.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_USAGE } from '../errors.ts';
import { plural } from '../terminal/format.ts';
import { sanitiseLine } from '../terminal/sanitise.ts';
import { renderTable } from '../terminal/table.ts';

interface Flags {
  readonly json?: boolean;
}

const MASK = '********';

export const registerConfig: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('config')
    .description('check and show what `steelyard serve` is told by a file, variables and flags')
    .helpCommand(false);
  command
    .command('check [file]')
    .description('every error, with file, line and column; exit code 2 if there is one')
    .option('--config <file>', 'the same as naming the file (default: STEELYARD_CONFIG, else none)')
    .option('--json', 'write an object')
    .action(async (file: string | undefined, { config, ...flags }: Flags & { readonly config?: string }) =>
      exit(await check(file ?? config, flags, context)),
    );
  const show = command
    .command('show [file]')
    .description('what is in force and where it comes from, secrets masked; takes the flags of serve')
    .option('--json', 'write an object')
    .action(async (file: string | undefined, flags: ConfigFlags & Flags) => showAll(file, flags, context));
  addConfigFlags(show);
  command
    .command('schema')
    .description('JSON Schema of the file, for editors')
    .action(() => context.printJson(configJsonSchema()));
  addExamples(command, [
    'steelyard config check steelyard.yaml',
    'steelyard config show --config steelyard.yaml --port 9000',
    'steelyard config schema > steelyard.schema.json',
  ]);
};

async function check(file: string | undefined, flags: Flags, context: CommandContext): Promise<number> {
  let resolved: Resolved | undefined;
  let issues: readonly ConfigIssue[] = [];
  try {
    resolved = await resolveConfig({ env: context.env, file });
    issues = await checkFiles(resolved, context);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    ({ issues } = error);
  }
  const warnings = resolved?.warnings ?? [];
  if (flags.json) context.printJson({ ok: issues.length === 0, issues, warnings });
  else {
    for (const warning of warnings) context.note(`warning: ${sanitiseLine(warning)}`);
    for (const issue of issues)
      context.note(`${context.errorStyle.red('error:')} ${sanitiseLine(issueLine(issue))}`);
    const what = resolved?.file ?? file ?? 'the environment';
    if (issues.length === 0) context.print(`${what} is in order`);
    else context.note(`${plural(issues.length, 'error')} in ${what}`);
  }
  return issues.length === 0 ? 0 : EXIT_USAGE;
}

/** Of other files that it names. */
async function checkFiles({ config, origins }: Resolved, context: CommandContext): Promise<ConfigIssue[]> {
  const { routes, mcp, moderation } = config;
  const checks: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['routes', () => (typeof routes === 'string' ? context.services.readRoutes(routes) : Promise.resolve())],
    ['mcp', () => context.services.readMcpServers(mcp)],
    ['moderation.policyFile', () => moderationOf(moderation)],
  ];
  const issues: ConfigIssue[] = [];
  for (const [path, check] of checks) {
    try {
      await check();
    } catch (error) {
      const where = origins.get(path)?.where ?? path;
      issues.push({ where: `${where}: ${path}`, path, message: (error as Error).message });
    }
  }
  return issues;
}

async function showAll(
  file: string | undefined,
  flags: ConfigFlags & Flags,
  context: CommandContext,
): Promise<void> {
  const resolved = await resolveConfig({
    env: context.env,
    file: file ?? flags.config,
    flags: flagLayer(flags),
  });
  const rows = settings.map((setting) => {
    const value = valueOf(resolved.config, setting);
    const { layer, where } = resolved.origins.get(setting.name)!;
    const given = value !== undefined && layer !== 'default';
    const text = value === undefined ? undefined : valueText(setting, value);
    return {
      setting,
      value: setting.secret && given ? MASK : value,
      text: setting.secret && given ? MASK : text,
      layer,
      where,
    };
  });
  if (flags.json) {
    context.printJson({
      ...(resolved.file === undefined ? {} : { file: resolved.file }),
      settings: rows.map(({ setting, value, layer, where }) => ({
        name: setting.name,
        value: value === Infinity ? 'never' : (value ?? null),
        source: layer,
        ...(where === undefined ? {} : { where }),
      })),
    });
    return;
  }
  for (const warning of resolved.warnings) context.note(`warning: ${sanitiseLine(warning)}`);
  const table = rows.map(({ setting, text, where }) => [
    setting.name,
    sanitiseLine(text ?? '-'),
    sanitiseLine(where ?? 'default'),
  ]);
  const titles = ['SETTING', 'VALUE', 'FROM'].map((title) => context.style.dim(title));
  context.print(renderTable([titles, ...table]));
}
