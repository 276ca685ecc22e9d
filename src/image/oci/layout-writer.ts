/**
 * Writes images into OCI layouts. A new layout appears whole or not at all: it grows beside its place and
 * is renamed. Into one that is there, blobs go first and the index last, so that it is right at any time. One
 * writer for each layout at a time.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { Digester } from '../../format/oci/digest.ts';
import { DOCUMENT_SIZE_MAX } from '../../format/oci/json.ts';
import {
  checkLayoutFile,
  type Descriptor,
  formatIndex,
  LAYOUT_FILE,
  parseManifest,
} from '../../format/oci/manifest.ts';
import { MEDIA_TYPE } from '../../format/oci/media-type.ts';
import { writeWholeFile } from '../output.ts';
import { FolderFiles, readSmallFile } from './image-files.ts';
import { blobPath } from './layout.ts';

export class LayoutWriter {
  readonly #path: string;
  /** Where it is written: the path itself when a layout is there already. */
  readonly #root: string;
  readonly #present: readonly Descriptor[];
  /** Blobs that were not there before. */
  readonly #added: string[] = [];
  #isDone = false;

  private constructor(path: string, root: string, present: readonly Descriptor[]) {
    this.#path = path;
    this.#root = root;
    this.#present = present;
  }

  /**
   * @param path folder with a layout, an empty one, or one to be made
   * @throws ERR_CREATE when something else is there, or nothing can be made there; ERR_FLIST_FORMAT when
   *   the layout there is broken
   */
  static async open(path: string): Promise<LayoutWriter> {
    const full = resolve(path);
    const present = await readPresent(full);
    const hidden = `.${basename(full)}.${randomBytes(6).toString('hex')}.tmp`;
    const root = present === undefined ? join(dirname(full), hidden) : full;
    if (present === undefined) await created(path, mkdir(root));
    await created(path, makeFolder(join(root, 'blobs/sha256')));
    return new LayoutWriter(full, root, present ?? []);
  }

  /** Adds a blob as it comes. @throws ERR_CREATE, ERR_ABORTED, what `pieces` throws */
  async addBlob(
    mediaType: string,
    pieces: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<Descriptor> {
    const digester = new Digester();
    const temporary = join(this.#root, 'blobs', `.${randomBytes(6).toString('hex')}.tmp`);
    const file = await created(this.#path, open(temporary, 'wx', 0o644));
    try {
      for await (const piece of pieces) {
        throwIfAborted(signal);
        digester.update(piece);
        await created(this.#path, file.writeFile(piece));
      }
      await created(this.#path, file.sync());
      await created(this.#path, file.close());
      const digest = digester.digest();
      await this.#place(temporary, join(this.#root, blobPath(digest)));
      return { mediaType, digest, size: digester.size };
    } catch (error) {
      await file.close().catch(() => {}); // The error that led here is the one to report.
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Adds a small blob. */
  async addDocument(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    return await this.addBlob(mediaType, one(bytes));
  }

  /**
   * Names an image and makes the layout appear. Of an older image of that name only the name goes.
   *
   * @throws ERR_CREATE
   */
  async finish(manifest: Descriptor, tag: string): Promise<void> {
    const isNew = this.#root !== this.#path;
    const others = this.#present.filter(({ refName }) => refName !== tag);
    const index = formatIndex([...others, { ...manifest, refName: tag }]);
    if (isNew) await created(this.#path, writeFile(join(this.#root, 'oci-layout'), LAYOUT_FILE));
    await writeWholeFile(join(this.#root, 'index.json'), one(index));
    if (isNew) await created(this.#path, rename(this.#root, this.#path));
    this.#isDone = true;
  }

  /** Takes away what was written, unless it is finished. Idempotent. */
  async close(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    const isNew = this.#root !== this.#path;
    const paths = isNew ? [this.#root] : this.#added;
    for (const path of paths) await rm(path, { recursive: true, force: true });
  }

  async #place(temporary: string, path: string): Promise<void> {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    await created(this.#path, rename(temporary, path));
    if (!isThere) this.#added.push(path);
  }
}

/** What the index of a layout has; `undefined` when there is none yet, and room for one. */
async function readPresent(path: string): Promise<readonly Descriptor[] | undefined> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return await created(path, Promise.reject(error));
  }
  if (names.length === 0) return undefined;
  if (!names.includes('oci-layout')) {
    throw new G8Error('ERR_CREATE', `${path} has something else in it than an OCI layout`);
  }
  const files = new FolderFiles(path);
  checkLayoutFile(await readSmallFile(files, 'oci-layout', DOCUMENT_SIZE_MAX), path);
  const index = await readSmallFile(files, 'index.json', DOCUMENT_SIZE_MAX);
  const document = parseManifest(index, MEDIA_TYPE.index, `Index of ${path}`);
  return document.kind === 'index' ? document.manifests : [];
}

async function created<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    const { code, message } = toG8Error(error, 'ERR_CREATE', `${path} cannot be written`);
    throw new G8Error(code === 'ERR_PERMISSION' ? code : 'ERR_CREATE', message, { cause: error });
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
