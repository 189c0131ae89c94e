/** Messages as OpenAI's API has them, and what turns them into a prompt. */

export interface ChatContentPart {
  /** `text`, or another kind (`image_url`, ...) which templates decide about. */
  type: string;
  text?: string;
  [key: string]: unknown;
}

export interface ChatToolCall {
  id?: string;
  type?: string;
  /** `arguments` is JSON text on the wire, an object where a caller has parsed it already. */
  function: { name: string; arguments: string | Record<string, unknown> };
}

export interface ChatMessage {
  role: string;
  content?: string | null | readonly ChatContentPart[];
  name?: string;
  tool_calls?: readonly ChatToolCall[];
  tool_call_id?: string;
  reasoning_content?: string;
}

export interface RenderOptions {
  /** End the prompt where the assistant's answer begins. Default true. */
  addGenerationPrompt?: boolean;
  /** Tool definitions in OpenAI's shape. */
  tools?: readonly unknown[];
  /** Other variables that the template reads (`enable_thinking`, `documents`, ...). */
  variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  /** Jinja source of the template in use without tools. */
  readonly source: string;
  /** That of the template in use with tools, where it is another. */
  readonly toolSource?: string | undefined;
  /**
   * The prompt text. It holds the special tokens that the template writes (usually bos too): encode it with
   * `addSpecial: false`.
   * @throws RequestError when the template refuses the messages; its own words are in the message.
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}
