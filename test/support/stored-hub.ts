/** A hub's catalogue and chunks without HTTP, and images in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Catalogue } from '../../src/hub/catalogue/catalogue.ts';
import { putFlist } from '../../src/hub/catalogue/entries.ts';
import { openCatalogue } from '../../src/hub/catalogue/open.ts';
import { type CollectOptions, collectGarbage } from '../../src/hub/collect/collector.ts';
import { GuardedStore } from '../../src/hub/collect/guarded-store.ts';
import { PackageStore } from '../../src/hub/package-store.ts';
import type { HubChunkStore } from '../../src/hub/route.ts';
import type { CollectResult } from '../../src/store/hub-runs.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { ChunkId } from '../../src/store/store.ts';
import { ImageMaker } from './made-image.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const HOUR = 3_600_000;

export class StoredHub {
  readonly images: ImageMaker;
  readonly backend: HubChunkStore;
  readonly chunks: GuardedStore;
  readonly catalogue: Catalogue;
  readonly packages: PackageStore;
  readonly streams: undefined;
  readonly tmpDir: string;

  constructor(images: ImageMaker, catalogue: Catalogue, backend: HubChunkStore, tmpDir: string) {
    this.images = images;
    this.catalogue = catalogue;
    this.backend = backend;
    this.chunks = new GuardedStore(backend, catalogue);
    this.packages = new PackageStore({ catalogue, chunks: this.chunks });
    this.tmpDir = tmpDir;
  }

  static async open(
    t: TestContext,
    options: { backend?: HubChunkStore; catalogue?: string } = {},
  ): Promise<StoredHub> {
    const folder = temporaryDirectory(t);
    const url = options.catalogue ?? `level:${join(folder, 'catalogue')}`;
    const catalogue = await openCatalogue(url, { fsync: false });
    t.after(() => catalogue.close());
    const backend = options.backend ?? new MemoryStore();
    return new StoredHub(new ImageMaker(t), catalogue, backend, join(folder, 'tmp'));
  }

  /** Makes an image of texts by path and its chunks, and puts them into the hub. @returns the package's digest */
  async publish(name: string, texts: Readonly<Record<string, string>>): Promise<string> {
    const [digest, ids] = await this.upload(texts);
    await this.put(name, digest);
    for (const id of ids) {
      if ((await this.chunks.missing([id])).length > 0) throw new Error(`${id} was not uploaded`);
    }
    return digest;
  }

  /** As a client does: asks what is missing, puts it, sends the package. */
  async upload(texts: Readonly<Record<string, string>>): Promise<[digest: string, ids: ChunkId[]]> {
    const { images } = this;
    const source = await textSource(images, texts);
    const { output } = await images.create(source);
    const ids = new Set<ChunkId>();
    for (const { content } of (await images.inodes(output)).values()) {
      for (const { id } of content?.chunks ?? []) ids.add(Buffer.from(id).toString('hex'));
    }
    for (const id of await this.chunks.missing([...ids])) {
      await this.chunks.put(id, await images.store.get(id));
    }
    return [(await this.savePackage(readFileSync(output))).digest, [...ids]];
  }

  async savePackage(bytes: Uint8Array): Promise<{ digest: string }> {
    const pieces = (async function* () {
      yield bytes;
    })();
    const tooLarge = () => new Error('too large');
    return await this.packages.save(pieces, { sizeMax: 1 << 30, tooLarge });
  }

  async put(name: string, digest: string): Promise<void> {
    const file = `${name}.flist`;
    await putFlist(this.catalogue, { repository: 'repo', file, digest, uploader: undefined });
  }

  /** Garbage of at least an hour, at `at` hours from now. */
  async collect(at: number, options: Partial<CollectOptions> = {}): Promise<CollectResult> {
    const now = Date.now() + at * HOUR;
    const common = { graceMs: HOUR, dryRun: false, tmpDir: this.tmpDir, now: () => now };
    return await collectGarbage({ ...this, chunks: this.backend }, { ...common, ...options });
  }

  async ids(): Promise<Set<ChunkId>> {
    const ids = new Set<ChunkId>();
    for await (const id of this.backend.list()) ids.add(id);
    return ids;
  }
}

async function textSource(
  images: ImageMaker,
  texts: Readonly<Record<string, string>>,
): Promise<string> {
  const { mkdir, mkdtemp, writeFile } = await import('node:fs/promises');
  const folder = await mkdtemp(join(images.folder, 'source-'));
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
