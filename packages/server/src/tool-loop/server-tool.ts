/** What a tool is that the server runs itself, and what it tells while it does. */

import type { GenerateEvent } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import type { AnyReceipt } from '../receipts/any-receipt.ts';
import type { FileCitation, ToolItem } from '../schemas/tool-items.ts';

/** One step of an item that a tool makes: it is begun, something happens, it is whole. */
export type ItemStep =
  { readonly added: ToolItem } | { readonly event: ItemEvent } | { readonly done: ToolItem };

/** What happens to the item, as the stream of a response tells it. */
export type ItemEvent =
  | {
      readonly type:
        | 'response.file_search_call.in_progress'
        | 'response.file_search_call.searching'
        | 'response.file_search_call.completed'
        | 'response.mcp_list_tools.in_progress'
        | 'response.mcp_list_tools.completed'
        | 'response.mcp_list_tools.failed'
        | 'response.mcp_call.in_progress'
        | 'response.mcp_call.completed'
        | 'response.mcp_call.failed';
    }
  | { readonly type: 'response.mcp_call_arguments.delta'; readonly delta: string }
  | { readonly type: 'response.mcp_call_arguments.done'; readonly arguments: string };

/** What the model's calls of tools lead to, beside what the model says. */
export type ToolEvent =
  | { readonly type: 'item'; readonly step: ItemStep }
  /** What was said last rests on this file. */
  | { readonly type: 'annotation'; readonly annotation: Omit<FileCitation, 'index'> };

/** An event of an answer of several rounds; it has one `finish`, over all of them. */
export interface LoopEvent {
  readonly event: GenerateEvent | ToolEvent;
  /** With the end: one per round. */
  readonly receipts?: readonly AnyReceipt[];
}

/** How a call ended: with a text for the model, or with a question to the caller. */
export type CallEnd = { readonly output: string } | 'waits';

/** A call while the model writes it, and then while it runs. */
export interface RunningCall {
  /** The model has named the tool. */
  begin(): readonly ItemStep[];
  /** The model has written more of the arguments. */
  grow(delta: string): readonly ItemStep[];
  /** The model has ended before the arguments were whole. */
  cut(): readonly ItemStep[];
  /**
   * Runs it. What goes wrong is told to the model and by the item; only an abort throws.
   * @param args JSON, as the model wrote it
   */
  run(args: string, signal: AbortSignal): AsyncGenerator<ItemStep, CallEnd>;
}

export interface ServerTool {
  /** What it belongs to, as requests choose tools. */
  readonly source: { readonly type: 'file_search' } | { readonly type: 'mcp'; readonly server_label: string };
  /** By itself; the model may be told of it by another where this one is taken. */
  readonly name: string;
  /** Before its name, where the name alone is taken. */
  readonly prefix: string;
  readonly description?: string | undefined;
  /** JSON Schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Its calls are the caller's to make, as those of functions. Default false. */
  readonly isCallers?: boolean;
  call(): RunningCall;
}

/** Where a run of the loop stands when its tools are made ready. */
export interface LoopStart {
  readonly messages: readonly ChatMessage[];
  /** Whether the model can be told of tools. */
  readonly callsTools: boolean;
  /** Tokens that the model's context holds. */
  readonly contextLength: number;
  /** Tokens of a text, by the model. */
  readonly countTokens: (text: string) => number;
  /** The name by which the model knows a tool of a server, once all tools are ready. */
  readonly nameOf: (tool: ServerTool['source'] & { readonly name: string }) => string;
  readonly signal: AbortSignal;
}

/** Something that gives tools: a search of files, a server. */
export interface ToolSource {
  /** Its tools, at once or made ready. What goes wrong is told by items; only an abort throws. */
  open(start: LoopStart): readonly ServerTool[] | AsyncGenerator<ItemStep, readonly ServerTool[]>;
  /** What is to be done before the model says anything. @returns the messages that it is asked then */
  first?(start: LoopStart): AsyncGenerator<ItemStep, readonly ChatMessage[]>;
  /** Text of the model on its way to the caller. Default: it goes as it is. */
  reader?(): TextReader;
  /** Nothing more will be called. */
  close(): Promise<void>;
}

/** Takes the marks of citations out of a text while it is written. */
export interface TextReader {
  push(text: string): readonly (string | ToolEvent)[];
  end(): readonly (string | ToolEvent)[];
}
