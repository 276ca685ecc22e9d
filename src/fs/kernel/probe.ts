/**
 * Whether this kernel can do what the kernel tier needs, found out by doing it: a small metadata image is
 * mounted, laid over a folder with one content, and read.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CODEC, DIGEST } from '../../base/codec.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { BLOCK_SIZE_DEFAULT } from '../../format/content.ts';
import { buildMountIndex } from '../../format/index/writer.ts';
import { redirectPath } from '../../format/index/xattr.ts';
import { type Inode, S_IFDIR, S_IFREG } from '../../format/tree.ts';
import type { LayersBinding } from '../../native/addon.ts';

const TEXT = Buffer.from('contents come from the layer below\n');
/** Names the content; nobody verifies it here. */
const NAME = new Uint8Array(32).fill(0x5a);

/**
 * @param folder where the probe may leave traces for a moment; on the file system of the cache
 * @throws ERR_MOUNT with what the kernel said; ERR_PERMISSION unless root; ERR_IO
 */
export async function probeKernel(folder: string, layers: LayersBinding): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new G8Error('ERR_PERMISSION', 'EROFS and overlayfs are mounted by root only');
  }
  const names = ['image', 'metadata', 'absent', 'data', 'merged'];
  const [image, metadata, absent, data, merged] = names.map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  try {
    await rm(folder, { recursive: true, force: true });
    for (const path of [metadata, absent, merged]) await makeFolder(path);
    await writeFile(image, Buffer.concat([...buildMountIndex(tree()).erofs()]));
    const object = join(data, redirectPath(NAME));
    await makeFolder(dirname(object));
    await writeFile(object, TEXT);
    await layers.mountImage(image, metadata);
    await layers.mountOverlay({ metadata, data: [absent, data], source: 'g8ufs', target: merged });
    const { mode, size } = await stat(join(merged, 'folder/file'));
    const text = await readFile(join(merged, 'folder/file'));
    if (mode !== (S_IFREG | 0o640) || size !== TEXT.length || !text.equals(TEXT)) {
      throw new G8Error('ERR_MOUNT', 'Overlayfs does not show contents through a metadata image');
    }
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', 'Kernel cannot be probed');
  } finally {
    for (const path of [merged, metadata]) await layers.unmountPath(path, { lazy: true });
    await rm(folder, { recursive: true, force: true });
  }
}

/** A folder, a file with a content and an empty one. */
function tree(): Inode {
  const size = TEXT.length;
  const chunk = { codec: CODEC.zstd, id: NAME, plainDigest: NAME, storedSize: size };
  const content = {
    size,
    blockSize: BLOCK_SIZE_DEFAULT,
    algorithm: DIGEST.blake2b256,
    chunks: [chunk],
  };
  const file = inode(S_IFREG | 0o640, { size, content });
  const empty = inode(S_IFREG | 0o600);
  const folder = inode(S_IFDIR | 0o755, {
    entries: [
      { name: Buffer.from('empty'), inode: empty },
      { name: Buffer.from('file'), inode: file },
    ],
  });
  return inode(S_IFDIR | 0o755, { entries: [{ name: Buffer.from('folder'), inode: folder }] });
}

function inode(mode: number, more: Partial<Inode> = {}): Inode {
  return { mode, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, size: 0, ...more };
}
