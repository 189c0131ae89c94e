import { createStubModel } from '@steelyard/engine/testing';
import { expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { post } from '../../test/requests.ts';
import { errorOf } from '../../test/kept-server.ts';
import { createApp } from '../app.ts';
import { Lifecycle } from '../lifecycle.ts';
import { providerOf } from '../model-provider.ts';
import { DEFAULT_LIMITS, type ModerationOptions } from '../options.ts';
import { moderationCategories, type ModerationResponse } from '../schemas/moderations.ts';

const verdict = (violence: number) =>
  JSON.stringify(
    Object.fromEntries(moderationCategories.map((one) => [one, one === 'violence' ? violence : 0])),
  );

function serverWith(model = fakeModel({ pieces: [verdict(9)] }), moderation?: ModerationOptions) {
  const models = providerOf([model]);
  const options = { models, host: '127.0.0.1', limits: DEFAULT_LIMITS, chatPage: false };
  const app = createApp({ ...options, ...(moderation ? { moderation } : {}) }, new Lifecycle(10));
  return { model, ask: (body: unknown) => post(app, '/v1/moderations', body) };
}

it('judges each text under the policy, by the configured model', async () => {
  const { model, ask } = serverWith(undefined, { model: 'fake', policy: 'violence: rivers.' });
  const response = await ask({ input: ['a', 'b'], model: 'omni-moderation-latest' });
  const body = (await response.json()) as ModerationResponse;
  expect(body).toMatchObject({ model: 'fake', id: expect.stringMatching(/^modr-/) as string });
  expect(body.results).toHaveLength(2);
  expect(body.results[0]).toMatchObject({
    flagged: true,
    categories: { violence: true, hate: false },
    category_scores: { violence: 0.9, hate: 0 },
    category_applied_input_types: { violence: ['text'] },
  });
  const [system, user] = model.asked[0]!.prompt as readonly { content: string }[];
  expect(system!.content).toContain('violence: rivers.');
  expect(user!.content).toContain('a');
  expect(model.asked[0]!.options).toMatchObject({ sampling: { temperature: 0 } });
});

it('holds any model to the categories', async () => {
  const stub = createStubModel({ name: 'stub', contextLength: 4_000 });
  const app = createApp(
    {
      models: providerOf([stub]),
      moderation: { model: 'stub' },
      ...{ host: '127.0.0.1', limits: DEFAULT_LIMITS, chatPage: false },
    },
    new Lifecycle(10),
  );
  const response = await post(app, '/v1/moderations', { input: [{ type: 'text', text: 'hello' }] });
  expect(response.status).toBe(200);
  const [result] = ((await response.json()) as ModerationResponse).results;
  expect(Object.keys(result!.categories)).toEqual(moderationCategories);
  for (const score of Object.values(result!.category_scores)) expect(Number.isInteger(score * 10)).toBe(true);
});

it('tells what stands in the way', async () => {
  expect(await errorOf(await serverWith().ask({ input: 'x' }))).toMatchObject({
    status: 501,
    code: 'moderation_not_configured',
  });
  const { ask } = serverWith(undefined, { model: 'fake' });
  expect(await errorOf(await ask({ input: 'x', model: 'other' }))).toMatchObject({
    status: 404,
    param: 'model',
  });
  const image = [{ type: 'image_url', image_url: { url: 'http://a' } }];
  expect(await errorOf(await ask({ input: image }))).toMatchObject({ status: 400, param: 'input[0]' });
  expect(await errorOf(await ask({ input: [] }))).toMatchObject({ status: 400, param: 'input' });
  const long = serverWith(fakeModel({ contextLength: 5 }), { model: 'fake' });
  expect(await errorOf(await long.ask({ input: 'x' }))).toMatchObject({ code: 'context_length_exceeded' });
});
