/** Responses that go on from others, and what is left of them when they are deleted, on every database. */

import { NotFoundError } from '@steelyard/core';
import { eq } from 'drizzle-orm';
import { beforeAll, expect, it } from 'vitest';
import { eachDatabase } from '../test/each-database.ts';
import { DELETED } from './items.ts';
import { items, responses } from './schema.ts';
import { responseStore, type ResponseStore } from './responses.ts';

eachDatabase('chains of responses', (database) => {
  let store: ResponseStore;
  let serial = 0;

  beforeAll(() => {
    store = responseStore(database().db, 'server', 'default');
  });

  const item = (id: string) => ({ id, type: 'message' });

  /** @returns its id, after which its items are named */
  async function made(previousId?: string, history: readonly string[] = []): Promise<string> {
    const id = `resp_${serial++}`;
    await store.create({
      ...{ id, status: 'completed', body: { id, text: 'secret' } },
      input: [item(`${id}_in`)],
      output: [item(`${id}_out`)],
      ...(previousId === undefined ? {} : { previousId, history: history.map(item) }),
    });
    return id;
  }

  const said = (...ids: readonly string[]) => ids.flatMap((id) => [`${id}_in`, `${id}_out`]);
  const history = async (id: string) => (await store.history(id)).map((one) => one.id);
  const row = async (id: string) =>
    (await database().db.select().from(responses).where(eq(responses.id, id)))[0];
  const itemsOf = async (id: string) =>
    (await database().db.select().from(items).where(eq(items.responseId, id))).length;

  it('keep the items of deleted ones while others go on from them, and no longer', async () => {
    const first = await made();
    const second = await made(first);
    const left = await made(second);
    const right = await made(second);
    await store.remove(second);
    await store.remove(first);
    for (const id of [first, second]) {
      expect(await row(id)).toMatchObject({ status: DELETED, body: {} });
      for (const act of ['get', 'history', 'cancel', 'remove'] as const)
        await expect(store[act](id)).rejects.toThrow(NotFoundError);
      expect(await store.find(said(id))).toEqual(new Map());
      expect(await store.finish(id, { status: 'completed', body: {}, error: null, output: [] })).toBe(false);
    }
    expect(await history(left)).toEqual(said(first, second, left));
    await store.remove(left);
    expect(await history(right)).toEqual(said(first, second, right));
    await store.remove(right);
    for (const id of [first, second, left, right]) {
      expect(await row(id)).toBe(undefined);
      expect(await itemsOf(id)).toBe(0);
    }
  });

  it('leave nothing behind where all are deleted at once', async () => {
    for (let round = 0; round < 5; round++) {
      const root = await made();
      const branches = await Promise.all([made(root), made(root), made(root)]);
      await Promise.all([...branches, root].map((id) => store.remove(id)));
      for (const id of [root, ...branches]) expect(await row(id)).toBe(undefined);
    }
  });

  it('are whole where the one before was deleted while they were made', async () => {
    const gone = await made();
    await store.remove(gone);
    const twins = await Promise.all([made(gone, said(gone)), made(gone, said(gone))]);
    for (const id of twins) expect(await history(id)).toEqual(said(gone, id));
    await expect(store.get(gone)).rejects.toThrow(NotFoundError);
    for (const id of twins) await store.remove(id);
    expect(await row(gone)).toBe(undefined);
  });
});
