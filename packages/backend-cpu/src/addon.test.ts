import { expect, it } from 'vitest';
import { complete, loadAddon } from './addon.ts';

it('tells an addon of another version from ours, and says how to build it again', () => {
  const loaded = loadAddon();
  // Where nothing is built, there is nothing to be older.
  const whole = 'addon' in loaded ? loaded.addon : undefined;
  if (whole) expect(complete(whole)).toEqual({ addon: whole });
  const old = whole ? { ...whole, refused: undefined } : { level: () => 'avx2' };
  const told = complete(old);
  expect('reason' in told && told.reason).toMatch(
    /^the native kernels are of another version \(without .*refused.*\); run: npm run build$/,
  );
  expect(complete(undefined)).toHaveProperty('reason');
});
