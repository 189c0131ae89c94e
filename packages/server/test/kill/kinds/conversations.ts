/** Conversations: what is added to them, by hand or by a response, is there whole, once and in order. */

import type { Conversation } from '../../../src/schemas/conversations.ts';
import type { ItemList } from '../../../src/schemas/item-list.ts';
import { ANSWER } from '../answer.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { Ledger } from '../ledger.ts';

const PATH = '/v1/conversations';
const KEPT = 4;
const MOST_ITEMS = 40;

interface Kept {
  readonly metadata: Readonly<Record<string, string>>;
  readonly texts: readonly string[];
}

export function conversations(): Kind {
  const ledger = new Ledger<Kept>();
  let serial = 0;
  const remove = (api: Api, id: string) => ledger.remove(id, () => api.remove(`${PATH}/${id}`));
  const said = (text: string) => ({ type: 'message', role: 'user', content: text });

  async function read(api: Api, id: string): Promise<Kept | undefined> {
    const found = await api.find<Conversation>(`${PATH}/${id}`);
    if (!found) return undefined;
    const { data } = await api.get<ItemList>(`${PATH}/${id}/items?order=asc&limit=100`);
    return { metadata: found.metadata, texts: data.flatMap(textsOf) };
  }

  return {
    name: 'conversations',
    acknowledged: () => ledger.acknowledged,
    async write(api, random) {
      const text = `said ${serial++}`;
      const id = ledger.ids.at(-1);
      const way = random(8);
      if (id === undefined || way === 0) {
        const body = { metadata: { k: text }, items: [said(text)] };
        const { id: made } = await api.post<Conversation>(PATH, body);
        return ledger.keep(made, { metadata: { k: text }, texts: [text] });
      }
      if (way === 1 && ledger.ids.length > 1) return remove(api, ledger.ids[0]!);
      if (way === 2) {
        const metadata = { k: text };
        return ledger.change(
          id,
          (kept) => ({ ...kept, metadata }),
          () => api.post(`${PATH}/${id}`, { metadata }),
        );
      }
      const added = way < 5 ? [text, `${text}, and more`] : [text, ANSWER];
      const say = () =>
        way < 5
          ? api.post(`${PATH}/${id}/items`, { items: added.map(said) })
          : api.post('/v1/responses', { model: 'fake', input: text, conversation: id });
      return ledger.change(id, (kept) => ({ ...kept, texts: [...kept.texts, ...added] }), say);
    },
    check: (api) => ledger.check((id) => read(api, id)),
    async clear(api) {
      ledger.forgetDeleted();
      for (const id of ledger.ids.slice(0, -KEPT)) await remove(api, id);
      const last = ledger.ids.at(-1);
      if (last && (await read(api, last))!.texts.length > MOST_ITEMS) await remove(api, last);
    },
  };
}

function textsOf(item: ItemList['data'][number]): string[] {
  if (item.type !== 'message') return [];
  return item.content.map((part) => ('text' in part ? part.text : part.type));
}
