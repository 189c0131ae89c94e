/** Flags that several commands share, and how commander's values become the types of the layers below. */

import { Option, type Command } from 'commander';
import type { SamplingOptions } from '@steelyard/engine';
import type { BackendName, CacheDType } from '@steelyard/engine/node';
import { UsageError } from './errors.ts';
import { DEFAULT_SAMPLING, SAMPLING_SETTINGS, changeSetting, parseNumber } from './sampling-options.ts';
import type { ModelOptions } from './services.ts';
import { parseBytes, parseDuration } from './terminal/format.ts';

/** What `addModelOptions` and `addCacheOption` yield in commander's values. */
export interface ModelFlags {
  readonly backend?: BackendName;
  readonly threads?: number;
  readonly context?: number;
  readonly kvCacheDtype?: CacheDType;
  readonly memory?: number;
  readonly expertsOnDisk?: boolean;
  readonly speculation?: boolean;
}

export interface GenerationFlags {
  readonly system?: string;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
}

export function wholeNumber(flag: string, min: number, max: number): (text: string) => number {
  return (text) => parseNumber(flag, text, { min, max, integer: true });
}

/** Milliseconds of `30s`, `5m`, `2h` or seconds as a number; `-1` and `never` are Infinity, as Ollama has it. */
export function duration(flag: string): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms === undefined)
      throw new UsageError(`${flag} is '${text}'; expected a time such as 90s, 5m, 2h or never`);
    return ms;
  };
}

export function byteCount(flag: string): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text);
    if (bytes === undefined)
      throw new UsageError(`${flag} is '${text}'; expected a size such as 4GB or 512MiB`);
    return bytes;
  };
}

export function addModelOptions(
  command: Command,
  memory = 'budget for weights and cache, as in 4GB',
): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'what computes (default: the fastest here)').choices([
        'cpu',
        'wasm',
        'reference',
      ]),
    )
    .option('--threads <n>', 'threads of the CPU backend', wholeNumber('--threads', 1, 1024))
    .option('--context <tokens>', 'longest sequence', wholeNumber('--context', 1, 1e8))
    .option('--memory <size>', memory, byteCount('--memory'))
    .option('--experts-on-disk', 'experts need not fit in memory; they are read as tokens choose them');
}

export function modelOptions(flags: ModelFlags): ModelOptions {
  return {
    backend: flags.backend,
    threads: flags.threads,
    contextLength: flags.context,
    kvDType: flags.kvCacheDtype,
    memoryBytes: flags.memory,
    expertsOnDisk: flags.expertsOnDisk,
    speculation: flags.speculation,
  };
}

/** For commands that generate: those that make vectors keep nothing between steps. */
export function addCacheOption(command: Command): Command {
  return command.addOption(
    new Option('--kv-cache-dtype <name>', 'what the KV cache holds; q8_0 takes half of f16').choices([
      'f16',
      'q8_0',
      'f32',
    ]),
  );
}

const collect = (text: string, all: readonly string[] = []): string[] => [...all, text];

/** System text, length, stop strings and every sampling setting. */
export function addGenerationOptions(command: Command): Command {
  addCacheOption(command)
    .option('--system <text>', 'system text')
    .option('--no-speculation', 'compute no likely next tokens ahead')
    .option('--max-tokens <n>', 'tokens of an answer at most', wholeNumber('--max-tokens', 1, 1e9))
    .option('--stop <text>', 'end the answer before this text; may be given again', collect);
  for (const [name, { doc }] of Object.entries(SAMPLING_SETTINGS)) {
    command.option(`--${name.replaceAll('_', '-')} <n>`, doc);
  }
  return command;
}

/** @throws UsageError for a value out of range */
export function samplingOptions(flags: Readonly<Record<string, unknown>>): SamplingOptions {
  let sampling: SamplingOptions = DEFAULT_SAMPLING;
  for (const name of Object.keys(SAMPLING_SETTINGS)) {
    const value = flags[name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (typeof value === 'string') sampling = changeSetting(sampling, name, value);
  }
  return sampling;
}

/** Adds examples below a command's `--help`. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
}
