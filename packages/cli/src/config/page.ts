/** docs/configuration.md, written from the schema. */

import { settingGroups, settings, type Setting } from './settings.ts';
import { defaultText } from './value-text.ts';

const HEAD = `# Configuration

Everything that \`steelyard serve\` can be told, as a file, variables or flags. This page is written from the schema
(\`packages/cli/src/config/schema.ts\`) by \`npm run docs:configuration\`.

A flag wins over a variable, a variable over the file, the file over the default.

\`\`\`yaml
# steelyard.yaml: YAML, or JSON
models: [smollm2-135m-instruct]
host: 0.0.0.0
keys: true
memory: 8GB
keepAlive: 30m
prices:
  '*': { input: 0.5, output: 1.5 }
limits:
  bodyBytes: 8MiB
  deadline: 2m
\`\`\`

\`\`\`sh
npx steelyard config check steelyard.yaml    # every error with file, line and column; exit code 2
npx steelyard config show --config steelyard.yaml   # what is in force, and where each setting comes from; --json
npx steelyard config schema > steelyard.schema.json # for editors
npx steelyard serve --config steelyard.yaml  # or STEELYARD_CONFIG
\`\`\`

Sizes are bytes or texts such as \`4GB\` and \`512MiB\`, times are seconds or texts such as \`90s\`, \`5m\` and \`never\`. In a
file, paths are relative to its folder. In variables and flags, lists are separated by commas or given by repeating
the flag, and what has a shape of its own is JSON. An empty variable counts as absent. Secrets are never shown, and
their variables with \`_FILE\` at the end name a file that holds them (\`STEELYARD_API_KEY_FILE\`).
`;

export function configurationPage(): string {
  const groups = settingGroups.map(
    ({ name, about }) => `\n## ${name}\n\n${about}\n\n${table(settings.filter(({ at }) => at[0] === name))}`,
  );
  return `${HEAD}\n## Settings\n\n${table(settings.filter(({ at }) => at.length === 1))}${groups.join('')}`;
}

function table(rows: readonly Setting[]): string {
  const lines = rows.map((setting) => {
    const value = defaultText(setting);
    const named = setting.otherwise !== undefined || value === undefined ? (value ?? '') : `\`${value}\``;
    const names = [setting.option, ...setting.variables].flatMap((name) => (name ? [`\`${name}\``] : []));
    const about = setting.expected.startsWith('one of ')
      ? `${setting.about.replace(/\.$/, '')}: ${setting.expected}.`
      : setting.about;
    return `| \`${setting.name}\` | ${about} | ${named} | ${names.join(' ')} |`;
  });
  return ['| Setting | | Default | Flag, variables |', '|---|---|---|---|', ...lines, ''].join('\n');
}
