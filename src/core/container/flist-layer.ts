/**
 * A flist on top of the root of a container that runs: tools to look into it with, or a newer version of some files.
 *
 * An overlay that is mounted takes no more layers. So image and flist become one flist, which is mounted with the same
 * writable layer, and while the container stands still that mount takes the place of its root. What was written wins
 * over both. The mounts before stay until the container ends: whoever had a file open goes on with it.
 */
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { stackLayers } from '../../format/layer/stack-layers.ts';
import { parseMountinfo } from '../../fs/mountinfo.ts';
import { combineRouters } from '../../image/combine-routers.ts';
import { loadFlist } from '../../image/load.ts';
import { packTree } from '../../image/pack.ts';
import { addon } from '../../native/load.ts';
import type { Container } from './container.ts';
import type { ContainerFolder } from './container-folder.ts';
import { type ContainerRecord, type RecordedLayer, writeRecord } from './record.ts';
import { rootSource } from './root-source.ts';
import type { ContainerSystem } from './system.ts';

/** Each keeps a mount until the end. */
const LAYERS_MAX = 32;

/**
 * The flist that the current root of a container is.
 *
 * @param hubUrl where names of images are looked for; empty: nowhere
 */
export function flistOf(folder: ContainerFolder, record: ContainerRecord, hubUrl: string): string {
  return record.layer === undefined
    ? rootSource(record.arguments.root, hubUrl)
    : folder.layered(record.layer.number).flist;
}

/**
 * One at a time for each container. What fails leaves the root as it was.
 *
 * @param source flist as `corex.create` takes roots
 * @throws ERR_USAGE for what is no flist, or after 32 of them; ERR_NO_INPUT when the new root lacks a folder that something
 *   is mounted on; ERR_IO when a file is executed whose attributes alone were changed; what loading, mounting and pausing throw
 */
export async function putLayer(
  system: ContainerSystem,
  container: Container,
  source: string,
  signal: AbortSignal,
): Promise<void> {
  const { folder, record } = container;
  const number = (record.layer?.number ?? 0) + 1;
  if (number > LAYERS_MAX) {
    throw new G8Error('ERR_USAGE', `Container ${container.id} has had ${LAYERS_MAX} layers`);
  }
  const { flist, point, work } = folder.layered(number);
  const layer: RecordedLayer = { number, source };
  // Before there is anything to take away, and without it being the root.
  const prepared = { ...record, mountPoints: [...record.mountPoints, point] };
  await makeFolder(point, { mode: 0o700 });
  try {
    await stack(system, record, source, flist, signal);
    await writeRecord(folder.path, prepared);
    container.setRecord(prepared);
    const { storage } = record.arguments;
    await system.mounts.mount({
      source: flist,
      mountPoint: point,
      upper: folder.upper,
      work,
      storage,
    });
    await exchange(container, point);
  } catch (error) {
    await system.mounts.unmount(point).catch(() => {});
    await rm(flist, { force: true });
    throw error;
  }
  const changed = { ...container.record, layer };
  container.setRecord(changed);
  await writeRecord(folder.path, changed);
}

async function stack(
  { hubUrl }: ContainerSystem,
  { arguments: { root } }: ContainerRecord,
  source: string,
  output: string,
  signal: AbortSignal,
): Promise<void> {
  const options = { codec: addon(), tmpDir: dirname(output), signal };
  const image = await loadFlist(rootSource(root, hubUrl), options);
  const layer = await loadFlist(rootSource(source, hubUrl), options);
  await packTree(stackLayers([image.root, layer.root], 'overlay'), output, {
    // That of the layer first: it may be known there alone.
    router: combineRouters([layer, image]),
    metadata: image.metadata,
    signal,
  });
}

async function exchange(container: Container, point: string): Promise<void> {
  const { init, folder, root } = container;
  if (init === null) throw new G8Error('ERR_NO_INPUT', `Container ${container.id} does not run`);
  const { settleUpper, replaceRoot } = addon();
  await container.pause();
  try {
    await settleUpper(folder.upper, root);
    const text = await readFile(`/proc/${init.pid}/mountinfo`, 'utf8');
    await replaceRoot({
      namespace: `/proc/${init.pid}/ns/mnt`,
      root: point,
      carried: mountsBelowRoot(text),
    });
  } finally {
    await container.resume();
  }
}

/** Mount points whose parent is the root itself; those further down come along with them. */
function mountsBelowRoot(mountinfo: string): string[] {
  const entries = parseMountinfo(mountinfo);
  const root = entries.findLast(({ mountPoint }) => mountPoint === '/');
  const below = entries.filter(
    ({ parent, mountPoint }) => parent === root?.id && mountPoint !== '/',
  );
  return [...new Set(below.map(({ mountPoint }) => mountPoint))];
}
