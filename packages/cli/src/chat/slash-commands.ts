/** The `/commands` of chat. Adding one = its row here. */

import { readFile, writeFile } from 'node:fs/promises';
import type { LanguageModel } from '@steelyard/engine';
import { UsageError } from '../errors.ts';
import { SAMPLING_SETTINGS, changeSetting, parseNumber } from '../sampling-options.ts';
import { formatBytes, plural } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import type { Conversation } from './conversation.ts';

/** What a command may do beside changing the conversation. */
export interface ChatActions {
  print(line: string): void;
  /** Loads a model; the caller of the command replaces and disposes the old one. */
  openModel(name: string): Promise<LanguageModel>;
}

export type Outcome = 'exit' | 'answer' | undefined;

interface SlashCommand {
  readonly usage: string;
  readonly doc: string;
  run(conversation: Conversation, argument: string, actions: ChatActions): Outcome | Promise<Outcome>;
}

/** A saved conversation is text that people wrote; anything larger is another file. */
const MAX_SAVED_BYTES = 64 * 1024 * 1024;

export const SLASH_COMMANDS: Readonly<Record<string, SlashCommand>> = {
  help: { usage: '/help', doc: 'this list', run: (_, __, actions) => showHelp(actions) },
  exit: { usage: '/exit', doc: 'leave (also Ctrl-D)', run: () => 'exit' },
  clear: { usage: '/clear', doc: 'forget the conversation', run: clear },
  system: { usage: '/system [TEXT]', doc: 'set the system text; without TEXT remove it', run: setSystem },
  set: {
    usage: '/set [NAME VALUE]',
    doc: 'temperature, top_p, seed, max_tokens, ...; VALUE may be default',
    run: set,
  },
  regenerate: { usage: '/regenerate', doc: 'answer the last message again', run: () => 'answer' },
  save: { usage: '/save FILE', doc: 'write the conversation to a file', run: save },
  load: { usage: '/load FILE', doc: 'go on with a saved conversation', run: load },
  model: { usage: '/model NAME', doc: 'go on with another model', run: changeModel },
  stats: { usage: '/stats', doc: 'tokens, pages and memory of the engine', run: showStats },
};

/** Runs a line that begins with a slash. @throws UsageError for commands that do not exist */
export async function runSlashCommand(
  line: string,
  conversation: Conversation,
  actions: ChatActions,
): Promise<Outcome> {
  const [, name = '', argument = ''] = /^\/(\S*)\s*([\s\S]*)$/.exec(line) ?? [];
  const key = name === 'quit' || name === 'bye' ? 'exit' : name;
  const command = Object.hasOwn(SLASH_COMMANDS, key) ? SLASH_COMMANDS[key] : undefined;
  if (!command) throw new UsageError(`there is no /${name}; /help lists the commands`);
  return command.run(conversation, argument.trim(), actions);
}

function showHelp(actions: ChatActions): undefined {
  const rows = Object.values(SLASH_COMMANDS).map(({ usage, doc }) => [usage, doc]);
  actions.print(renderTable(rows, { indent: '  ' }));
  actions.print('  Several lines: end each with \\, put them between """ and """, or paste them.');
  actions.print('  Ctrl-C stops an answer; twice at an empty prompt leaves.');
}

function clear(conversation: Conversation, _: string, actions: ChatActions): undefined {
  conversation.clear();
  actions.print('The conversation is empty.');
}

function setSystem(conversation: Conversation, text: string, actions: ChatActions): undefined {
  conversation.system = text || undefined;
  actions.print(text ? 'System text set; it holds from the next message.' : 'System text removed.');
}

function set(conversation: Conversation, argument: string, actions: ChatActions): undefined {
  const [name, value, ...rest] = argument.split(/\s+/).filter(Boolean);
  if (name === undefined) return showSettings(conversation, actions);
  if (value === undefined || rest.length)
    throw new UsageError('write /set NAME VALUE, as in /set temperature 0.7');
  if (name === 'max_tokens') {
    conversation.maxTokens =
      value === 'default' ? undefined : parseNumber(name, value, { min: 1, max: 1e9, integer: true });
  } else conversation.sampling = changeSetting(conversation.sampling, name, value);
  actions.print(`${name} is ${value}.`);
}

function showSettings(conversation: Conversation, actions: ChatActions): undefined {
  const rows = Object.entries(SAMPLING_SETTINGS).map(([name, { key, doc }]) => [
    name,
    String(conversation.sampling[key] ?? 'default'),
    doc,
  ]);
  rows.push(['max_tokens', String(conversation.maxTokens ?? 'default'), 'tokens of an answer at most']);
  actions.print(renderTable(rows, { indent: '  ' }));
}

async function save(conversation: Conversation, file: string, actions: ChatActions): Promise<undefined> {
  if (!file) throw new UsageError('write /save FILE, as in /save talk.json');
  await writeFile(file, `${JSON.stringify(conversation, null, 2)}\n`).catch(refuseFile('write', file));
  actions.print(`Saved ${plural(conversation.messages.length, 'message')} to ${file}.`);
}

async function load(conversation: Conversation, file: string, actions: ChatActions): Promise<undefined> {
  if (!file) throw new UsageError('write /load FILE, as in /load talk.json');
  const text = await readFile(file, 'utf8').catch(refuseFile('read', file));
  if (text.length > MAX_SAVED_BYTES) {
    throw new UsageError(
      `${file} is larger than ${formatBytes(MAX_SAVED_BYTES)}; it is no saved conversation`,
    );
  }
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is not JSON; it must come from /save`);
  }
  conversation.restore(saved);
  actions.print(`Loaded ${plural(conversation.messages.length, 'message')} from ${file}.`);
}

async function changeModel(
  conversation: Conversation,
  name: string,
  actions: ChatActions,
): Promise<undefined> {
  if (!name) {
    actions.print(`The model is ${conversation.model.info.name}. Write /model NAME to change it.`);
    return;
  }
  const old = conversation.model;
  conversation.model = await actions.openModel(name);
  await old.dispose();
  actions.print(`The model is ${conversation.model.info.name}; it sees the conversation so far.`);
}

function showStats(conversation: Conversation, _: string, actions: ChatActions): undefined {
  const stats = conversation.model.stats();
  const { weights, kv, temporaries } = stats.memory;
  const rows = [
    ['messages', String(conversation.messages.length)],
    ['prompt tokens', `${stats.promptTokensTotal}, of which ${stats.cachedTokensTotal} reused`],
    ['answer tokens', String(stats.completionTokensTotal)],
    ['steps', String(stats.stepsTotal)],
    ['cache pages', `${stats.pagesTotal}: ${stats.pagesFree} free, ${stats.pagesCached} kept for reuse`],
    [
      'memory',
      `weights ${formatBytes(weights)}, cache ${formatBytes(kv)}, temporaries ${formatBytes(temporaries)}`,
    ],
  ];
  actions.print(renderTable(rows, { indent: '  ' }));
}

function refuseFile(verb: string, file: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new UsageError(`cannot ${verb} ${file}: ${error.code ?? error.message}`);
  };
}
