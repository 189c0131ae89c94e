import type { Storage } from '@steelyard/storage';
import { expect, it, vi } from 'vitest';
import { storageWhenNeeded } from './storage-when-needed.ts';

const close = vi.fn(() => Promise.resolve());
const opened = { close } as unknown as Storage;

it('opens once for all, and only when asked', async () => {
  const open = vi.fn(() => Promise.resolve(opened));
  const storage = storageWhenNeeded({ directory: 'd' }, open);
  expect(open).not.toHaveBeenCalled();
  expect(await Promise.all([storage.open(), storage.open()])).toEqual([opened, opened]);
  expect(open).toHaveBeenCalledOnce();
  await storage.close();
  expect(close).toHaveBeenCalledOnce();
});

it('tries again after a failure, and closes what was never opened', async () => {
  const open = vi.fn().mockRejectedValueOnce(new Error('in use')).mockResolvedValue(opened);
  const storage = storageWhenNeeded({ directory: 'd' }, open);
  await expect(storage.open()).rejects.toThrow('in use');
  expect(await storage.open()).toBe(opened);
  await storageWhenNeeded({ directory: 'd' }, open).close();
});
