/** Writes small zip files, also such as no honest program writes. */

import { createHash } from 'node:crypto';
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipItem {
  readonly name: string;
  readonly body: Buffer | string;
  /** Size to claim instead of the true one. */
  readonly claim?: number;
  readonly deflate?: boolean;
  /** Unix mode, e.g. 0o120777 for a symbolic link. */
  readonly mode?: number;
}

/** @see APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16 */
export function zip(items: readonly ZipItem[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const item of items) {
    const name = Buffer.from(item.name);
    const body = Buffer.from(item.body);
    const data = item.deflate ? deflateRawSync(body) : body;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(item.deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(body), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(item.claim ?? body.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((item.mode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, name]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(items.length, 8);
  end.writeUInt16LE(items.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

/** A wheel with METADATA and RECORD. @returns its file name and bytes */
export function wheel(
  name: string,
  items: readonly ZipItem[],
  metadata: readonly string[] = [],
): { file: string; bytes: Buffer } {
  const stem = `${name.replaceAll('-', '_')}-1.0.0`;
  const head = ['Metadata-Version: 2.1', `Name: ${name}`, 'Version: 1.0.0', ...metadata].join('\n');
  const record = items.map(({ name: path, body }) => {
    const hash = createHash('sha256').update(body).digest('base64url');
    return `${path},sha256=${hash},${Buffer.from(body).length}`;
  });
  const tags = 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n';
  const bytes = zip([
    ...items,
    { name: `${stem}.dist-info/METADATA`, body: `${head}\n\ntext\n` },
    { name: `${stem}.dist-info/WHEEL`, body: tags },
    { name: `${stem}.dist-info/RECORD`, body: `${record.join('\n')}\n${stem}.dist-info/RECORD,,\n` },
  ]);
  return { file: `${stem}-py3-none-any.whl`, bytes };
}
