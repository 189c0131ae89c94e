/** `GET /health`: whether the server takes requests. It loads nothing and touches no model. */

import { z } from 'zod';
import { defineEndpoint } from '../endpoint.ts';

const response = z.object({
  status: z.enum(['ok', 'draining']),
  version: z.string(),
  active_requests: z.int(),
});

export const health = defineEndpoint({
  method: 'GET',
  path: '/health',
  open: true,
  summary: '200 while requests are taken, 503 while the server closes.',
  response,
  handle({ services }) {
    const draining = services.lifecycle.draining;
    const body: z.infer<typeof response> = {
      status: draining ? 'draining' : 'ok',
      version: services.version,
      active_requests: services.lifecycle.active,
    };
    return Response.json(body, { status: draining ? 503 : 200 });
  },
});
