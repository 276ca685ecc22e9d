/** Flists as tools of 2017 wrote them, from records that a test states; see docs/format.md, section 3. */
import { writeFile } from 'node:fs/promises';
import { compareBytes } from '../../src/base/bytes.ts';
import { keyBytes, ROOT_KEYS } from '../../src/format/flist/keys.ts';
import { packFlist } from '../../src/format/flist/package.ts';
import {
  type AciRecord,
  type DirRecord,
  encodeAci,
  encodeDir,
  type InodeBody,
  type InodeRecord,
} from '../../src/format/flist/records.ts';
import { buildRocksdb } from '../../src/format/rocksdb/writer.ts';

/** Keys of owner records have 32 characters. */
const ROOT_ACI = '0'.repeat(32);

const TIMES = { modificationTime: 1_500_000_000, creationTime: 1_500_000_000 };
const EMPTY = new Uint8Array(0);

/** An entry of the root directory; its owner is root unless `fields` says otherwise. */
export function historicalEntry(
  name: string,
  body: InodeBody = { type: 'file', blockSize: 128, codec: 0, blocks: [] },
  fields: Partial<InodeRecord> = {},
): InodeRecord {
  return { name: Buffer.from(name), size: 0, body, aciKey: ROOT_ACI, ...TIMES, ...fields };
}

/** @param owners further owner records by their keys */
export async function writeHistoricalFlist(
  path: string,
  contents: readonly InodeRecord[],
  owners: Readonly<Record<string, Partial<AciRecord>>> = {},
): Promise<void> {
  const root: DirRecord = {
    ...{ name: EMPTY, location: EMPTY, parent: '', size: 4096, aciKey: ROOT_ACI },
    ...TIMES,
    contents,
  };
  const plain = { uname: 'root', gname: 'root', mode: 0o100644, uid: -1n, gid: -1n };
  const records: [Uint8Array, Uint8Array][] = [
    [keyBytes(ROOT_KEYS[0] as string), encodeDir(root)],
    [keyBytes(ROOT_ACI), encodeAci(plain)],
  ];
  for (const [key, aci] of Object.entries(owners)) {
    records.push([keyBytes(key), encodeAci({ ...plain, ...aci })]);
  }
  records.sort(([a], [b]) => compareBytes(a, b));
  const members = [...buildRocksdb(records)].map(([name, bytes]) => ({
    name,
    size: bytes.length,
    data: [bytes],
  }));
  await writeFile(path, packFlist(members));
}
