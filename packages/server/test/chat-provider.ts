/** Another provider on this machine, which speaks chat completions, responses and embeddings, and notes all that arrives. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Arrived {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

export interface ChatProvider {
  readonly url: string;
  readonly asked: Arrived[];
  readonly close: () => void;
}

const usage = {
  prompt_tokens: 11,
  completion_tokens: 2,
  total_tokens: 13,
  prompt_tokens_details: { cached_tokens: 4 },
};
const head = { id: 'theirs', created: 1, model: 'far-1' };

/** Answers `from afar`; where there are tools, calls the first of them once, with `{}`. */
export async function chatProvider(): Promise<ChatProvider> {
  const asked: Arrived[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => (text += data.toString('utf8')));
    request.on('end', () => {
      const body = JSON.parse(text) as Record<string, unknown>;
      asked.push({ path: request.url!, body });
      const answer = answerTo(request.url!, body);
      response.writeHead(200, {
        'content-type': typeof answer === 'string' ? 'text/event-stream' : 'application/json',
      });
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answerTo(path: string, body: Record<string, unknown>): string | object {
  if (path === '/v1/embeddings') return vectors(body);
  if (path === '/v1/responses') return response(body);
  return body['stream'] ? chunks(body) : whole();
}

function whole(): object {
  const message = { role: 'assistant', content: 'from afar' };
  return {
    ...{ ...head, object: 'chat.completion', usage },
    choices: [{ index: 0, message, finish_reason: 'stop' }],
  };
}

function chunks({ tools, messages }: Record<string, unknown>): string {
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...{ ...head, object: 'chat.completion.chunk' },
    choices: [{ index: 0, delta, finish_reason }],
  });
  const isAnswered = (messages as { role: string }[]).at(-1)?.role === 'tool';
  const [tool] = (tools ?? []) as { function: { name: string } }[];
  const call = (piece: object) => chunk({ tool_calls: [{ index: 0, ...piece }] });
  const said =
    tool && !isAnswered
      ? [
          call({ id: 'call_1', type: 'function', function: { name: tool.function.name, arguments: '' } }),
          call({ function: { arguments: '{' } }),
          call({ function: { arguments: '}' } }),
          chunk({}, 'tool_calls'),
        ]
      : [
          chunk({ role: 'assistant', content: '' }),
          chunk({ reasoning_content: 'hm' }),
          chunk({ content: 'from' }),
          chunk({ content: ' afar' }),
          chunk({}, 'stop'),
        ];
  const events = [...said, { ...head, object: 'chat.completion.chunk', choices: [], usage }];
  return `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
}

function response({ stream, store }: Record<string, unknown>): string | object {
  const text = { type: 'output_text', text: 'from afar', annotations: [] };
  const done = {
    ...{
      id: 'resp_theirs',
      object: 'response',
      created_at: 1,
      status: 'completed',
      model: 'far-1',
      store,
      error: null,
    },
    output: [{ id: 'msg_theirs', type: 'message', role: 'assistant', status: 'completed', content: [text] }],
    usage: { input_tokens: 11, output_tokens: 2, total_tokens: 13 },
  };
  if (!stream) return done;
  const events = [
    { type: 'response.created', response: { ...done, status: 'in_progress', output: [] } },
    { type: 'response.output_text.delta', item_id: 'msg_theirs', delta: 'from afar' },
    { type: 'response.completed', response: done },
  ];
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

function vectors({ input }: Record<string, unknown>): object {
  const data = (input as unknown[]).map((_, index) => ({ object: 'embedding', index, embedding: [0.5, 1] }));
  return { object: 'list', data, model: 'far-1', usage: { prompt_tokens: 3, total_tokens: 3 } };
}
