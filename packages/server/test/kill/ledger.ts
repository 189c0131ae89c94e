/**
 * What a server has acknowledged of one kind of object, to be held against what it has after a kill. A change or a
 * deletion whose acknowledgement did not come may have happened or not, but not by half.
 */

import { expect } from 'vitest';

interface Entry<State> {
  readonly state: State;
  /** As it is if a change happened that was on its way. */
  readonly next?: State;
  /** A deletion was on its way. */
  readonly leaves?: boolean;
}

export class Ledger<State> {
  readonly #entries = new Map<string, Entry<State>>();
  readonly #deleted = new Set<string>();
  #acknowledged = 0;

  /** Acknowledged writes. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The newest of those that the test holds for. */
  last(test: (state: State, id: string) => boolean): string | undefined {
    return [...this.#entries].findLast(([id, { state }]) => test(state, id))?.[0];
  }

  /** States as they are if no change was on its way. */
  get states(): readonly State[] {
    return [...this.#entries.values()].map(({ state }) => state);
  }

  /** It was acknowledged, in this state. */
  keep(id: string, state: State): void {
    this.#entries.set(id, { state });
    this.#acknowledged++;
  }

  /** Runs a change of what is kept; once it resolves, the change is acknowledged. */
  async change(id: string, to: (state: State) => State, work: () => Promise<unknown>): Promise<void> {
    const { state } = this.#entries.get(id)!;
    const next = to(state);
    this.#entries.set(id, { state, next });
    await work();
    this.keep(id, next);
  }

  async remove(id: string, work: () => Promise<unknown>): Promise<void> {
    const { state } = this.#entries.get(id)!;
    this.#entries.set(id, { state, leaves: true });
    await work();
    this.#forget(id);
    this.#acknowledged++;
  }

  /**
   * Compares with what the server has now, and takes that over where either was possible.
   * @param read the state; undefined where the object is not there
   */
  async check(read: (id: string) => Promise<State | undefined>): Promise<void> {
    for (const id of this.#deleted) expect(await read(id), `${id} was deleted`).toBe(undefined);
    for (const [id, { state, next, leaves }] of [...this.#entries]) {
      const found = await read(id);
      if (found === undefined && leaves) {
        this.#forget(id);
        continue;
      }
      const changed = next !== undefined && same(found, next);
      if (!changed) expect(found, `${id} was acknowledged`).toEqual(state);
      this.#entries.set(id, { state: changed ? next : state });
    }
  }

  /** What was deleted long ago is not asked for any more. */
  forgetDeleted(): void {
    this.#deleted.clear();
  }

  #forget(id: string): void {
    this.#entries.delete(id);
    this.#deleted.add(id);
  }
}

function same(left: unknown, right: unknown): boolean {
  try {
    expect(left).toEqual(right);
    return true;
  } catch {
    return false;
  }
}
