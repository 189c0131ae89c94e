/** Calls of tools as models write them. What is not a call is told by undefined, never by an error. */

export interface ToolCall {
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
}

/** `tools`: those that were offered, for syntaxes whose values are of the types that these say. */
export type ReadCalls = (text: string, tools: readonly unknown[]) => readonly ToolCall[] | undefined;

/** One call or a list, in JSON: a name, and arguments under the keys that the families use. */
export const readJsonCalls: ReadCalls = (text) => {
  const value = parseJson(text);
  const calls = (Array.isArray(value) ? (value as unknown[]) : [value]).map(toCall);
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
};

/** A list in JSON, or since 2025 `name[ARGS]{...}`, each behind a mark of its own, an id perhaps before the arguments. */
export const readMistralCalls: ReadCalls = (text, tools) => {
  if (!text.includes('[ARGS]')) return readJsonCalls(text, tools);
  const calls = text.split('[TOOL_CALLS]').map((piece) => {
    const [, name, args = ''] = /^\s*([^\s[\]]+)(?:\[CALL_ID\][^[\]]*)?\[ARGS\]([^]*)$/.exec(piece) ?? [];
    return toCall({ name, arguments: parseJson(args) });
  });
  return calls.every((call) => call !== undefined) ? calls : undefined;
};

/** Command R's list of actions in a block of code; `directly-answer` is no tool but says that none is wanted. */
export const readActions: ReadCalls = (text, tools) => {
  const [, list = ''] = /^\s*(?:```(?:json)?)?([^]*?)(?:```)?\s*$/.exec(text) ?? [];
  return readJsonCalls(list, tools)?.filter(({ name }) => !/^directly[-_]answer$/.test(name));
};

/** DeepSeek's: between marks a name and JSON, before 2025's V3.1 behind a type and in a block of code. */
export const readDeepseekCalls: ReadCalls = (text) => {
  const pieces = text.split('<｜tool▁call▁begin｜>').slice(1);
  const calls = pieces.map((piece) => {
    const [, type, args = ''] = /^([^]*?)<｜tool▁sep｜>([^]*?)(?:<｜tool▁call▁end｜>\s*)?$/.exec(piece) ?? [];
    const [, name = '', json = ''] =
      type?.trim() === 'function'
        ? (/^([^\n]*)\n```json\n([^]*?)\n?```\s*$/.exec(args) ?? [])
        : ['', type, args];
    return toCall({ name: name.trim(), arguments: parseJson(json) });
  });
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
};

/** What `read` does not know is tried with `other`. */
export function either(read: ReadCalls, other: ReadCalls): ReadCalls {
  return (text, tools) => read(text, tools) ?? other(text, tools);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function toCall(value: unknown): ToolCall | undefined {
  if (!isObject(value)) return undefined;
  const name = value['name'] ?? value['tool_name'];
  const given = value['arguments'] ?? value['parameters'] ?? ('arguments' in value ? undefined : {});
  // Some models write the arguments as JSON within JSON.
  const args = typeof given === 'string' ? parseJson(given) : given;
  if (typeof name !== 'string' || name === '' || !isObject(args)) return undefined;
  return { name, arguments: JSON.stringify(args) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
