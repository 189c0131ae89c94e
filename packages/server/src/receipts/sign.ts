/** Signs receipts with a key of the server's own, and checks signatures. What is signed holds no content. */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { FormatError } from '@steelyard/core';
import { canonicalJson } from '@steelyard/storage';
import { readOrMakeKey } from '../key-file.ts';
import type { Receipt } from './receipt.ts';
import type { AnyReceipt } from './any-receipt.ts';

export type Signer = <Kind extends AnyReceipt>(receipt: Kind) => Kind;

/** Signs with the Ed25519 key in a file, which is made at the first receipt. @throws FormatError for another file */
export function fileSigner(path: string): Signer {
  let key: KeyObject | undefined;
  return <Kind extends AnyReceipt>(receipt: Kind) => signReceipt(receipt, (key ??= loadKey(path)));
}

export function signReceipt<Kind extends AnyReceipt>(receipt: Kind, key: KeyObject): Kind {
  const public_key = createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
  const value = sign(null, signedBytes(receipt), key).toString('base64');
  return { ...receipt, signature: { algorithm: 'ed25519', public_key, value } };
}

/**
 * Whether the signature is that of its own public key over this receipt.
 * @returns false where anything was changed; undefined where there is no signature
 */
export function signatureHolds(receipt: AnyReceipt): boolean | undefined {
  const { signature } = receipt;
  if (!signature) return undefined;
  try {
    const key = createPublicKey({
      key: Buffer.from(signature.public_key, 'base64'),
      format: 'der',
      type: 'spki',
    });
    if (key.asymmetricKeyType !== 'ed25519') return false;
    return verify(null, signedBytes(receipt), key, Buffer.from(signature.value, 'base64'));
  } catch {
    return false;
  }
}

function signedBytes(receipt: AnyReceipt): Buffer {
  const { content: _, signature: __, ...signed } = receipt as Receipt;
  return Buffer.from(canonicalJson(signed), 'utf8');
}

function loadKey(path: string): KeyObject {
  const pem = readOrMakeKey(path, () =>
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }),
  );
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw wrongKey(path, error);
  }
  throw wrongKey(path, undefined);
}

function wrongKey(path: string, cause: unknown): FormatError {
  return new FormatError(
    `${path}: holds no Ed25519 private key in PEM; put the key back, or remove the file to have a new one made`,
    { cause },
  );
}
