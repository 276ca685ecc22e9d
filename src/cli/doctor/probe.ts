/** What the kernel really does with a mount: a small one is made, read by another process, and taken away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { CODEC, DIGEST } from '../../base/codec.ts';
import { isG8Error } from '../../base/errors.ts';
import { SEAL_SECONDS, SEALED_MODE } from '../../cache/seal.ts';
import { BLOCK_SIZE_DEFAULT } from '../../format/content.ts';
import { contentDigest } from '../../format/index/content-digest.ts';
import { buildMountIndex } from '../../format/index/writer.ts';
import { type Inode, S_IFDIR, S_IFREG } from '../../format/tree.ts';
import { probeKernel } from '../../fs/kernel/probe.ts';
import { INDEX_FILES } from '../../image/index-files.ts';
import type { LayersBinding, SessionBinding } from '../../native/addon.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const TEXT = Buffer.from('read by the kernel itself\n');
const DEADLINE_MS = 5_000;
const READ_TIMEOUT_MS = 10_000;

/**
 * @param folder exists, on the file system of the cache; the probe works below it and leaves nothing
 * @param isRoot only root has passthrough and the kernel tier
 */
export async function probeFindings(
  addon: SessionBinding & LayersBinding,
  folder: string,
  isRoot: boolean,
): Promise<Finding[]> {
  const dir = await mkdtemp(join(folder, '.g8ufs-doctor-'));
  try {
    const found = [await probeFuse(addon, dir, isRoot)];
    if (isRoot) found.push(await probeTier(addon, join(dir, 'tier')));
    return found;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function probeFuse(addon: SessionBinding, dir: string, isRoot: boolean): Promise<Finding> {
  try {
    const passed = await readThroughMount(addon, dir);
    if (passed) return ok('mount', 'works; cached files are read by the kernel itself');
    if (!isRoot) return ok('mount', 'works; passthrough is for root');
    const hint = 'Linux 6.9 with CONFIG_FUSE_PASSTHROUGH, and the cache on a plain file system';
    return warn('mount', 'works; cached files come through the daemon', hint);
  } catch (error) {
    const text = isG8Error(error) ? error.message : String(error);
    return fail('mount', text, 'see the lines about fuse; in a container: CAP_SYS_ADMIN');
  }
}

/** @returns whether the file was passed through */
async function readThroughMount(addon: SessionBinding, dir: string): Promise<boolean> {
  const content = {
    size: TEXT.length,
    blockSize: BLOCK_SIZE_DEFAULT,
    algorithm: DIGEST.blake2b256,
    chunks: [chunk()],
  };
  const [indexDir, filesDir, mountPoint] = ['index', 'files', 'mnt'].map((n) => join(dir, n)) as [
    string,
    string,
    string,
  ];
  for (const path of [indexDir, filesDir, mountPoint]) await mkdir(path);
  const file = inode(S_IFREG | 0o444, { size: TEXT.length, content });
  const index = buildMountIndex(
    inode(S_IFDIR | 0o755, { entries: [{ name: Buffer.from('file'), inode: file }] }),
  );
  const [erofs, contents, chunks] = INDEX_FILES;
  await writeFile(join(indexDir, erofs), Buffer.concat([...index.erofs()]));
  await writeFile(join(indexDir, contents), Buffer.concat([...index.contents()]));
  await writeFile(join(indexDir, chunks), Buffer.concat([...index.chunks()]));
  const name = toHex(contentDigest(content));
  const path = join(filesDir, name.slice(0, 2), name.slice(2, 4), name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, TEXT);
  await chmod(path, SEALED_MODE);
  await utimes(path, SEAL_SECONDS, SEAL_SECONDS);
  const { session } = await addon.openSession(
    {
      mountPoint,
      indexDir,
      filesDir,
      source: 'g8ufs-doctor',
      allowOther: false,
      openMode: 'auto',
      workers: 1,
      deadlineMs: DEADLINE_MS,
      readaheadBytes: 128 * 1024,
      wholeBlocksMax: 1,
    },
    () => {},
    () => {},
  );
  try {
    const text = await readByChild(join(mountPoint, 'file'));
    if (text !== TEXT.toString()) throw new Error('The mount shows other bytes than it has');
    return addon.sessionStats(session).passthroughOpens > 0;
  } finally {
    await addon.closeSession(session, { lazy: true });
  }
}

async function probeTier(addon: LayersBinding, folder: string): Promise<Finding> {
  try {
    await probeKernel(folder, addon);
    return ok('kernel tier', 'EROFS and overlayfs work: mount --tier kernel');
  } catch (error) {
    const text = isG8Error(error) ? error.message : String(error);
    const hint =
      'Linux 6.12 with EROFS and overlayfs, the cache on a plain file system; or mount by FUSE';
    return warn('kernel tier', text, hint);
  }
}

/** A process must not read a mount that it serves itself (docs/deadlocks.md). */
async function readByChild(path: string): Promise<string> {
  const child = spawn('cat', [path], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: READ_TIMEOUT_MS,
  });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await once(child, 'close');
  return text;
}

function chunk() {
  const id = new Uint8Array(32).fill(0x5a);
  return { codec: CODEC.zstd, id, plainDigest: id, storedSize: TEXT.length };
}

function inode(mode: number, more: Partial<Inode> = {}): Inode {
  return { mode, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, size: 0, ...more };
}
