/** Chat templates from both file kinds, rendered by the Jinja library. */

import { UnsupportedError } from '@steelyard/core';
import type { ChatTemplate } from './chat-template-types.ts';
import type { MetadataLike } from './tokenizer-types.ts';

export function chatTemplateFromJson(
  _tokenizerConfig: Record<string, unknown> | undefined,
  _chatTemplateFile?: string,
): ChatTemplate | undefined {
  throw new UnsupportedError('chat templates are not read yet');
}

export function chatTemplateFromGguf(_metadata: ReadonlyMap<string, MetadataLike>): ChatTemplate | undefined {
  throw new UnsupportedError('chat templates are not read yet');
}
