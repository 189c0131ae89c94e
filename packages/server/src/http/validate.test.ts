import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import { validate } from './validate.ts';

const fromText = z.string().transform(Number).pipe(z.int().min(1).max(100));
const schema = z.object({
  limit: fromText.default(20),
  form: z.object({ seconds: fromText }).optional(),
  whole: z.int().min(0).max(9).nullish(),
  share: z.number().min(0).max(1).nullish(),
  either: z.union([z.int().max(5), z.array(z.int().max(5))]).optional(),
  bias: z.record(z.string(), z.number().max(100)).optional(),
  text: z.string().max(2).optional(),
  list: z.array(z.string()).min(1).optional(),
});

function refusalOf(input: object): unknown {
  try {
    return validate(schema, input);
  } catch (error) {
    const { message, code } = error as ApiError;
    expect(error).toBeInstanceOf(ApiError);
    return [code, message];
  }
}

describe('bounds', () => {
  it.each([
    [{ limit: '101' }, 'integer_above_max_value', "Invalid 'limit': got 101, expected at most 100."],
    [{ limit: '0' }, 'integer_below_min_value', "Invalid 'limit': got 0, expected at least 1."],
    [
      { form: { seconds: '0' } },
      'integer_below_min_value',
      "Invalid 'form.seconds': got 0, expected at least 1.",
    ],
    [{ whole: 10 }, 'integer_above_max_value', "Invalid 'whole': got 10, expected at most 9."],
    [{ share: 3 }, 'decimal_above_max_value', "Invalid 'share': got 3, expected at most 1."],
    [{ share: -0.5 }, 'decimal_below_min_value', "Invalid 'share': got -0.5, expected at least 0."],
    [{ either: [1, 6] }, 'integer_above_max_value', "Invalid 'either[1]': got 6, expected at most 5."],
    [{ bias: { 1: 101 } }, 'decimal_above_max_value', "Invalid 'bias.1': got 101, expected at most 100."],
    [{ text: 'abc' }, 'string_above_max_length', "Invalid 'text': got 3 characters, expected at most 2."],
    [{ list: [] }, 'array_below_min_length', "Invalid 'list': got 0 entries, expected at least 1."],
  ])('of %j are told in their own unit', (input, code, message) => {
    expect(refusalOf(input)).toEqual([code, message]);
  });
});
