/** Whether the process lives, and whether requests should come to it. Nothing is loaded and no model is touched. */

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

const live = z.object({ status: z.literal('live') });

export const healthLive = defineEndpoint({
  method: 'GET',
  path: '/health/live',
  open: true,
  summary: '200 as long as the process answers at all, also while models load and while it closes.',
  response: live,
  handle: () => Response.json({ status: 'live' } satisfies z.infer<typeof live>),
});

const ready = z.object({
  ready: z.boolean(),
  /** Empty when it is ready. */
  reasons: z.array(z.string()),
});

export const healthReady = defineEndpoint({
  method: 'GET',
  path: '/health/ready',
  open: true,
  summary:
    '200 when requests should come here; 503 with reasons while models load, the database opens, or it closes.',
  response: ready,
  handle({ services }) {
    const reasons = services.lifecycle.notReady;
    const body: z.infer<typeof ready> = { ready: reasons.length === 0, reasons: [...reasons] };
    return Response.json(body, body.ready ? {} : { status: 503, headers: { 'retry-after': '5' } });
  },
});
