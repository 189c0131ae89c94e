/** Serves the OpenAPI document at `/openapi.json`, and where there are pages at all, those below `/docs`. No key is asked for. */

import type { Hono } from 'hono';
import type { AppEnv } from '../app.ts';
import { PAGE_POLICY } from '../chat-page.ts';
import type { Endpoint, Services } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { groups } from './groups/index.ts';
import { openApiDocument, type OpenApiDocument } from './openapi.ts';
import { groupPage, type Place } from './pages.ts';

export function mountDocs(app: Hono<AppEnv>, endpoints: readonly Endpoint[], services: Services): void {
  let made: OpenApiDocument | undefined;
  const document = () => (made ??= openApiDocument(endpoints, services.version));
  app.get('/openapi.json', (c) => c.json(document()));
  app.get('/docs', (c) => c.redirect(`/docs/${groups[0]!.slug}`));
  app.get('/docs/:group', async (c) => {
    const slug = c.req.param('group');
    const group = groups.find((one) => one.slug === slug);
    if (!group) {
      const known = groups.map((one) => one.slug).join(', ');
      throw new ApiError(404, `No page '${slug}' below /docs; expected one of ${known}.`, {
        code: 'unknown_url',
      });
    }
    const page = groupPage(document(), group, await placeOf(new URL(c.req.url).origin, services));
    return c.html(page, 200, { 'content-security-policy': PAGE_POLICY, 'referrer-policy': 'no-referrer' });
  });
}

async function placeOf(origin: string, { models, embeddingModels }: Services): Promise<Place> {
  const [model] = await models.list();
  const embeddingModel = (await embeddingModels.list()).find(({ ranks }) => !ranks);
  return {
    origin,
    ...(model ? { model: model.name } : {}),
    ...(embeddingModel ? { embeddingModel: embeddingModel.name } : {}),
  };
}
