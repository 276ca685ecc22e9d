/**
 * Where things lie below the cache directory. Names only; who may touch what is said by the modules
 * that do.
 */
import { join } from 'node:path';
import { makeFolder } from '../base/make-folder.ts';

export class CacheLayout {
  readonly dir: string;
  /** Complete, sealed content files: `aa/bb/<digest>`. */
  readonly files: string;
  /** Sparse content files that are being filled: `<digest>`. */
  readonly partial: string;
  /** LevelDB. */
  readonly state: string;
  /** Unpacked flists and mount indexes; not of this layer. */
  readonly flists: string;
  /** Temporary files of all layers, emptied at open. */
  readonly tmp: string;
  /** Pid of the owner, for messages; the lock itself is held on the state. */
  readonly lock: string;
  /** Control sockets; not of this layer. */
  readonly run: string;
  /** Content folders set aside after a power loss: `<n>/aa/bb/<digest>`. */
  readonly quarantine: string;
  /** The last few files whose bytes were wrong or unreadable: `<digest>`. */
  readonly corrupt: string;
  /** What waits to be deleted in the background. */
  readonly trash: string;

  constructor(dir: string) {
    this.dir = dir;
    this.files = join(dir, 'files');
    this.partial = join(dir, 'partial');
    this.state = join(dir, 'state');
    this.flists = join(dir, 'flists');
    this.tmp = join(dir, 'tmp');
    this.lock = join(dir, 'lock');
    this.run = join(dir, 'run');
    this.quarantine = join(dir, 'quarantine');
    this.corrupt = join(dir, 'corrupt');
    this.trash = join(dir, 'trash');
  }

  /** @param key 64 hex characters of the content digest */
  filePath(key: string): string {
    return join(this.files, contentPath(key));
  }

  partialPath(key: string): string {
    return join(this.partial, key);
  }

  /** @returns whether there was no folder of complete files yet */
  async createFolders(): Promise<boolean> {
    // 0700: what an image contains is not for every user of the machine to read.
    await makeFolder(this.dir, { mode: 0o700 });
    const isNew = await makeFolder(this.files);
    const { partial, flists, tmp, run, quarantine, corrupt, trash } = this;
    const folders = [partial, flists, tmp, run, quarantine, corrupt, trash];
    await Promise.all(folders.map((folder) => makeFolder(folder)));
    return isNew;
  }
}

/** `aa/bb/<digest>`, as the mount index names content files too (docs/format.md, section 4). */
export function contentPath(key: string): string {
  return join(key.slice(0, 2), key.slice(2, 4), key);
}
