/** Stored chat completions, answered whole or as streams, with metadata that changes. */

import type { ChatChunk, ChatResponse } from '../../../src/schemas/chat-response.ts';
import type { StoredChat } from '../../../src/schemas/stored-chat.ts';
import { ANSWER } from '../answer.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { Ledger } from '../ledger.ts';

const PATH = '/v1/chat/completions';
const KEPT = 8;

interface Kept {
  readonly metadata: Readonly<Record<string, string>>;
  readonly asked: readonly unknown[];
  readonly answer: unknown;
}

interface Messages {
  readonly data: readonly { readonly content: unknown }[];
}

export function storedChats(): Kind {
  const ledger = new Ledger<Kept>();
  let serial = 0;
  const remove = (api: Api, id: string) => ledger.remove(id, () => api.remove(`${PATH}/${id}`));

  async function read(api: Api, id: string): Promise<Kept | undefined> {
    const chat = await api.find<StoredChat>(`${PATH}/${id}`);
    if (!chat) return undefined;
    const { data } = await api.get<Messages>(`${PATH}/${id}/messages`);
    const { metadata, choices } = chat;
    return {
      metadata: metadata ?? {},
      asked: data.map(({ content }) => content),
      answer: choices[0]!.message.content,
    };
  }

  return {
    name: 'stored chats',
    acknowledged: () => ledger.acknowledged,
    async write(api, random) {
      const content = `question ${serial++}`;
      const metadata = { k: content };
      const body = { model: 'fake', store: true, metadata, messages: [{ role: 'user', content }] };
      const kept = { metadata, asked: [content], answer: ANSWER };
      if (random(2) === 0) ledger.keep((await api.post<ChatResponse>(PATH, body)).id, kept);
      else {
        const [first] = await api.stream<ChatChunk>(PATH, { ...body, stream: true });
        ledger.keep(first!.id, kept);
      }
      const id = ledger.ids[random(ledger.ids.length)]!;
      const way = random(4);
      if (way === 0) await remove(api, id);
      if (way === 1) {
        const changed = { k: `changed ${serial}` };
        const change = () => api.post(`${PATH}/${id}`, { metadata: changed });
        await ledger.change(id, (state) => ({ ...state, metadata: changed }), change);
      }
    },
    check: (api) => ledger.check((id) => read(api, id)),
    async clear(api) {
      ledger.forgetDeleted();
      for (const id of ledger.ids.slice(0, -KEPT)) await remove(api, id);
    },
  };
}
