/**
 * Mounts a tree with the native driver and plays the cache for it: knows every file's bytes, keeps
 * partial files and answers needs. The test's own process serves the mount, so it must never touch
 * anything below the mount point; use {@link MountedImage.run}.
 */
import { type ExecFileOptions, execFile } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import type { Chunk, Content } from '../../src/format/content.ts';
import { contentDigest } from '../../src/format/index/content-digest.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import { type Inode, S_IFREG } from '../../src/format/tree.ts';
import type { Need, SessionInfo, SessionOptions, SessionStats } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { type Attributes, HOLE, inode } from './index-trees.ts';
// Before anything is started.
import './sanitizer.ts';

export const BLOCK_SIZE = 4096;

/** Bytes of every content made here, by digest in hex. */
const known = new Map<string, { bytes: Uint8Array; blockSize: number }>();

/** A regular file with these bytes; blocks of zeros become holes. */
export function fileOf(
  bytes: Uint8Array,
  options: Attributes & { blockSize?: number; lost?: readonly number[] } = {},
): Inode {
  const { blockSize = BLOCK_SIZE, lost = [], ...attributes } = options;
  if (bytes.length === 0) return inode(S_IFREG, attributes);
  const chunks: Chunk[] = [];
  for (let start = 0; start < bytes.length; start += blockSize) {
    const block = bytes.subarray(start, start + blockSize);
    const plainDigest = blake2b(block, 32);
    const zeros = block.every((byte) => byte === 0);
    if (lost.includes(start / blockSize)) chunks.push({ ...HOLE, codec: CODEC.lost });
    else if (zeros) chunks.push(HOLE);
    else chunks.push({ codec: CODEC.zstd, id: plainDigest, plainDigest, storedSize: 0 });
  }
  const size = bytes.length;
  const content: Content = { size, blockSize, algorithm: DIGEST.blake2b256, chunks };
  known.set(toHex(contentDigest(content)), { bytes, blockSize });
  return inode(S_IFREG, { ...attributes, size, content });
}

/** Bytes that differ from block to block. */
export function bytesOf(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed * 2654435761;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export interface MountedOptions extends Partial<SessionOptions> {
  /** Answers a need; without it, every need is filled at once. */
  readonly onNeed?: (need: Need, image: MountedImage) => void;
}

export interface Result {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export class MountedImage {
  readonly folder: string;
  readonly mountPoint: string;
  readonly filesDir: string;
  readonly needs: Need[] = [];
  /** Resolves when the driver says that the connection has ended. */
  readonly ended: Promise<void>;
  session = 0;
  info!: SessionInfo;
  readonly #digests: Uint8Array[] = [];
  readonly #partial = new Map<string, number>();
  #onEnded: () => void = () => {};
  #needWaiters: { count: number; resolve: () => void }[] = [];

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'g8ufs-mount-'));
    this.mountPoint = join(this.folder, 'mount');
    this.filesDir = join(this.folder, 'files');
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
  }

  /** Mounts `root`; everything is taken down when the test ends. */
  static async open(
    context: TestContext,
    root: Inode,
    options: MountedOptions = {},
  ): Promise<MountedImage> {
    const image = new MountedImage();
    context.after(() => image.destroy());
    image.#write(root);
    const { onNeed = (need: Need) => image.answer(need), ...session } = options;
    const opened = await addon().openSession(
      { ...image.defaults(), ...session },
      (need) => {
        image.needs.push(need);
        for (const waiter of image.#needWaiters) {
          if (image.needs.length >= waiter.count) waiter.resolve();
        }
        onNeed(need, image);
      },
      image.#onEnded,
    );
    image.session = opened.session;
    image.info = opened.info;
    return image;
  }

  defaults(): SessionOptions {
    return {
      mountPoint: this.mountPoint,
      indexDir: join(this.folder, 'index'),
      filesDir: this.filesDir,
      source: 'g8ufs test',
      allowOther: true,
      openMode: 'passthrough',
      workers: 2,
      deadlineMs: 20_000,
      readaheadBytes: 1 << 20,
      wholeBlocksMax: 1,
    };
  }

  #write(root: Inode): void {
    const index = join(this.folder, 'index');
    for (const folder of [index, this.mountPoint, this.filesDir]) mkdirSync(folder);
    const image = buildMountIndex(root);
    for (const [name, pieces] of [
      ['mount.erofs', image.erofs()],
      ['mount.contents', image.contents()],
      ['mount.chunks', image.chunks()],
    ] as const) {
      const parts = [...pieces];
      writeFileSync(join(index, name), Buffer.concat(parts));
      if (name === 'mount.contents') this.#readDigests(Buffer.concat(parts));
    }
  }

  #readDigests(contents: Buffer): void {
    const count = Number(contents.readBigUInt64LE(24));
    const table = Number(contents.readBigUInt64LE(48));
    for (let row = 0; row < count; row++) {
      this.#digests.push(
        new Uint8Array(contents.subarray(table + row * 64, table + row * 64 + 32)),
      );
    }
  }

  digest(content: number): Uint8Array {
    return this.#digests[content] as Uint8Array;
  }

  bytes(content: number): Uint8Array {
    return this.#known(content).bytes;
  }

  #known(content: number) {
    const found = known.get(toHex(this.digest(content)));
    if (found === undefined) throw new Error(`Content ${content} is not from fileOf()`);
    return found;
  }

  /** Row of the content with these bytes. */
  rowOf(bytes: Uint8Array): number {
    return this.#digests.findIndex((_, row) => this.#known(row).bytes === bytes);
  }

  /** Puts the complete file where the driver looks for it. `seal` false: as left by a crash. */
  writeComplete(content: number, options: { seal?: boolean } = {}): string {
    const hex = toHex(this.digest(content));
    const path = join(this.filesDir, hex.slice(0, 2), hex.slice(2, 4), hex);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.bytes(content));
    chmodSync(path, 0o444);
    if (options.seal ?? true) utimesSync(path, 1, 1);
    return path;
  }

  /** Hands the partial file over, with no block in it. */
  attach(content: number): number {
    const { bytes, blockSize } = this.#known(content);
    const hex = toHex(this.digest(content));
    let fd = this.#partial.get(hex);
    if (fd === undefined) {
      fd = openSync(join(this.folder, hex), 'w+');
      ftruncateSync(fd, bytes.length);
      this.#partial.set(hex, fd);
    }
    const present = new Uint8Array(Math.ceil(bytes.length / blockSize / 8));
    addon().contentAttach(this.digest(content), { fd, size: bytes.length, blockSize, present });
    return fd;
  }

  /** Writes blocks into the attached file and says so. */
  fill(content: number, block: number, count: number): void {
    const { bytes, blockSize } = this.#known(content);
    const fd = this.attach(content);
    const start = block * blockSize;
    const part = bytes.subarray(start, start + count * blockSize);
    writeSync(fd, part, 0, part.length, start);
    addon().contentPresent(this.digest(content), block, count);
  }

  /** What a cache does: fills, and completes when that was all of it. */
  answer(need: Need): void {
    const { bytes, blockSize } = this.#known(need.content);
    if (need.count === 0) {
      this.attach(need.content);
    } else if (need.count === Math.ceil(bytes.length / blockSize)) {
      this.complete(need.content);
    } else {
      this.fill(need.content, need.block, need.count);
    }
  }

  complete(content: number): void {
    this.writeComplete(content);
    addon().contentComplete(this.digest(content));
  }

  fail(need: Need, errno: string): void {
    addon().contentFail(this.digest(need.content), need.block, need.count, errno);
  }

  /** Resolves when at least so many needs have come. */
  needsCame(count: number): Promise<void> {
    if (this.needs.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#needWaiters.push({ count, resolve }));
  }

  stats(): SessionStats {
    return addon().sessionStats(this.session);
  }

  close(lazy = false): Promise<void> {
    return addon().closeSession(this.session, { lazy });
  }

  /** Runs a program in the mount point; `code` is its exit status or signal. */
  run(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<Result> {
    return runProgram(program, args, { cwd: '/', ...options });
  }

  /** Runs a shell script with `$M` as the mount point. */
  shell(script: string): Promise<Result> {
    return this.run('/bin/sh', ['-c', script], { env: { ...process.env, M: this.mountPoint } });
  }

  async destroy(): Promise<void> {
    await addon().closeSession(this.session, { lazy: true });
    // Whatever went wrong before: no mount stays behind.
    await runProgram('umount', ['-l', '-q', this.mountPoint]);
    for (const fd of this.#partial.values()) closeSync(fd);
    for (const digest of this.#digests) addon().contentDrop(digest);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a program and waits for it without holding up this thread. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<Result> {
  return new Promise((resolve) => {
    execFile(
      program,
      [...args],
      { timeout: 60_000, maxBuffer: 64 << 20, ...options, encoding: 'latin1' },
      (error, stdout, stderr) => {
        const failed = error as (Error & { code?: number | string; signal?: string }) | null;
        const code = failed === null ? 0 : (failed.code ?? failed.signal ?? 1);
        resolve({ code, stdout: String(stdout), stderr: String(stderr) });
      },
    );
  });
}
