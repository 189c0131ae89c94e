/** Stored responses: whole, streamed, in the background, and one going on from another. */

import { expect } from 'vitest';
import type { ResponseEvent } from '../../../src/schemas/response-events.ts';
import type { ResponseObject } from '../../../src/schemas/response-object.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { Ledger } from '../ledger.ts';

const PATH = '/v1/responses';
const KEPT = 8;

interface Kept {
  readonly response: unknown;
  /** Texts of what it was asked. */
  readonly asked: readonly string[];
}

interface Items {
  readonly data: readonly { readonly content: readonly { readonly text: string }[] }[];
}

/** For one in the background only this is acknowledged when it is taken; what it became is read. */
const IN_BACKGROUND = 'in the background';

export function storedResponses(): Kind {
  const ledger = new Ledger<Kept>();
  let serial = 0;
  const remove = (api: Api, id: string) => ledger.remove(id, () => api.remove(`${PATH}/${id}`));

  async function read(api: Api, id: string): Promise<Kept | undefined> {
    const response = await api.find<ResponseObject>(`${PATH}/${id}`);
    if (!response) return undefined;
    const items = await api.get<Items>(`${PATH}/${id}/input_items?order=asc`);
    const asked = items.data.flatMap(({ content }) => content.map(({ text }) => text));
    if (!response.background) return { response, asked };
    expect(['completed', 'failed'], `${id} goes on after its server was killed`).toContain(response.status);
    return { response: IN_BACKGROUND, asked };
  }

  return {
    name: 'responses',
    acknowledged: () => ledger.acknowledged,
    async write(api, random) {
      const input = `question ${serial++}`;
      // Whatever it goes on from itself may be deleted.
      const previous =
        random(3) === 0 ? ledger.last(({ response }) => response !== IN_BACKGROUND) : undefined;
      const body = { model: 'fake', input, ...(previous ? { previous_response_id: previous } : {}) };
      const way = random(3);
      if (way === 0) {
        const response = await api.post<ResponseObject>(PATH, body);
        ledger.keep(response.id, { response, asked: [input] });
      } else if (way === 1) {
        const events = await api.stream<ResponseEvent>(PATH, { ...body, stream: true });
        const last = events.at(-1);
        if (last?.type !== 'response.completed') throw new Error(`the stream ends with ${last?.type}`);
        ledger.keep(last.response.id, { response: last.response, asked: [input] });
      } else {
        const { id } = await api.post<ResponseObject>(PATH, { ...body, background: true });
        ledger.keep(id, { response: IN_BACKGROUND, asked: [input] });
      }
      if (random(5) === 0 && ledger.ids.length > 2) await remove(api, ledger.ids[0]!);
    },
    check: (api) => ledger.check((id) => read(api, id)),
    async clear(api) {
      ledger.forgetDeleted();
      for (const id of ledger.ids.slice(0, -KEPT)) await remove(api, id);
    },
  };
}
