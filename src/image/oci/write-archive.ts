/**
 * Layouts as archives: a tar of the layout, and what `docker load` takes. The same layout gives the same
 * bytes. An archive appears whole or not at all.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { splitDigest } from '../../format/oci/digest.ts';
import {
  encodeTarHeader,
  HEADER_SIZE_MAX,
  tarEnd,
  tarPadding,
} from '../../format/tar/write-header.ts';
import { encodePaxHeader } from '../../format/tar/write-pax.ts';
import { writeWholeFile } from '../output.ts';
import type { ExportedImage } from './export.ts';
import { openPlainFile, readRange } from './image-files.ts';
import { blobPath } from './layout.ts';

interface Member {
  readonly name: string;
  /** A folder has neither. */
  readonly file?: string;
  readonly bytes?: Uint8Array;
}

/** Writes the archive of a layout with one image. */
export async function writeLayoutArchive(
  layout: string,
  image: ExportedImage,
  target: { readonly path: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const blobs = [image.digest, image.configDigest, image.layerDigest].sort();
  const files = ['oci-layout', 'index.json', ...blobs.map(blobPath)];
  const folders: Member[] = [{ name: 'blobs/' }, { name: 'blobs/sha256/' }];
  const members = files.map((name) => ({ name, file: join(layout, name) }));
  await writeWholeFile(target.path, archiveOf([...folders, ...members]), signal);
}

/** Writes what docker loads. */
export async function writeDockerArchive(
  layout: string,
  image: ExportedImage,
  target: { readonly path: string; readonly tag: string | undefined },
  signal: AbortSignal | undefined,
): Promise<void> {
  const config = `${splitDigest(image.configDigest).hex}.json`;
  const layer = `${splitDigest(image.layerDigest).hex}.tar`;
  const tags = target.tag === undefined ? null : [fullTag(target.tag)];
  const manifest = JSON.stringify([{ Config: config, RepoTags: tags, Layers: [layer] }]);
  const members: Member[] = [
    { name: 'manifest.json', bytes: Buffer.from(manifest) },
    { name: config, file: join(layout, blobPath(image.configDigest)) },
    { name: layer, file: join(layout, blobPath(image.layerDigest)) },
  ];
  await writeWholeFile(target.path, archiveOf(members), signal);
}

/** docker refuses names without a tag. */
function fullTag(name: string): string {
  return /:[^/]*$/.test(name) ? name : `${name}:latest`;
}

async function* archiveOf(members: readonly Member[]): AsyncGenerator<Uint8Array> {
  for (const { name, file, bytes } of members) {
    if (file !== undefined) yield* fileMember(name, file);
    else if (bytes !== undefined)
      yield* [header(name, bytes.length), bytes, tarPadding(bytes.length)];
    else yield encodeTarHeader({ typeflag: '5', name: Buffer.from(name), mode: 0o755 });
  }
  yield tarEnd();
}

async function* fileMember(name: string, path: string): AsyncGenerator<Uint8Array> {
  const { size } = await stat(path);
  yield header(name, size);
  const file = await openPlainFile(path);
  try {
    yield* readRange(file, path, 0, size);
  } finally {
    await file.close();
  }
  yield tarPadding(size);
}

function header(name: string, size: number): Uint8Array {
  const fits = size <= HEADER_SIZE_MAX;
  const fields = { typeflag: '0', name: Buffer.from(name), mode: 0o644, size: fits ? size : 0 };
  const own = encodeTarHeader(fields);
  return fits ? own : Buffer.concat([encodePaxHeader([['size', String(size)]]), own]);
}
