import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { providerOf } from '../model-provider.ts';
import { createServer } from '../server.ts';

const names = Array.from({ length: 25 }, (_, i) => `m${String(i).padStart(2, '0')}`);
const { app } = createServer({
  models: providerOf(names.map((name) => createStubModel({ name }))),
  chatPage: false,
  onError: () => {},
});

interface List {
  readonly data: readonly { readonly id: string; readonly type?: string }[];
  readonly has_more?: boolean;
  readonly first_id?: string | null;
  readonly last_id?: string | null;
}

async function list(query: string, headers: Record<string, string> = { 'anthropic-version': '2023-06-01' }) {
  const response = await app.request(`/v1/models${query}`, { headers });
  return { status: response.status, ...((await response.json()) as List) };
}
const ids = ({ data }: List) => data.map(({ id }) => id);

describe('the list of models', () => {
  it('is whole for clients of OpenAI', async () => {
    const all = await list('', {});
    expect(ids(all)).toEqual(names);
    expect(all).not.toHaveProperty('has_more');
    expect(ids(await list('?limit=2', {}))).toEqual(names.slice(0, 2));
  });

  it("comes in pages as Anthropic's does", async () => {
    const first = await list('');
    expect(first).toMatchObject({ has_more: true, first_id: 'm00', last_id: 'm19' });
    expect(first.data[0]).toMatchObject({ type: 'model' });
    const rest = await list('?after_id=m19');
    expect([ids(rest), rest.has_more]).toEqual([names.slice(20), false]);
    const one = await list('?limit=1&after_id=m03');
    expect(one).toMatchObject({ data: [{ id: 'm04' }], has_more: true, first_id: 'm04', last_id: 'm04' });
    const before = await list('?limit=2&before_id=m03');
    expect([ids(before), before.has_more]).toEqual([['m01', 'm02'], true]);
    expect(await list('?before_id=m00')).toMatchObject({ data: [], has_more: false, first_id: null });
  });

  it.each(['?limit=0', '?limit=1001', '?limit=x', '?after_id=none', '?after_id=m01&before_id=m03'])(
    'refuses %s',
    async (query) => {
      expect((await list(query)).status).toBe(400);
    },
  );
});
