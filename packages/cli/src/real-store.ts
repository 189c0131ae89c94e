/** The hub's store in the vocabulary of commands. */

import type { ModelStore } from './services.ts';

export function openRealStore(): Promise<ModelStore> {
  return Promise.reject(new Error('no hub yet'));
}
