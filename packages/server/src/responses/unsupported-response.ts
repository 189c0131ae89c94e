/** Fields of a response's request that this server knows and cannot honour, and those that cannot go together. */

import { ApiError, unsupported } from '../http/api-error.ts';
import { refuseIncludes } from '../schemas/include.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';

const given = (value: unknown): boolean => value !== undefined && value !== null;

interface Rule {
  readonly param: string;
  readonly what: string;
  readonly instead: string;
  readonly asks: (body: ResponseRequest) => boolean;
}

const rules: readonly Rule[] = [
  {
    param: 'context_management',
    what: 'Managing the context',
    instead: "Remove it, or set 'truncation' to 'auto'.",
    asks: (body) => (body.context_management?.length ?? 0) > 0,
  },
  { param: 'moderation', what: 'Moderation', instead: 'Remove it.', asks: (body) => given(body.moderation) },
  {
    param: 'prompt',
    what: 'A prompt kept elsewhere',
    instead: "Send its text as 'instructions' and 'input'.",
    asks: (body) => given(body.prompt),
  },
  {
    param: 'reasoning.summary',
    what: 'A summary of the reasoning',
    instead: "Remove it, or send 'auto': the reasoning itself is in the answer.",
    asks: ({ reasoning }) => given(reasoning?.summary) && reasoning?.summary !== 'auto',
  },
  {
    param: 'reasoning.generate_summary',
    what: 'A summary of the reasoning',
    instead: 'Remove it: the reasoning itself is in the answer.',
    asks: ({ reasoning }) => given(reasoning?.generate_summary) && reasoning?.generate_summary !== 'auto',
  },
  {
    param: 'reasoning.context',
    what: 'Choosing what reasoning the model is shown again',
    instead: "Remove it, or send 'auto': the model's own template decides.",
    asks: ({ reasoning }) => given(reasoning?.context) && reasoning?.context !== 'auto',
  },
  {
    param: 'reasoning.mode',
    what: 'This mode of reasoning',
    instead: "Remove it, or send 'standard'.",
    asks: ({ reasoning }) => given(reasoning?.mode) && reasoning?.mode !== 'standard',
  },
];

/** @throws ApiError 400 for the first field that asks for something unsupported, or for two that cannot go together */
export function refuseUnsupportedResponse(body: ResponseRequest): void {
  const rule = rules.find((one) => one.asks(body));
  if (rule) throw unsupported(rule.param, rule.what, rule.instead);
  refuseIncludes(body.include);
  refuseTools(body);
  refuseConflicts(body);
}

function refuseTools({ tools, tool_choice: choice }: ResponseRequest): void {
  tools?.forEach((tool, i) => {
    const at = `tools[${i}]`;
    // What they cannot do is said where they are made ready.
    if (tool.type === 'file_search' || tool.type === 'mcp') return;
    if (tool.type !== 'function')
      throw unsupported(
        `${at}.type`,
        `A tool of type '${tool.type}'`,
        "Send tools of the types 'function', 'file_search' and 'mcp'.",
      );
    if (tool.defer_loading) throw unsupported(`${at}.defer_loading`, 'Loading tools later', 'Remove it.');
    if (tool.output_schema) throw unsupported(`${at}.output_schema`, 'A schema of results', 'Remove it.');
    if (tool.allowed_callers && !(tool.allowed_callers as readonly string[]).includes('direct'))
      throw unsupported(`${at}.allowed_callers`, 'A tool for programs only', "Add 'direct'.");
  });
  if (typeof choice !== 'object' || choice === null) return;
  if (choice.type !== 'allowed_tools') return refuseChoice(choice, 'tool_choice', tools ?? []);
  choice.tools.forEach((named, i) => refuseChoice(named, `tool_choice.tools[${i}]`, tools ?? []));
}

const CHOSEN: readonly string[] = ['function', 'file_search', 'mcp'];

/** Functions that are not there are the engine's to refuse. */
function refuseChoice(
  named: { readonly type: string; readonly server_label?: unknown },
  at: string,
  tools: NonNullable<ResponseRequest['tools']>,
): void {
  if (!CHOSEN.includes(named.type)) {
    throw unsupported(
      at === 'tool_choice' ? at : `${at}.type`,
      'This choice of tools',
      "Send 'none', 'auto', 'required', or name tools of the types 'function', 'file_search' and 'mcp'.",
    );
  }
  if (named.type !== 'file_search' && named.type !== 'mcp') return;
  const isThere = tools.some(
    (tool) => tool.type === named.type && (tool.type !== 'mcp' || tool.server_label === named.server_label),
  );
  if (isThere) return;
  const what = named.type === 'mcp' ? `mcp '${String(named.server_label)}'` : named.type;
  throw new ApiError(400, `'${at}' names ${what}, which is not among the tools. Add it to 'tools'.`, {
    param: at,
    code: 'invalid_value',
  });
}

function refuseConflicts(body: ResponseRequest): void {
  const conflict = (param: string, message: string) =>
    new ApiError(400, message, { param, code: 'invalid_value' });
  if (given(body.previous_response_id) && given(body.conversation)) {
    throw conflict(
      'previous_response_id',
      "'previous_response_id' and 'conversation' both say what went before. Send one of them.",
    );
  }
  if (body.background && body.store === false) {
    throw conflict(
      'background',
      "A response in the background is fetched later: it needs 'store' to be true.",
    );
  }
  if (body.stream_options && !body.stream) {
    throw conflict(
      'stream_options',
      "'stream_options' is only allowed when 'stream' is true. Remove one or set the other.",
    );
  }
  const empty = body.input === undefined || body.input === null || body.input.length === 0;
  if (empty && !given(body.previous_response_id) && !given(body.conversation)) {
    throw new ApiError(400, "Missing parameter: 'input'. Send a text or a list of items.", {
      param: 'input',
      code: 'missing_required_parameter',
    });
  }
}
