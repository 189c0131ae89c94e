/** `GET /metrics`: Prometheus text. What projects use is told only to who may administer them. */

import { defineEndpoint, type Endpoint, type Services } from '../endpoint.ts';

export const metrics: Endpoint = defineEndpoint({
  method: 'GET',
  path: '/metrics',
  open: true,
  summary:
    'Queue, KV pages, tokens, request counts and latencies for Prometheus; tokens by project for an admin key alone.',
  async handle({ services, request }) {
    const { registry, projectRegistry } = services.metrics;
    const registries = (await mayAdminister(services, request)) ? [registry, projectRegistry] : [registry];
    const texts = await Promise.all(registries.map((one) => one.metrics()));
    return new Response(texts.join('\n'), { headers: { 'content-type': registry.contentType } });
  },
});

/** Anybody, on a server without keys. */
function mayAdminister({ access }: Services, { headers }: Request): Promise<boolean> {
  return access.admit(headers, { ...metrics, access: 'admin' }).then(
    () => true,
    () => false,
  );
}
