/** Tokenizer and chat template of an open model file, of either kind. */

import { FormatError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import {
  chatTemplateFromGguf,
  chatTemplateFromJson,
  tokenizerFromGguf,
  tokenizerFromJson,
  type ChatTemplate,
  type Tokenizer,
} from '@steelyard/text';

export interface ModelText {
  readonly tokenizer: Tokenizer;
  /** Absent for base models. */
  readonly template: ChatTemplate | undefined;
}

/** The template alone, which costs much less than a tokenizer. */
export function readTemplate(file: ModelFile): ChatTemplate | undefined {
  return file.format === 'gguf'
    ? chatTemplateFromGguf(file.metadata)
    : chatTemplateFromJson(file.tokenizerConfig, file.chatTemplate);
}

/** @throws FormatError when a folder has no tokenizer.json */
export function readText(file: ModelFile): ModelText {
  const template = readTemplate(file);
  if (file.format === 'gguf') return { tokenizer: tokenizerFromGguf(file.metadata), template };
  if (!file.tokenizer) {
    throw new FormatError(
      `${file.name}: has no tokenizer.json beside the weights; pull the whole repository`,
    );
  }
  return {
    tokenizer: tokenizerFromJson(file.tokenizer, file.tokenizerConfig, file.generationConfig),
    template,
  };
}
