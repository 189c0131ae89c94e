/**
 * Pre-tokenizers by the name that GGUF files give them (`tokenizer.ggml.pre`), as fragments of a tokenizer.json.
 * A name stands for what the published tokenizer.json of those models holds; the patterns are those files'.
 */

import { UnsupportedError } from '@steelyard/core';
import type { Json } from './json-access.ts';
import { gpt2Pattern, isolate } from './pre-tokenizer-repairs.ts';

export interface PreTokenizerPreset {
  readonly steps: readonly Json[];
  /** Unicode normal form C first. */
  readonly nfc?: boolean;
  /** A whole word that is in the vocabulary becomes one token, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** Bos before the text, where the file does not say. */
  readonly addBos?: boolean;
  /** Sep (eos) after the text, where the file does not say. */
  readonly addSep?: boolean;
}

const bytes: Json = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };

function patterns(...regexes: string[]): readonly Json[] {
  return [...regexes.map(isolate), bytes];
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/** The family begun by GPT-4's cl100k: `digits` and what a word's letters are is all that differs. */
function cl100k(digits: string, letters = '\\p{L}', notLetters = '\\p{L}'): string {
  return `${contractions}|[^\\r\\n\\p{L}\\p{N}]?${letters}+|${digits}| ?[^\\s${notLetters}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

/** The family begun by GPT-4o's o200k: words are cut where lower case turns to upper case. */
function o200k(digits: string, suffix: string): string {
  const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
  const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
  const lead = '[^\\r\\n\\p{L}\\p{N}]?';
  return `${lead}${upper}*${lower}+${suffix}|${lead}${upper}+${lower}*${suffix}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

/** Letters that DeepSeek's first tokenizer counts as Latin, Greek, Cyrillic and their kin. */
const deepseekLetters =
  'A-Za-z\\u00b5\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u01ba\\u01bc-\\u01bf\\u01c4-\\u0293\\u0295-\\u02af\\u0370-\\u0373' +
  '\\u0376\\u0377\\u037b-\\u037d\\u037f\\u0386\\u0388-\\u038a\\u038c\\u038e-\\u03a1\\u03a3-\\u03f5\\u03f7-\\u0481\\u048a-\\u052f' +
  '\\u0531-\\u0556\\u10a0-\\u10c5\\u13a0-\\u13f5\\u13f8-\\u13fd\\u1c90-\\u1cba\\u1cbd-\\u1cbf\\u1d00-\\u1d2b\\u1d6b-\\u1d77' +
  '\\u1d79-\\u1d9a\\u1e00-\\u1f15\\u1f18-\\u1f1d\\u1f20-\\u1f45\\u1f48-\\u1f4d\\u1f50-\\u1f57\\u1f59\\u1f5b\\u1f5d\\u1f5f-\\u1f7d' +
  '\\u1f80-\\u1fb4\\u1fb6-\\u1fbc\\u1fbe\\u1fc2-\\u1fc4\\u1fc6-\\u1fcc\\u1fd0-\\u1fd3\\u1fd6-\\u1fdb\\u1fe0-\\u1fec' +
  '\\u1ff2-\\u1ff4\\u1ff6-\\u1ffc\\u2102\\u2107\\u210a-\\u2113\\u2115\\u2119-\\u211d\\u2124\\u2126\\u2128\\u212a-\\u212d' +
  '\\u212f-\\u2134\\u2139\\u213c-\\u213f\\u2145-\\u2149\\u214e\\u2183\\u2184\\u2c00-\\u2c7b\\u2c7e-\\u2ce4\\u2ceb-\\u2cee' +
  '\\u2cf2\\u2cf3\\ua640-\\ua66d\\ua680-\\ua69b\\ua722-\\ua76f\\ua771-\\ua787\\ua78b-\\ua78e\\uab70-\\uabbf\\ufb00-\\ufb06' +
  '\\ufb13-\\ufb17\\uff21-\\uff3a\\uff41-\\uff5a\\u{10400}-\\u{1044f}\\u{104b0}-\\u{104d3}\\u{104d8}-\\u{104fb}' +
  '\\u{10c80}-\\u{10cb2}\\u{10cc0}-\\u{10cf2}\\u{118a0}-\\u{118df}\\u{1e900}-\\u{1e943}';

const deepseekCjk = '[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+';

const deepseekV3Words =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const bloomWords = ' ?[^(\\s|[.,!?\\u2026\\u3002\\uff0c\\u3001\\u0964\\u06d4\\u060c])]+';

const gpt2: PreTokenizerPreset = { steps: patterns(gpt2Pattern) };
const llama3: PreTokenizerPreset = {
  steps: patterns(cl100k('\\p{N}{1,3}')),
  ignoreMerges: true,
  addBos: true,
};
const cl100kPlain: PreTokenizerPreset = { steps: patterns(cl100k('\\p{N}{1,3}')) };
const qwen2: PreTokenizerPreset = { steps: patterns(cl100k('\\p{N}')), nfc: true };
const singleDigits: PreTokenizerPreset = { steps: patterns('\\p{N}', gpt2Pattern) };
const deepseekV3: PreTokenizerPreset = {
  steps: patterns('\\p{N}{1,3}', '[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+', deepseekV3Words),
};
const gpt4o: PreTokenizerPreset = { steps: patterns(o200k('\\p{N}{1,3}', `${contractions}?`)) };
const bailing: PreTokenizerPreset = {
  steps: patterns(
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
  ),
};

const presets = new Map<string, PreTokenizerPreset>([
  // What llama.cpp falls back to for files that name nothing.
  ['default', { steps: patterns('[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2Pattern, '\\p{N}+', '[0-9][0-9][0-9]') }],
  ...named(
    gpt2,
    'gpt-2',
    'phi-2',
    'jina-es',
    'jina-de',
    'jina-v2-es',
    'jina-v2-de',
    'gigachat',
    'a.x-4.0',
    'mellum',
  ),
  ...named(gpt2, 'exaone4', 'trillion', 'granite-docling', 'jais'),
  ...named({ ...gpt2, addSep: true }, 'jina-v1-en', 'jina-v2-code', 'roberta-bpe'),
  ...named({ ...gpt2, nfc: true }, 'mpt', 'olmo'),
  ...named(llama3, 'llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'),
  ...named(cl100kPlain, 'dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'),
  ...named(qwen2, 'qwen2', 'deepseek-r1-qwen', 'kormo', 'megrez'),
  ...named({ steps: qwen2.steps }, 'stablelm2', 'hunyuan', 'grok-2'),
  ['qwen35', { steps: patterns(cl100k('\\p{N}', '[\\p{L}\\p{M}]', '\\p{L}\\p{M}')), nfc: true }],
  ...named(singleDigits, 'smollm', 'starcoder', 'refact', 'codeshell', 'exaone', 'minerva-7b'),
  ['command-r', { ...singleDigits, nfc: true }],
  [
    'deepseek-llm',
    {
      steps: patterns(
        '[\\r\\n]',
        `\\s?[${deepseekLetters}]+`,
        '\\s?[!-\\/:-~\\uff01-\\uff0f\\uff1a-\\uff5e\\u2018-\\u201f\\u3000-\\u3002]+',
        '\\s+$',
        deepseekCjk,
        '\\p{N}',
      ),
    },
  ],
  ['deepseek-coder', { steps: patterns('[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', deepseekCjk, '\\p{N}') }],
  ...named(deepseekV3, 'deepseek-v3', 'hunyuan-dense'),
  [
    'falcon',
    {
      steps: [
        { type: 'Punctuation', behavior: 'Contiguous' },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        { type: 'Digits', individual_digits: false },
        isolate('[0-9][0-9][0-9]'),
      ],
    },
  ],
  ['tekken', { steps: patterns(o200k('\\p{N}', '')), ignoreMerges: true, addBos: true }],
  ...named(gpt4o, 'gpt-4o', 'llama4', 'minimax-m2'),
  ...named({ steps: patterns(bloomWords) }, 'bloom', 'poro-chat', 'gpt3-finnish'),
  ['viking', { steps: patterns(bloomWords, '\\p{N}') }],
  ...named(bailing, 'bailingmoe', 'bailingmoe2', 'llada-moe'),
  [
    'seed-coder',
    {
      steps: patterns(
        `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
      ),
    },
  ],
  ['superbpe', { steps: patterns('\\p{N}+', '(?=(?:\\d{3})+(?!\\d))') }],
]);

function named(preset: PreTokenizerPreset, ...names: string[]): [string, PreTokenizerPreset][] {
  return names.map((name) => [name, preset]);
}

/** @throws UnsupportedError for a name that is not known; guessing would give wrong ids without a sign. */
export function preTokenizerPreset(name: string): PreTokenizerPreset {
  const preset = presets.get(name);
  if (preset) return preset;
  throw new UnsupportedError(
    `tokenizer.ggml.pre: the pre-tokenizer ${JSON.stringify(name)} is not supported. ` +
      `Use the model's tokenizer.json (safetensors), or a file with one of: ${[...presets.keys()].sort().join(', ')}.`,
  );
}
