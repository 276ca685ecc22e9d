/**
 * Where an exported image goes: a layout, an archive of one, an archive as docker loads it, or a registry.
 * All but the first are made from a layout in a temporary folder, because only then digests are known.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { parseReference, type RegistryReference, versionOf } from '../../format/oci/reference.ts';
import { checkOutput } from '../output.ts';
import { type ExportedImage, type ExportOciOptions, exportOci } from './export.ts';
import { splitPath } from './path.ts';
import { findCredentials } from './registry/credentials.ts';
import { pushImage } from './registry/push.ts';
import { RegistryClient } from './registry/registry-client.ts';
import { writeDockerArchive, writeLayoutArchive } from './write-archive.ts';

const TAG_DEFAULT = 'latest';

export type ImageTarget =
  | { readonly kind: 'layout' | 'oci-archive'; readonly path: string; readonly tag: string }
  | { readonly kind: 'docker-archive'; readonly path: string; readonly tag: string | undefined }
  | { readonly kind: 'registry'; readonly reference: RegistryReference };

export interface WriteImageOptions extends Omit<ExportOciOptions, 'path' | 'tag'> {
  /** Where the temporary folder goes; default the system's. */
  readonly tmpDir?: string | undefined;
  /** Where credentials are looked for; default nowhere. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Plain http also to registries of other machines. */
  readonly insecureRegistry?: boolean | undefined;
}

/**
 * Reads what a user names.
 *
 * @returns `undefined` when it is no image
 * @throws ERR_USAGE when it is a wrong one
 */
export async function parseImageTarget(text: string): Promise<ImageTarget | undefined> {
  if (text.startsWith('oci://')) {
    const reference = parseReference(text);
    if (reference.digest === undefined) return { kind: 'registry', reference };
    throw new G8Error('ERR_USAGE', `${text} has a digest: that is known when the image is made`);
  }
  const match = /^(oci|oci-archive|docker-archive):/.exec(text);
  if (match === null) return undefined;
  const { path, name } = await splitPath(text.slice(match[0].length));
  if (name?.startsWith('@')) {
    throw new G8Error('ERR_USAGE', `${text} has a digest: that is known when the image is made`);
  }
  if (match[1] === 'docker-archive') return { kind: 'docker-archive', path, tag: name };
  const kind = match[1] === 'oci' ? 'layout' : 'oci-archive';
  return { kind, path, tag: name ?? TAG_DEFAULT };
}

/**
 * Writes an image.
 *
 * @param tar the tree; read once
 * @throws as {@link exportOci}, and as the registry's client
 */
export async function writeImage(
  target: ImageTarget,
  tar: AsyncIterable<Uint8Array>,
  options: WriteImageOptions,
): Promise<ExportedImage> {
  if (target.kind === 'layout') return await exportOci(tar, { ...options, ...target });
  if (target.kind !== 'registry') await checkOutput(target.path);
  if (target.kind === 'docker-archive' && (options.compression ?? 'none') !== 'none') {
    throw new G8Error('ERR_USAGE', 'Layers of a docker-archive are not compressed');
  }
  const { tmpDir = tmpdir(), signal } = options;
  const folder = await mkdtemp(join(tmpDir, 'g8ufs-oci-')).catch((error: unknown) => {
    throw toG8Error(error, 'ERR_CREATE', `No temporary folder can be made in ${tmpDir}`);
  });
  try {
    const path = join(folder, 'layout');
    const tag = target.kind === 'registry' ? versionOf(target.reference) : (target.tag ?? '');
    // docker keeps layers plain, and names them by their digest.
    const how = target.kind === 'docker-archive' ? { compression: 'none' as const } : {};
    const made = await exportOci(tar, { ...options, ...how, path, tag });
    if (target.kind === 'oci-archive') await writeLayoutArchive(path, made, target, signal);
    else if (target.kind === 'registry') await push(path, target.reference, made, options);
    else await writeDockerArchive(path, made, target, signal);
    return made;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function push(
  layout: string,
  reference: RegistryReference,
  image: ExportedImage,
  { env = {}, insecureRegistry, signal }: WriteImageOptions,
): Promise<void> {
  const client = new RegistryClient(reference, {
    credentials: (inner) => findCredentials(reference, { env, signal: inner }),
    insecure: insecureRegistry,
    actions: 'pull,push',
  });
  try {
    await pushImage(client, layout, image, versionOf(reference), signal);
  } finally {
    await client.close();
  }
}
