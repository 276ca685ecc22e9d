/** `manifest.json` of what `docker save` writes: hostile JSON in, checked values out. Pure. */
import { z } from 'zod';
import { parseDocument } from './json.ts';

const IMAGE_COUNT_MAX = 4096;
const LAYER_COUNT_MAX = 4096;

const member = z.string().min(1).max(4096);

const archiveSchema = z
  .array(
    z.object({
      Config: member,
      RepoTags: z
        .array(z.string().max(4096))
        .max(IMAGE_COUNT_MAX)
        .nullish()
        .transform((value) => value ?? []),
      Layers: z
        .array(member)
        .max(LAYER_COUNT_MAX)
        .nullish()
        .transform((value) => value ?? []),
    }),
  )
  .max(IMAGE_COUNT_MAX);

export interface ArchivedImage {
  /** Member with the configuration. */
  readonly config: string;
  readonly tags: readonly string[];
  /** Members with the layers, the lowest first. */
  readonly layers: readonly string[];
}

/** @throws ERR_FLIST_FORMAT */
export function parseArchiveManifest(bytes: Uint8Array, what: string): readonly ArchivedImage[] {
  return parseDocument(bytes, archiveSchema, what).map(({ Config, RepoTags, Layers }) => ({
    config: Config,
    tags: RepoTags,
    layers: Layers,
  }));
}

/** Whether two names of an image mean the same, `debian` and `docker.io/library/debian:latest`. */
export function isSameTag(a: string, b: string): boolean {
  return fullTag(a) === fullTag(b);
}

function fullTag(name: string): string {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  const hasHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasHost ? name : `docker.io/${slash < 0 ? 'library/' : ''}${name}`;
  return /:[^/]*$/.test(path) ? path : `${path}:latest`;
}
