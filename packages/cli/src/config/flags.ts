/** Flags for every setting that has one, and their values as a layer of the configuration. */

import { Option, type Command } from 'commander';
import type { FlagValue } from './resolve.ts';
import { settings, type Setting } from './settings.ts';
import { defaultText } from './value-text.ts';

const collect = (text: string, all: readonly string[] = []): string[] => [...all, text];

/** What a command with these flags is handed, by commander's names. */
export type ConfigFlags = Readonly<Record<string, unknown>> & { readonly config?: string };

export function addConfigFlags(command: Command): Command {
  command.option('--config <file>', 'YAML or JSON of settings (default: STEELYARD_CONFIG, else none)');
  for (const setting of settings) {
    for (const option of optionsOf(setting)) command.addOption(option);
  }
  return command.addHelpText(
    'after',
    '\nEach setting is also a variable (STEELYARD_PORT) and a line of a file (--config); those not listed here,\n' +
      'limits and others, are flags too: steelyard config show.',
  );
}

function optionsOf(setting: Setting): Option[] {
  const { option, form, placeholder } = setting;
  if (option === undefined) return [];
  if (form === 'boolean') {
    const { off, rare = false } = setting;
    return [
      new Option(option, describe(setting)).hideHelp(rare || off !== undefined),
      new Option(option.replace('--', '--no-'), off).hideHelp(rare || off === undefined),
    ];
  }
  const made = new Option(`${option} <${placeholder}>`, describe(setting));
  if (form === 'list') made.argParser<readonly string[]>(collect);
  return [made.hideHelp(setting.rare === true)];
}

function describe(setting: Setting): string {
  const about = setting.about.replace(/\.$/, '');
  const again = setting.form === 'list' ? '; may be given again' : '';
  const value = setting.form === 'boolean' ? setting.otherwise : defaultText(setting);
  const text = `${about.charAt(0).toLowerCase()}${about.slice(1)}${again}`;
  return `${text}${value === undefined ? '' : ` (default: ${value})`}`.replaceAll('`', '');
}

/** @param flags commander's; @param models of the command line, which replace all others */
export function flagLayer(flags: ConfigFlags, models: readonly string[] = []): Record<string, FlagValue> {
  const layer: Record<string, FlagValue> = {};
  for (const setting of settings) {
    const [option] = optionsOf(setting);
    const value = option && (flags[option.attributeName()] as FlagValue | undefined);
    if (value !== undefined) layer[setting.name] = value;
  }
  if (models.length > 0) layer['models'] = models;
  return layer;
}
