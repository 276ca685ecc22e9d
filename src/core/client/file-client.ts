/** Files of the host or of a container, through the core daemon. */
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';

/** The daemon gives out and takes at most this much at a time. */
const BLOCK_SIZE = 512 * 1024;
const FILE_MODE = 0o644;

type Json = <T>(command: string, args: Readonly<Record<string, unknown>>) => Promise<T>;

const entrySchema = z.object({
  name: z.string(),
  size: z.number(),
  mode: z.int(),
  is_dir: z.boolean(),
});

export interface FileEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** Permission bits. */
  readonly mode: number;
  readonly isFolder: boolean;
}

/** @public */
export class FileClient {
  readonly #json: Json;

  constructor(json: Json) {
    this.#json = json;
  }

  /** A whole file. @throws ERR_IO when it cannot be read */
  async read(path: string): Promise<Uint8Array> {
    return await this.#withFile(path, 'r', 0, async (fd) => {
      const blocks: Uint8Array[] = [];
      for (;;) {
        const block = await this.#json<string>('filesystem.read', { fd });
        if (typeof block !== 'string') throw new G8Error('ERR_PROTOCOL', `${path} is no text`);
        if (block === '') return Buffer.concat(blocks);
        blocks.push(Buffer.from(block, 'base64'));
      }
    });
  }

  /** Writes a whole file, in the place of what was there. @param mode default 0644 */
  async write(path: string, bytes: Uint8Array, mode = FILE_MODE): Promise<void> {
    await this.#withFile(path, 'w', mode, async (fd) => {
      for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
        const block = Buffer.from(bytes.subarray(at, at + BLOCK_SIZE)).toString('base64');
        await this.#json('filesystem.write', { fd, block });
      }
    });
  }

  async list(path: string): Promise<FileEntry[]> {
    const list = z.array(entrySchema).safeParse(await this.#json('filesystem.list', { path }));
    if (!list.success) throw new G8Error('ERR_PROTOCOL', `The list of ${path} makes no sense`);
    return list.data.map(({ name, size, mode, is_dir }) => ({
      ...{ name, mode },
      ...{ sizeBytes: size, isFolder: is_dir },
    }));
  }

  async exists(path: string): Promise<boolean> {
    return await this.#json<boolean>('filesystem.exists', { path });
  }

  /** Makes a folder and those above it. */
  async makeFolder(path: string): Promise<void> {
    await this.#json('filesystem.mkdir', { path });
  }

  /** Removes a file or folder with everything in it; nothing happens when there is none. */
  async remove(path: string): Promise<void> {
    await this.#json('filesystem.remove', { path });
  }

  async move(path: string, destination: string): Promise<void> {
    await this.#json('filesystem.move', { path, destination });
  }

  async #withFile<T>(
    file: string,
    mode: 'r' | 'w',
    perm: number,
    use: (fd: string) => Promise<T>,
  ): Promise<T> {
    const fd = await this.#json<string>('filesystem.open', { file, mode, perm });
    try {
      return await use(fd);
    } finally {
      await this.#json('filesystem.close', { fd });
    }
  }
}
