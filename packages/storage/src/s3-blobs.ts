/** Contents by their SHA-256 in a bucket of S3 or of what speaks its protocol, for several servers on one database. */

import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createReadStream } from 'node:fs';
import type { S3Client } from '@aws-sdk/client-s3';
import { NetworkError, NotFoundError } from '@steelyard/core';
import { openStaging, type BlobStore } from './blobs.ts';

/** Bytes of a part where a content comes in several. */
const PART_BYTES = 64 * 1024 * 1024;

export interface S3Options {
  readonly bucket: string;
  /** `https://host`; default AWS. */
  readonly endpoint?: string;
  /** Default `us-east-1`, which servers other than AWS take. */
  readonly region?: string;
  /** Before every key. Default none. */
  readonly prefix?: string;
  /** Default: as AWS's tools find them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, profiles, roles). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/**
 * @param directory where contents lie while they arrive: their name is their digest, which shows at the end
 * @throws NetworkError when the bucket cannot be used
 */
export async function openS3Blobs(options: S3Options, directory: string): Promise<BlobStore> {
  const { bucket, endpoint, prefix = '' } = options;
  const [
    { S3Client, HeadBucketCommand, HeadObjectCommand, GetObjectCommand, DeleteObjectCommand },
    { Upload },
  ] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]);
  const client: S3Client = new S3Client({
    region: options.region ?? 'us-east-1',
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    // Servers other than AWS know no newer checksums; the connection and the digest in the key are enough.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const where = `bucket '${bucket}'${endpoint ? ` at ${endpoint}` : ''}`;
  const locate = (digest: string) => ({ Bucket: bucket, Key: `${prefix}${digest.slice(0, 2)}/${digest}` });
  const has = async (digest: string): Promise<boolean> => {
    try {
      await client.send(new HeadObjectCommand(locate(digest)));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw failed(where, error);
    }
  };
  await client.send(new HeadBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
    throw failed(where, error);
  });
  const stage = await openStaging(join(directory, 'staging'), async (path, digest) => {
    if (await has(digest)) return;
    const params = { ...locate(digest), Body: createReadStream(path) };
    await new Upload({ client, params, partSize: PART_BYTES }).done().catch((error: unknown) => {
      throw failed(where, error);
    });
  });
  return {
    stage,
    async read(digest) {
      try {
        const { Body } = await client.send(new GetObjectCommand(locate(digest)));
        return Body as Readable;
      } catch (error) {
        if (!isMissing(error)) throw failed(where, error);
        throw new NotFoundError(`blobs: no content ${digest} in ${where}. Restore it from a backup.`);
      }
    },
    async remove(digest) {
      await client.send(new DeleteObjectCommand(locate(digest))).catch((error: unknown) => {
        throw failed(where, error);
      });
    },
  };
}

function isMissing(error: unknown): boolean {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404;
}

function failed(where: string, cause: unknown): NetworkError {
  const { name, message, $metadata } = cause as Error & { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  const reason = status === undefined ? message || name : `status ${status}, ${name}`;
  return new NetworkError(
    `storage: ${where} cannot be used (${reason}). Check its name, its address and the keys for it.`,
    { cause },
  );
}
