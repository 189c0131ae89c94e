/** Moderations on the wire. */

import { z } from 'zod';

/** OpenAI's categories, in its order. */
export const moderationCategories = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/intent',
  'self-harm/instructions',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
] as const;

export type ModerationCategory = (typeof moderationCategories)[number];

/** Texts that may come at once. */
const MAX_TEXTS = 32;

const partSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('image_url'), image_url: z.strictObject({ url: z.string() }) }),
]);

export const moderationRequestSchema = z.strictObject({
  input: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_TEXTS),
    z.array(partSchema).min(1).max(MAX_TEXTS),
  ]),
  model: z.string().nullish(),
});

const each = <Value extends z.ZodType>(value: Value) =>
  z.object(
    Object.fromEntries(moderationCategories.map((category) => [category, value])) as Record<
      ModerationCategory,
      Value
    >,
  );

export const moderationResponseSchema = z.object({
  id: z.string(),
  model: z.string(),
  results: z.array(
    z.object({
      flagged: z.boolean(),
      categories: each(z.boolean()),
      category_scores: each(z.number()),
      category_applied_input_types: each(z.array(z.literal('text'))),
    }),
  ),
});

export type ModerationRequest = z.infer<typeof moderationRequestSchema>;
export type ModerationResponse = z.infer<typeof moderationResponseSchema>;
export type ModerationResult = ModerationResponse['results'][number];
