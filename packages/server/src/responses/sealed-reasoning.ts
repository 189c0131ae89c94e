/**
 * Thoughts in the field `encrypted_content`, and in the signatures of Anthropic's, by which callers who keep their own
 * history give them back: encrypted and authenticated (AES-256-GCM), for one project, with a key that never leaves here.
 */

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { FormatError } from '@steelyard/core';
import type { Call } from '../endpoint.ts';
import { readOrMakeKey } from '../key-file.ts';

const MARK = 'steelyard.';
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Seal {
  readonly seal: (text: string) => string;
  /** @returns undefined for content that was not sealed with this key for this project, or was changed since */
  readonly open: (content: string) => string | undefined;
}

/** @param project the only one in which its seals can be opened */
export type Sealer = (project: string) => Seal;

export function sealOf({ services, caller }: Call<unknown>): Seal {
  return services.sealer(caller.project);
}

/** With a key that is gone with this process. */
export function passingSealer(): Sealer {
  const key = randomBytes(KEY_BYTES);
  return sealerOf(() => key);
}

/**
 * With the key in a file, which is made at the first use. Servers that share their callers need the same file.
 * @throws FormatError, at the first use, for another file
 */
export function fileSealer(path: string): Sealer {
  let key: Buffer | undefined;
  return sealerOf(() => (key ??= loadKey(path)));
}

function sealerOf(key: () => Buffer): Sealer {
  let keys: { readonly cipher: Buffer; readonly nonce: Buffer } | undefined;
  const derived = () => {
    const bytes = (name: string) => Buffer.from(hkdfSync('sha256', key(), '', name, KEY_BYTES));
    return (keys ??= { cipher: bytes('steelyard reasoning'), nonce: bytes('steelyard reasoning nonce') });
  };
  return (project) => ({
    seal(text) {
      const { cipher: secret, nonce: nonceKey } = derived();
      // By the text: a nonce never stands for two, and what is sealed again stays as it is.
      const hmac = createHmac('sha256', nonceKey).update(JSON.stringify([project, text]));
      const nonce = hmac.digest().subarray(0, NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, secret, nonce).setAAD(Buffer.from(project));
      const hidden = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return MARK + Buffer.concat([nonce, cipher.getAuthTag(), hidden]).toString('base64url');
    },
    open(content) {
      const coded = content.slice(MARK.length);
      const bytes = Buffer.from(coded, 'base64url');
      const isOurs = content.startsWith(MARK) && bytes.toString('base64url') === coded;
      if (!isOurs || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const [nonce, rest] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)];
      const opener = createDecipheriv(CIPHER, derived().cipher, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(project))
        .setAuthTag(rest.subarray(0, TAG_BYTES));
      try {
        return Buffer.concat([opener.update(rest.subarray(TAG_BYTES)), opener.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
  });
}

function loadKey(path: string): Buffer {
  const held = readOrMakeKey(path, () => `${randomBytes(KEY_BYTES).toString('base64')}\n`);
  const key = Buffer.from(held.toString('utf8').trim(), 'base64');
  if (key.length === KEY_BYTES) return key;
  throw new FormatError(
    `${path}: holds no key of ${KEY_BYTES} bytes in base64; put the key back, or remove the file to have a new one made`,
  );
}
