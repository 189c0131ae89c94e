/** The endpoints of administration over records alone, without a socket: for tools at the machine that holds them. */

import type { Records } from '@steelyard/storage';
import { localAccess } from './access/access.ts';
import { createApp } from './app.ts';
import { Lifecycle } from './lifecycle.ts';
import { providerOf } from './model-provider.ts';
import { DEFAULT_LIMITS } from './options.ts';

/** Asks as an admin. The records stay the caller's to close. */
export function administration(records: Records): (path: string, init?: RequestInit) => Promise<Response> {
  const app = createApp(
    {
      models: providerOf([]),
      host: '127.0.0.1',
      limits: DEFAULT_LIMITS,
      chatPage: false,
      records: () => Promise.resolve(records),
      access: localAccess,
    },
    new Lifecycle(1),
  );
  return (path, init) => Promise.resolve(app.request(path, init));
}
