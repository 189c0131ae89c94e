/** Time that a request may take: its own header, else what the server gives every request. */

import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';

export const DEADLINE_HEADER = 'x-steelyard-deadline-ms';
const LONGEST_MS = 24 * 3_600_000;

/**
 * Milliseconds; undefined: as long as it takes.
 * @throws ApiError 400 for a header that is not a time
 */
export function deadlineOf({ request, services }: Call<unknown>): number | undefined {
  const given = request.headers.get(DEADLINE_HEADER);
  if (given === null) return services.limits.deadlineMs > 0 ? services.limits.deadlineMs : undefined;
  const ms = Number(given);
  if (Number.isSafeInteger(ms) && ms >= 1 && ms <= LONGEST_MS) return ms;
  throw new ApiError(
    400,
    `Invalid header '${DEADLINE_HEADER}': got '${given}', expected milliseconds from 1 to ${LONGEST_MS}.`,
    { param: DEADLINE_HEADER, code: 'invalid_value' },
  );
}

export function deadlinePassed(ms: number): ApiError {
  return new ApiError(
    504,
    `The answer was not complete within ${ms} ms, the time that this request may take. Ask for less, or allow more time.`,
    { code: 'deadline_exceeded' },
  );
}
