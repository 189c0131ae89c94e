/** All tools of one request under names that the model can tell apart, and which of them it is told of in which round. */

import type { ChatAsk } from '../chat-options.ts';
import type { ServerTool } from './server-tool.ts';

/** A function of the caller, as chat completions have them. */
export interface ClientTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string | null | undefined;
    readonly parameters?: Readonly<Record<string, unknown>> | null | undefined;
    readonly strict?: boolean | null | undefined;
  };
}

/** A tool, or all of a server, as a choice names them. */
export type Named =
  | { readonly type: 'function'; readonly name: string }
  | { readonly type: 'file_search' }
  | { readonly type: 'mcp'; readonly server_label: string; readonly name?: string | null | undefined };

export interface ToolChoice {
  readonly mode: 'none' | 'auto' | 'required';
  /** The only tools that there are. Default: all. */
  readonly allowed?: readonly Named[];
  /** What is called first, whatever comes then. */
  readonly first?: Named;
}

type Offer = Pick<ChatAsk, 'tools' | 'toolChoice'>;

interface Entry {
  readonly name: string;
  readonly definition: ClientTool;
  /** Absent for functions of the caller. */
  readonly tool?: ServerTool;
}

export class Toolbox {
  readonly #entries: readonly Entry[];
  readonly #choice: ToolChoice;
  /** Whether the request has tools of the server, though they may not be there. */
  readonly #hasSources: boolean;

  /** @param tools in the order of the request; names of the caller's functions are theirs */
  constructor(
    client: readonly ClientTool[],
    tools: readonly ServerTool[],
    choice: ToolChoice,
    hasSources: boolean,
  ) {
    const taken = new Set(client.map((tool) => tool.function.name));
    const own = client.map((definition): Entry => ({ name: definition.function.name, definition }));
    const served = tools.map((tool): Entry => {
      const name = freeName(tool, taken);
      taken.add(name);
      return { name, tool, definition: define(name, tool) };
    });
    this.#entries = [...own, ...served].filter(
      (entry) => !choice.allowed || choice.allowed.some((named) => fits(entry, named)),
    );
    this.#choice = choice;
    this.#hasSources = hasSources;
  }

  /** The tool that the server runs when the model calls this name. */
  find(name: string): ServerTool | undefined {
    const tool = this.#entries.find((entry) => entry.name === name)?.tool;
    return tool?.isCallers ? undefined : tool;
  }

  /** The name by which the model knows a tool; the tool's own where it is not there. */
  nameOf(wanted: ServerTool['source'] & { readonly name: string }): string {
    return this.#entries.find((entry) => fits(entry, wanted))?.name ?? wanted.name;
  }

  /** @param round from 0; a choice binds the first alone, or no answer would ever follow the calls */
  offer(round: number): Offer {
    const { mode, first } = this.#choice;
    const all = this.#entries.map(({ definition }) => definition);
    const tools = all.length > 0 ? { tools: all } : {};
    if (mode === 'none') return { ...tools, toolChoice: 'none' };
    if (round > 0) return tools;
    if (first?.type === 'function') return { ...tools, toolChoice: { name: first.name } };
    if (first) {
      const wanted = this.#entries.filter((entry) => fits(entry, first));
      // A server that gave no tools has said so by its item.
      if (wanted.length === 0) return tools;
      if (wanted.length === 1) return { ...tools, toolChoice: { name: wanted[0]!.name } };
      return { tools: wanted.map(({ definition }) => definition), toolChoice: 'required' };
    }
    if (mode === 'required' && all.length === 0 && this.#hasSources) return tools;
    return mode === 'auto' ? tools : { ...tools, toolChoice: mode };
  }
}

function define(name: string, { description, parameters }: ServerTool): ClientTool {
  return { type: 'function', function: { name, ...(description ? { description } : {}), parameters } };
}

function fits({ name, tool }: Entry, named: Named): boolean {
  if (named.type === 'function') return !tool && name === named.name;
  if (tool?.source.type !== named.type) return false;
  if (named.type === 'file_search') return true;
  const { source } = tool;
  const isOfServer = source.type === 'mcp' && source.server_label === named.server_label;
  return isOfServer && (named.name === undefined || named.name === null || tool.name === named.name);
}

/** Characters that every template and every client takes, and none that another tool has. */
function freeName({ name, prefix }: ServerTool, taken: ReadonlySet<string>): string {
  const plain = (text: string) => text.replace(/[^\w-]/g, '_').slice(0, 64);
  const candidates = [plain(name), plain(`${prefix}_${name}`)];
  const free = candidates.find((one) => !taken.has(one));
  if (free !== undefined) return free;
  for (let i = 2; ; i++) {
    const numbered = `${candidates[1]!.slice(0, 58)}_${i}`;
    if (!taken.has(numbered)) return numbered;
  }
}
