/** From messages to the token ids of a prompt. */

import { requireChatTemplate, type ChatMessage, type ChatTemplate, type Tokenizer } from '@steelyard/text';
import type { ChatOptions } from './types.ts';

/**
 * The template writes the special tokens, so the tokenizer adds none.
 * @throws RequestError when there is no template or it refuses the messages
 */
export function chatPrompt(
  tokenizer: Tokenizer,
  template: ChatTemplate | undefined,
  model: string,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): number[] {
  const text = requireChatTemplate(template, model).render(messages, {
    addGenerationPrompt: true,
    ...(options.tools && { tools: options.tools }),
    ...(options.templateVariables && { variables: options.templateVariables }),
  });
  return tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
}
