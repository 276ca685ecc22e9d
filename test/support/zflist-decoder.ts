/**
 * Reads flists of zflist by other means than ours: the sqlite engine, the reference implementation of Cap'n
 * Proto, and the rules of the historical mounts. For tests that must not believe our own reader.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import initSqlJs from 'sql.js';

const TOOL = 'capnp';
const ROOT_KEY = 'cae66941d9efbd404e4d88758ea67670';
const TAR_BLOCK = 512;

export const hasCapnp = spawnSync(TOOL, ['--version']).status === 0;

export interface DecodedEntry {
  readonly type: 'dir' | 'file' | 'link' | 'special';
  readonly size: number;
  readonly mtime: number;
  /** Permissions of the ACI record. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target?: string;
  readonly specialType?: string;
  readonly specialData?: string;
  readonly blockSize?: number;
  readonly chunks?: readonly { readonly key: Buffer; readonly decipher: Buffer }[];
}

interface Decoded {
  /** By the hex of their paths. */
  readonly entries: ReadonlyMap<string, DecodedEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface InodeJson {
  name: string;
  size: string;
  aclkey: string;
  modificationTime: number;
  attributes: {
    dir?: { key: string };
    file?: { blockSize: number; blocks?: { hash: number[]; key: number[] }[] };
    link?: { target: string };
    special?: { type: string; data?: number[] };
  };
}
interface DirJson extends Omit<InodeJson, 'attributes'> {
  contents: InodeJson[];
}

export async function decodeZflist(path: string): Promise<Decoded> {
  const { Database } = await initSqlJs();
  const database = new Database(memberOf(gunzipSync(readFileSync(path)), 'flistdb.sqlite3'));
  const value = (key: string): Uint8Array => {
    const rows = database.exec('SELECT value FROM entries WHERE key = ?', [key])[0]?.values;
    return rows?.[0]?.[0] as Uint8Array;
  };
  const acis = new Map<string, Pick<DecodedEntry, 'mode' | 'uid' | 'gid'>>();
  const owner = (key: string) => {
    const known = acis.get(key) ?? aciOf(value(key));
    acis.set(key, known);
    return known;
  };
  const entries = new Map<string, DecodedEntry>();
  const pending = [{ path: '', key: ROOT_KEY }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const dir = json<DirJson>('Dir', value(next.key));
    entries.set(next.path, { type: 'dir', ...common(dir), ...owner(dir.aclkey) });
    for (const inode of dir.contents) {
      const name = Buffer.from(inode.name, 'latin1').toString('hex');
      const path = next.path === '' ? name : `${next.path}2f${name}`;
      if (inode.attributes.dir !== undefined) pending.push({ path, key: inode.attributes.dir.key });
      else entries.set(path, { ...common(inode), ...owner(inode.aclkey), ...leaf(inode) });
    }
  }
  const rows = database.exec('SELECT key, value FROM metadata ORDER BY rowid')[0]?.values ?? [];
  const metadata = Object.fromEntries(rows) as Record<string, string>;
  database.close();
  return { entries, metadata };
}

function common({ size, modificationTime }: Pick<InodeJson, 'size' | 'modificationTime'>) {
  return { size: Number(size), mtime: modificationTime };
}

function leaf({ attributes: { file, link, special } }: InodeJson) {
  if (file !== undefined) {
    const chunks = (file.blocks ?? []).map(({ hash, key }) => ({
      key: Buffer.from(hash),
      decipher: Buffer.from(key),
    }));
    return { type: 'file' as const, blockSize: file.blockSize, chunks };
  }
  if (link !== undefined) {
    return { type: 'link' as const, target: Buffer.from(link.target, 'latin1').toString('hex') };
  }
  const specialData = Buffer.from(special?.data ?? []).toString();
  return { type: 'special' as const, specialType: special?.type ?? '', specialData };
}

function aciOf(message: Uint8Array) {
  const { mode, uid, gid } = json<{ mode: number; uid: string; gid: string }>('ACI', message);
  return { mode, uid: Number(uid), gid: Number(gid) };
}

/** Names are bytes: each is a character here. */
function json<T>(type: string, message: Uint8Array): T {
  const args = ['convert', 'binary:json', schema(), type];
  return JSON.parse(execFileSync(TOOL, args, { input: message }).toString('latin1')) as T;
}

function schema(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'docs/flist.capnp'))) folder = dirname(folder);
  return join(folder, 'docs/flist.capnp');
}

function memberOf(tar: Buffer, name: string): Buffer {
  for (let at = 0; at + TAR_BLOCK <= tar.length; ) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    const found = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    if (found === name) return tar.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  throw new Error(`${name} is not in the package`);
}
