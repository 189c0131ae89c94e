import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PagePool, ROOT_KEY } from './page-pool.ts';

const PAGES = 6;

/** Holders as lists of pages, each published or not; checked against the pool after every operation. */
type Operation =
  | { readonly kind: 'allocate' }
  | { readonly kind: 'find'; readonly prefix: readonly number[] }
  | { readonly kind: 'publish' | 'release'; readonly pick: number; readonly token: number }
  | { readonly kind: 'confirm' | 'revoke' };

const token = fc.integer({ min: 0, max: 2 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('allocate' as const) }),
  fc.record({ kind: fc.constant('find' as const), prefix: fc.array(token, { minLength: 1, maxLength: 3 }) }),
  fc.record({
    kind: fc.constantFrom('publish' as const, 'release' as const),
    pick: fc.nat(100),
    token,
  }),
  fc.record({ kind: fc.constantFrom('confirm' as const, 'revoke' as const) }),
);

describe('page pool', () => {
  it('loses no page, gives none twice and finds only what was put there', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const pool = new PagePool(PAGES);
        /** One entry per reference. */
        const held: number[] = [];
        const contents = new Map<number, string>();
        for (const op of operations) {
          apply(pool, op, held, contents);
          const distinct = new Set(held);
          expect(pool.availableCount).toBe(PAGES - distinct.size);
          for (let page = 0; page < PAGES; page++) {
            expect(pool.references(page)).toBe(held.filter((other) => other === page).length);
          }
        }
        for (const page of held) pool.release(page);
        pool.confirm();
        expect(pool.availableCount).toBe(PAGES);
        const all = Array.from({ length: PAGES }, () => pool.allocate());
        expect(new Set(all).size).toBe(PAGES);
        expect(pool.allocate()).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('finds a page only behind its own prefix', () => {
    const pool = new PagePool(3);
    const [a, b] = [pool.allocate() as number, pool.allocate() as number];
    const key = pool.publish(a, ROOT_KEY, [1, 2]);
    pool.publish(b, key, [3, 4]);
    expect(pool.find(ROOT_KEY, [3, 4])).toBeUndefined();
    expect(pool.find(ROOT_KEY, [1])).toBeUndefined();
    expect(pool.find(ROOT_KEY, [12])).toBeUndefined();
    expect(pool.find(key, [3, 4])?.page).toBe(b);
    expect(pool.references(b)).toBe(2);
  });

  it('keeps the first of two equal pages, and both holders share its key', () => {
    const pool = new PagePool(2);
    const [a, b] = [pool.allocate() as number, pool.allocate() as number];
    expect(pool.publish(a, ROOT_KEY, [1])).toBe(pool.publish(b, ROOT_KEY, [1]));
    pool.release(b);
    expect([pool.freeCount, pool.idleCount]).toEqual([1, 0]);
    pool.release(a);
    expect([pool.freeCount, pool.idleCount]).toEqual([1, 1]);
  });

  it('forgets what a failed step was to fill, held or not, and nothing else', () => {
    const pool = new PagePool(3);
    const [old, held, dropped] = [pool.allocate(), pool.allocate(), pool.allocate()] as [
      number,
      number,
      number,
    ];
    pool.publish(old, ROOT_KEY, [1]);
    pool.confirm();
    pool.publish(held, ROOT_KEY, [2]);
    pool.publish(dropped, ROOT_KEY, [3]);
    pool.release(dropped);
    pool.revoke();
    expect([pool.freeCount, pool.idleCount]).toEqual([1, 0]);
    expect(pool.find(ROOT_KEY, [2])).toBeUndefined();
    expect(pool.find(ROOT_KEY, [3])).toBeUndefined();
    expect(pool.find(ROOT_KEY, [1])?.page).toBe(old);
    pool.release(held);
    expect([pool.freeCount, pool.idleCount]).toEqual([2, 0]);
  });

  it('throws rather than give a page twice', () => {
    const pool = new PagePool(1);
    const page = pool.allocate() as number;
    pool.release(page);
    expect(() => pool.release(page)).toThrow(/more often/);
  });
});

function apply(pool: PagePool, op: Operation, held: number[], contents: Map<number, string>): void {
  switch (op.kind) {
    case 'allocate': {
      const page = pool.allocate();
      expect(page === undefined).toBe(new Set(held).size === PAGES);
      if (page === undefined) return;
      expect(held).not.toContain(page);
      contents.delete(page);
      held.push(page);
      return;
    }
    case 'find': {
      let parent = ROOT_KEY;
      let path = '';
      for (const part of op.prefix) {
        const found = pool.find(parent, [part]);
        if (!found) return;
        path += `/${part}`;
        expect(contents.get(found.page)).toBe(path);
        held.push(found.page);
        parent = found.key;
      }
      return;
    }
    case 'publish': {
      const page = held[op.pick % Math.max(1, held.length)];
      if (page === undefined || contents.has(page)) return;
      const before = pool.find(ROOT_KEY, [op.token]);
      if (before) held.push(before.page);
      else contents.set(page, `/${op.token}`);
      if (!before) pool.publish(page, ROOT_KEY, [op.token]);
      return;
    }
    case 'release': {
      const at = op.pick % Math.max(1, held.length);
      const [page] = held.splice(at, 1);
      if (page !== undefined) pool.release(page);
      return;
    }
    case 'confirm':
      return pool.confirm();
    case 'revoke':
      pool.revoke();
  }
}
