/** The scanning and encoding half of the addon in plain Node, for tests without native code. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { blake2b } from '../../src/base/blake2b.ts';
import { compareBytes } from '../../src/base/bytes.ts';
import { S_IFLNK, S_IFMT } from '../../src/format/tree.ts';
import type {
  EncodedChunk,
  EncodeFileRequest,
  EncodeRequest,
  ScanBinding,
  ScannedEntry,
} from '../../src/native/addon.ts';
import { FakeCodec } from './fake-codec.ts';

const BILLION = 1_000_000_000n;

/** Scans with Node's own calls; `change` may alter each entry, to show what this machine cannot. */
export class NodeScan implements ScanBinding {
  change: (path: string, entry: ScannedEntry) => ScannedEntry = (_path, entry) => entry;

  async scanDirectory(root: string, path: Uint8Array): Promise<ScannedEntry[]> {
    const folder = full(root, path);
    const names = fs.readdirSync(folder, { encoding: 'buffer' }).sort(compareBytes);
    return names.map((name) => this.#entry(Buffer.concat([folder, Buffer.from('/'), name]), name));
  }

  async scanEntry(root: string, path: Uint8Array): Promise<ScannedEntry> {
    return this.#entry(full(root, path), new Uint8Array(0));
  }

  async openBeneath(root: string, path: Uint8Array): Promise<number> {
    return fs.openSync(full(root, path), 'r');
  }

  findData(_fd: number, offset: number): number {
    return offset;
  }

  #entry(path: Buffer, name: Uint8Array): ScannedEntry {
    const info = fs.lstatSync(path, { bigint: true });
    const mode = Number(info.mode);
    const isLink = (mode & S_IFMT) === S_IFLNK;
    return this.change(path.toString(), {
      name: new Uint8Array(name),
      mode,
      uid: Number(info.uid),
      gid: Number(info.gid),
      size: Number(info.size),
      nlink: Number(info.nlink),
      dev: info.dev,
      ino: info.ino,
      rdevMajor: 0,
      rdevMinor: 0,
      mtimeSeconds: Number(info.mtimeNs / BILLION),
      mtimeNanoseconds: Number(info.mtimeNs % BILLION),
      ctimeSeconds: Number(info.ctimeNs / BILLION),
      ctimeNanoseconds: Number(info.ctimeNs % BILLION),
      ...(isLink && { target: new Uint8Array(fs.readlinkSync(path, { encoding: 'buffer' })) }),
    });
  }
}

/** Stores plain bytes as they are: what `FakeCodec` decodes. */
export class PlainCodec extends FakeCodec {
  encodes = 0;

  override async encodeChunk(request: EncodeRequest): Promise<EncodedChunk> {
    this.encodes++;
    const stored = 'data' in request ? request.data.slice() : readAt(request);
    const nothing = new Uint8Array(0);
    if (stored.every((byte) => byte === 0)) {
      return { hole: true, plainDigest: nothing, id: nothing, stored: nothing };
    }
    const digest = blake2b(stored, 32);
    return { hole: false, plainDigest: digest, id: digest, stored };
  }
}

function readAt({ fd, offset, length }: EncodeFileRequest): Uint8Array {
  const bytes = new Uint8Array(length);
  fs.readSync(fd, bytes, 0, length, offset);
  return bytes;
}

function full(root: string, path: Uint8Array): Buffer {
  return path.length === 0
    ? Buffer.from(root)
    : Buffer.concat([Buffer.from(join(root, '/')), path]);
}
