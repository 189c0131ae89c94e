/** A model folder in the shape of a published one: golden weights, and a tokenizer of letters with a chat template. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goldenFolder } from './golden-model.ts';

export const specials = ['<s>', '<|start|>', '<|end|>'];
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ<|>/:.ĠĊ';

export const template =
  "{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m.role + '\\n' + m.content + '<|end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}";

export function letterTokenizerJson(): Record<string, unknown> {
  const tokens = [...specials, ...letters];
  return {
    added_tokens: specials.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: [] },
  };
}

/** Writes the folder; `remove` deletes it. */
export function writeLetterModel(withTemplate = true): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-letters-'));
  for (const name of ['config.json', 'model.safetensors'])
    cpSync(join(goldenFolder, name), join(folder, name));
  const config = { bos_token: '<s>', eos_token: '<|end|>', ...(withTemplate && { chat_template: template }) };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(letterTokenizerJson()));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}
