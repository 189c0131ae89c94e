/** The server's storage, opened by the first request that needs it: an embedded database takes a second and memory. */

import type { Storage, StorageOptions } from '@steelyard/storage';

export interface StorageWhenNeeded {
  readonly open: () => Promise<Storage>;
  /** Waits for an opening under way. */
  close(): Promise<void>;
}

export function storageWhenNeeded(
  options: StorageOptions,
  openStorage: (options: StorageOptions) => Promise<Storage> = async (given) =>
    (await import('@steelyard/storage')).openStorage(given),
): StorageWhenNeeded {
  let opening: Promise<Storage> | undefined;
  return {
    open() {
      opening ??= openStorage(options).catch((error: unknown) => {
        // What stood in the way may be gone at the next request.
        opening = undefined;
        throw error;
      });
      return opening;
    },
    async close() {
      const storage = await opening?.catch(() => undefined);
      await storage?.close();
    },
  };
}
