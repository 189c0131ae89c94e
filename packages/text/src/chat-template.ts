/** Finds the chat template of a model, in a Hugging Face folder or in GGUF metadata. */

import { FormatError, RequestError } from '@steelyard/core';
import type { ChatTemplate } from './chat-template-types.ts';
import { optionalId, optionalString, optionalTexts } from './gguf-metadata.ts';
import { HarmonyTemplate, isHarmony } from './harmony/harmony-template.ts';
import { JinjaChatTemplate, type TemplateSources } from './jinja-chat-template.ts';
import { badField, isObject, type Json } from './json-access.ts';
import { tokenText } from './tokenizer-from-json.ts';
import { encodeTexts, textAt } from './text-index.ts';
import type { MetadataLike } from './tokenizer-types.ts';

const tokenKeys = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`);

/**
 * @param tokenizerConfig parsed `tokenizer_config.json`: special tokens, and the template where it is not a file.
 * @param chatTemplateFile `chat_template.jinja`, which goes before the template of the configuration.
 * @returns undefined where the model has no template.
 * @throws FormatError for a template of another shape.
 */
export function chatTemplateFromJson(
  tokenizerConfig: Record<string, unknown> | undefined,
  chatTemplateFile?: string,
): ChatTemplate | undefined {
  const config = tokenizerConfig ?? {};
  const specialTokens: Record<string, string> = {};
  for (const key of tokenKeys) {
    const text = tokenText(config[key]);
    if (text !== undefined) specialTokens[key] = text;
  }
  const sources = namedTemplates(config);
  const main = chatTemplateFile ?? sources.get('default');
  const toolUse = chatTemplateFile === undefined ? sources.get('tool_use') : undefined;
  if (main !== undefined) return templateOf({ main, toolUse, specialTokens });
  if (sources.size === 0) return undefined;
  throw new FormatError(
    `tokenizer_config.json chat_template: got templates named ${[...sources.keys()].join(', ')}, expected one named "default". Give a chat_template.jinja.`,
  );
}

function namedTemplates(config: Json): Map<string, string> {
  const where = 'tokenizer_config.json chat_template';
  const value = config.chat_template;
  if (value === undefined || value === null) return new Map();
  if (typeof value === 'string') return new Map([['default', value]]);
  if (!Array.isArray(value)) throw badField(where, value, 'a template or a list of named templates');
  return new Map(
    (value as unknown[]).map((entry, i) => {
      if (!isObject(entry) || typeof entry.name !== 'string' || typeof entry.template !== 'string') {
        throw badField(`${where}[${i}]`, entry, 'an object with name and template');
      }
      return [entry.name, entry.template];
    }),
  );
}

/** @returns undefined where the file has no template. */
export function chatTemplateFromGguf(metadata: ReadonlyMap<string, MetadataLike>): ChatTemplate | undefined {
  const main = optionalString(metadata, 'tokenizer.chat_template');
  if (main === undefined) return undefined;
  const toolUse = optionalString(metadata, 'tokenizer.chat_template.tool_use');
  const tokens = optionalTexts(metadata, 'tokenizer.ggml.tokens') ?? encodeTexts([]);
  const specialTokens: Record<string, string> = {};
  for (const key of tokenKeys) {
    const name =
      { unk_token: 'unknown_token', pad_token: 'padding_token', sep_token: 'seperator_token' }[key] ?? key;
    const id = optionalId(metadata, `tokenizer.ggml.${name}_id`, tokens.length);
    if (id !== undefined) specialTokens[key] = textAt(tokens, id)!;
  }
  return templateOf({ main, toolUse, specialTokens });
}

function templateOf(sources: TemplateSources): ChatTemplate {
  return isHarmony(sources.main) ? new HarmonyTemplate(sources.main) : new JinjaChatTemplate(sources);
}

/**
 * The template, or the error that says what to do without one.
 * @throws RequestError where there is none.
 */
export function requireChatTemplate(template: ChatTemplate | undefined, model: string): ChatTemplate {
  if (template) return template;
  throw new RequestError(
    `${model} has no chat template: it is a base model, or its files lack tokenizer_config.json or chat_template.jinja. ` +
      'Use a raw prompt (completions), or an instruction-tuned model.',
    'messages',
  );
}
