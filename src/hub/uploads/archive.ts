/** Uploaded tar archives: bounded while they are unpacked, with their readme. */

import type { Metadata } from '../../format/flist/metadata.ts';
import { formatSetting } from '../../format/flist/settings.ts';
import type { Inode } from '../../format/tree.ts';
import type { CreateProgress } from '../../image/create-progress.ts';
import { readContent } from '../../image/read.ts';
import { type Layer, LayersSource } from '../../image/source/layers.ts';
import { fileLayer } from '../../image/source/tar.ts';
import type { Statistics } from '../historical/contents.ts';
import type { HubLimits } from '../limits.ts';
import { Problem } from '../problem.ts';
import type { HubAddon, HubContext } from '../route.ts';
import { publishImage } from './image.ts';
import type { PublishTarget } from './target.ts';

/** The first that is there, from the end. */
const README_FILES = ['.README.md', '.README'];
const README_SIZE_MAX = 1024 * 1024;
/** Set by what reads the image, not by whoever uploads it. */
const PROTECTED_KEYS = ['readme', 'backend', 'entrypoint', 'environ', 'port', 'volume'];
const FIELD_PREFIX = 'metadata-';

export interface ArchiveUpload {
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  /** For messages. */
  readonly name: string;
  readonly settings: Metadata;
}

/** Settings in a form's fields `metadata-<key>`; those that only images have are left out. */
export function settingsOfFields(fields: ReadonlyMap<string, readonly string[]>): Metadata {
  const settings = new Map<string, string>();
  for (const [name, values] of fields) {
    const key = name.slice(FIELD_PREFIX.length);
    if (!name.startsWith(FIELD_PREFIX) || key === '' || PROTECTED_KEYS.includes(key)) continue;
    settings.set(key, values.at(-1) as string);
  }
  return settings;
}

/** @throws Problem 413 when it has too much in it; as {@link publishImage} */
export async function publishArchive(
  context: HubContext,
  target: PublishTarget,
  upload: ArchiveUpload,
  options: {
    readonly folder: string;
    readonly route: string;
    readonly progress?: CreateProgress | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Statistics> {
  const { limits } = context;
  let entryCount = 0;
  const source = new LayersSource({
    name: upload.name,
    layers: [boundedLayer(upload, limits)],
    whiteouts: false,
    onEntry: () => {
      if (++entryCount > limits.archiveEntryCountMax) {
        throw new Problem(413, `The archive has more than ${limits.archiveEntryCountMax} entries`);
      }
    },
  });
  const metadata = async ({ root }: { root: Inode }, addon: HubAddon): Promise<Metadata> => {
    const readme = await findReadme(context, root, addon);
    const all = new Map(upload.settings);
    if (readme !== undefined) all.set('readme', formatSetting({ readme }));
    return all;
  };
  return await publishImage(context, { source, target, metadata, ...options });
}

function boundedLayer({ path, size, name }: ArchiveUpload, limits: HubLimits): Layer {
  const file = fileLayer(path, size);
  const ratioMax = Math.max(limits.archiveFreeSize, size * limits.archiveRatioMax);
  const sizeMax = Math.min(limits.archiveUnpackedSizeMax, ratioMax);
  return { ...file, name, open: (options) => atMost(file.open(options), sizeMax) };
}

async function* atMost(
  source: AsyncIterable<Uint8Array>,
  sizeMax: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of source) {
    size += piece.length;
    if (size > sizeMax) {
      throw new Problem(413, `The archive unpacks to more than ${sizeMax} bytes`);
    }
    yield piece;
  }
}

async function findReadme(
  { chunks }: HubContext,
  root: Inode,
  codec: HubAddon,
): Promise<string | undefined> {
  for (const name of README_FILES.toReversed()) {
    const entry = root.entries?.find((item) => Buffer.from(item.name).toString() === name);
    const content = entry?.inode.content;
    if (content === undefined || content.size > README_SIZE_MAX) continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of readContent(content, { store: chunks, codec })) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  }
  return undefined;
}
