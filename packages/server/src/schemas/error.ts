/** OpenAI's error body. */

import { z } from 'zod';

export const errorObjectSchema = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
});

export const errorBodySchema = z.object({ error: errorObjectSchema });

export type ErrorObject = z.infer<typeof errorObjectSchema>;
