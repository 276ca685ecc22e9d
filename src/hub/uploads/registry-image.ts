/** Images of registries as flists, with what starts them in a file that old tools read. */

import { compareBytes } from '../../base/bytes.ts';
import { G8Error, isG8Error } from '../../base/errors.ts';
import { isPrivateAddress } from '../../base/private-address.ts';
import type { Metadata } from '../../format/flist/metadata.ts';
import { configOfMetadata } from '../../format/oci/metadata.ts';
import { platformOfMachine } from '../../format/oci/platform.ts';
import { parseReference } from '../../format/oci/reference.ts';
import { type Inode, S_IFREG } from '../../format/tree.ts';
import type { CreateProgress } from '../../image/create-progress.ts';
import type { MayReach } from '../../image/oci/registry/registry-client.ts';
import { openRegistrySource } from '../../image/oci/source.ts';
import type { ImageSource, SourceRun, SourceTree } from '../../image/source/source.ts';
import { type IndexedBlock, StreamPacker } from '../../image/source/stream-packer.ts';
import type { Credentials } from '../../store/credential-helper.ts';
import type { Statistics } from '../historical/contents.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { publishImage } from './image.ts';
import { formatStartup } from './startup.ts';
import type { PublishTarget } from './target.ts';

const STARTUP_FILE = Buffer.from('.startup.toml');
const TEXT_SIZE_MAX = 512;

export interface RegistryImage {
  /** As our importer takes it: `oci://host/repository:tag`. */
  readonly reference: string;
  /** Name of the flist that it becomes, without extension. */
  readonly name: string;
}

/**
 * What a docker reference means: without a registry it is docker's, without a version `latest`.
 *
 * @throws Problem 400
 */
export function parseImage(text: string): RegistryImage {
  if (text.length > TEXT_SIZE_MAX) throw new Problem(400, 'docker image name is too long');
  const bare = text.includes('@') || /:[^/]*$/.test(text) ? text : `${text}:latest`;
  const [first = ''] = bare.split('/');
  const hasRegistry = bare.includes('/') && /[.:]|^localhost$/.test(first);
  const reference = `oci://${hasRegistry ? '' : 'docker.io/'}${bare}`;
  try {
    parseReference(reference);
  } catch (error) {
    if (!(error instanceof G8Error)) throw error;
    throw new Problem(400, error.message);
  }
  return { reference, name: bare.replaceAll(/[:/@]/g, '-') };
}

/** @throws as {@link publishImage}, and what reading from the registry throws */
export async function publishRegistryImage(
  context: HubContext,
  target: PublishTarget,
  image: RegistryImage,
  options: {
    readonly folder: string;
    readonly route: string;
    readonly credentials?: Credentials | undefined;
    readonly progress?: CreateProgress | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Statistics> {
  const { credentials, ...rest } = options;
  const source = openRegistrySource(image.reference, {
    tmpDir: rest.folder,
    credentials,
    mayReach: mayReach(context.privateRegistries),
  });
  return await publishImage(context, { source: new StartupSource(source), target, ...rest });
}

/**
 * Users name the registry, and with it what the hub talks to: not to what only the hub can reach, unless the operator
 * has said so.
 */
function mayReach(privateRegistries: readonly string[]): MayReach {
  return (host, address) =>
    !isPrivateAddress(address) ||
    privateRegistries.includes(host) ||
    privateRegistries.includes(host.replace(/:\d+$/, ''));
}

/** A source with the file that says what to start. */
class StartupSource implements ImageSource {
  readonly name: string;
  readonly #source: ImageSource;

  constructor(source: ImageSource) {
    this.name = source.name;
    this.#source = source;
  }

  async load(run: SourceRun): Promise<SourceTree> {
    const tree = await this.#source.load(run).catch((error: unknown) => {
      // The registry's refusal, or ours to talk to it: for the user to know.
      throw isG8Error(error, 'ERR_PERMISSION') ? new Problem(403, error.message) : error;
    });
    const text = Buffer.from(startupOf(tree.metadata ?? new Map()));
    const { root } = tree;
    const { uid, gid, mtimeSeconds, mtimeNanoseconds } = root;
    const inode = {
      mode: S_IFREG | 0o644,
      uid,
      gid,
      mtimeSeconds,
      mtimeNanoseconds,
      size: text.length,
    };
    const packer = new StreamPacker(run.writer);
    try {
      await packer.add(inode, STARTUP_FILE.toString(), blocksOf(text, run.writer.blockSize));
      await packer.finish();
    } finally {
      await packer.settle();
    }
    return { ...tree, root: withFile(root, inode), entryCount: tree.entryCount + 1 };
  }

  async close(): Promise<void> {
    await this.#source.close();
  }
}

async function* blocksOf(bytes: Uint8Array, blockSize: number): AsyncGenerator<IndexedBlock> {
  for (let index = 0; index * blockSize < bytes.length; index++) {
    yield [index, bytes.subarray(index * blockSize, (index + 1) * blockSize)];
  }
}

function withFile(root: Inode, inode: Inode): Inode {
  const others = (root.entries ?? []).filter(({ name }) => compareBytes(name, STARTUP_FILE) !== 0);
  const entries = [...others, { name: STARTUP_FILE, inode }];
  return { ...root, entries: entries.sort((a, b) => compareBytes(a.name, b.name)) };
}

function startupOf(metadata: Metadata): string {
  const { run } = configOfMetadata(metadata, platformOfMachine('linux', process.arch));
  const argv = [...(run.entrypoint ?? []), ...(run.cmd ?? [])];
  return formatStartup({
    argv: argv.length === 0 ? ['/bin/sh'] : argv,
    environ: run.environ ?? new Map(),
    workdir: run.workdir ?? '/',
  });
}
