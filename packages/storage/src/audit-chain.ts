/**
 * The chain of the audit log: each entry's hash covers the entry and the hash before it, so a change anywhere shows
 * from there on. What is cut off at the end shows only to who knows a later head. No database here: exports are
 * checked by the same code.
 */

import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { Json } from './json.ts';

export interface NewAuditEntry {
  /** What happened: `response.created`, `key.revoked`. */
  readonly action: string;
  /** Id of the project that it happened in. */
  readonly project: string;
  /** Id of the key that asked; null where nobody's key did. */
  readonly actor: string | null;
  /** Id of what it was done to. */
  readonly subject: string | null;
  /** Facts, never content, unless the project has turned that on. */
  readonly details: Json;
}

export interface AuditEntry extends NewAuditEntry {
  /** Counts from 1 without gaps. */
  readonly sequence: number;
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string;
  /** The hash of the entry before; zeros for the first. */
  readonly previous: string;
  /** SHA-256 in hex over the canonical JSON (RFC 8785) of all other fields. */
  readonly hash: string;
}

export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

export type AuditVerdict =
  | { readonly intact: true; readonly entries: number; readonly head: AuditHead }
  | { readonly intact: false; readonly entries: number; readonly broken: BrokenEntry };

export interface BrokenEntry {
  /** The first entry that is not as it was written, or the one that should be there and is not. */
  readonly sequence: number;
  readonly reason: string;
}

export const GENESIS: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/** The entry that follows `head`. */
export function chainEntry(head: AuditHead, time: string, entry: NewAuditEntry): AuditEntry {
  const { action, project, actor, subject, details } = entry;
  const sequence = head.sequence + 1;
  const linked = { sequence, time, action, project, actor, subject, details, previous: head.hash };
  return { ...linked, hash: hashOf(linked) };
}

/**
 * Follows the chain to its end or to the first entry that breaks it.
 * @param expected a head noted earlier, which the chain must hold
 */
export async function verifyChain(
  entries: AsyncIterable<AuditEntry> | Iterable<AuditEntry>,
  expected: AuditHead = GENESIS,
): Promise<AuditVerdict> {
  let head = GENESIS;
  const broken = (sequence: number, reason: string): AuditVerdict => ({
    intact: false,
    entries: head.sequence,
    broken: { sequence, reason },
  });
  for await (const { hash, ...entry } of entries) {
    const next = head.sequence + 1;
    if (entry.sequence !== next)
      return broken(next, `the entry is missing: ${entry.sequence} follows ${head.sequence}`);
    if (entry.previous !== head.hash)
      return broken(next, `it names ${entry.previous} as the hash before it, which is ${head.hash}`);
    const found = hashOf(entry);
    if (found !== hash) return broken(next, `its content has the hash ${found}, written down is ${hash}`);
    if (next === expected.sequence && hash !== expected.hash)
      return broken(next, `its hash is ${hash}, expected ${expected.hash}`);
    head = { sequence: next, hash };
  }
  if (head.sequence < expected.sequence)
    return broken(head.sequence + 1, `the log ends before it, expected ${expected.sequence} entries or more`);
  return { intact: true, entries: head.sequence, head };
}

function hashOf(entry: Omit<AuditEntry, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(entry)).digest('hex');
}
