/** `GET /metrics`: Prometheus text. */

import { defineEndpoint } from '../endpoint.ts';

export const metrics = defineEndpoint({
  method: 'GET',
  path: '/metrics',
  open: true,
  summary: 'Queue, KV pages, tokens, request counts and latencies for Prometheus.',
  async handle({ services }) {
    const { registry } = services.metrics;
    return new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } });
  },
});
