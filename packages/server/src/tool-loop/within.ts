/** Work of a tool, for which there is only so much time. */

import { linkedSignal } from '../admission.ts';
import { ApiError } from '../http/api-error.ts';

/**
 * @param work must end when its signal aborts
 * @throws what the work throws; ApiError 504 when its time is up
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const linked = linkedSignal([signal]);
  const late = new ApiError(504, `No result within ${ms} ms, the time that a call of a tool may take.`, {
    code: 'tool_timeout',
  });
  const timer = setTimeout(() => linked.abort(late), ms);
  try {
    return await work(linked.signal);
  } catch (error) {
    throw linked.signal.reason === late ? late : error;
  } finally {
    clearTimeout(timer);
    linked.abort();
  }
}
