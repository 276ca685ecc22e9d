/**
 * A flist on top of the root of a container that runs: tools to look into it with, or a newer version of some files.
 *
 * An overlay that is mounted takes no more layers. So the mount daemon makes one image of the two, which it mounts with the
 * same writable layer, and while the container stands still that mount takes the place of its root. What was written wins
 * over both. The mounts before stay until the container ends: whoever had a file open goes on with it.
 */
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { parseMountinfo } from '../../fs/mountinfo.ts';
import { addon } from '../../native/load.ts';
import type { Container } from './container.ts';
import type { ContainerFolder } from './container-folder.ts';
import { isAlive } from './process-identity.ts';
import type { ContainerRecord, RecordedLayer } from './record.ts';
import { rootSource } from './root-source.ts';
import type { ContainerSystem } from './system.ts';
import { whileStill } from './while-still.ts';

/** Each keeps a mount until the end. */
const LAYERS_MAX = 32;
/** Large files whose attributes alone were changed are copied meanwhile. */
const SETTLE_TIMEOUT_MS = 600_000;
/** The same while the container stands still, when little is left to do. */
const STILL_TIMEOUT_MS = 30_000;

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
 * One at a time for each container. What fails leaves the root as it was, unless only going on fails.
 *
 * @param source flist as `corex.create` takes roots; allowed or not as they are
 * @throws ERR_USAGE for what is no flist, after 32 of them, and for a container that cannot be paused; ERR_NO_INPUT when the new
 *   root lacks a folder that something is mounted on; ERR_IO when a file is executed whose attributes alone were changed;
 *   ERR_TIMEOUT, ERR_ABORTED also when the container ends; what mounting and pausing throw
 */
export async function putLayer(
  system: ContainerSystem,
  container: Container,
  source: string,
  signal: AbortSignal,
): Promise<void> {
  const { folder } = container;
  container.checkPausable();
  const pending = { number: nextNumber(container), source };
  const { flist, point, work } = folder.layered(pending.number);
  let isOn = false;
  try {
    // Before there is anything to take away.
    await container.changeRecord((record) => ({
      ...record,
      pending,
      mountPoints: [...record.mountPoints, point],
    }));
    await makeFolder(point, { mode: 0o700 });
    const onto = { mountPoint: folder.root, flist };
    const { storage } = container.record.arguments;
    const from = rootSource(source, system.hubUrl);
    const { upper } = folder;
    await system.mounts.mount({ source: from, mountPoint: point, upper, work, storage, onto });
    await checkStacked(flist);
    await exchange(container, point, signal, async () => {
      isOn = true;
      await keep(system, container, pending);
    });
  } catch (error) {
    if (!isOn) await undo(system, container, pending.number);
    throw error;
  }
}

/** One whose mount point was never used: what is left there by a crash may be the root. */
function nextNumber({ id, folder, record }: Container): number {
  for (let number = 1; number <= LAYERS_MAX; number++) {
    if (!record.mountPoints.includes(folder.layered(number).point)) return number;
  }
  throw new G8Error('ERR_USAGE', `Container ${id} has had ${LAYERS_MAX} layers`);
}

/** A mount daemon of an earlier version knows of no flists on one another, and has mounted the upper one alone. */
async function checkStacked(flist: string): Promise<void> {
  await stat(flist).catch((cause: unknown) => {
    throw new G8Error('ERR_PROTOCOL', 'The mount daemon cannot do this: it is older', { cause });
  });
}

/** The root is another one now, whatever happens to the record: the next process finds that out. */
async function keep(
  { log }: ContainerSystem,
  container: Container,
  layer: RecordedLayer,
): Promise<void> {
  try {
    await container.changeRecord(({ pending: _, ...record }) => ({ ...record, layer }));
  } catch (error) {
    log.warn({ err: error, container: container.id }, 'layer cannot be recorded');
  }
}

async function undo(
  { mounts, log }: ContainerSystem,
  container: Container,
  number: number,
): Promise<void> {
  const { flist, point } = container.folder.layered(number);
  try {
    await mounts.unmount(point);
    await rm(flist, { force: true });
    if (container.isEnding) return;
    await container.changeRecord(({ pending: _, ...record }) => ({
      ...record,
      mountPoints: record.mountPoints.filter((each) => each !== point),
    }));
  } catch (error) {
    // Then it stays until the container ends, and its number is not used again.
    log.warn({ err: error, container: container.id }, 'layer cannot be taken away');
  }
}

async function exchange(
  container: Container,
  point: string,
  signal: AbortSignal,
  onReplaced: () => Promise<void>,
): Promise<void> {
  const { init, folder, root, id } = container;
  const check = (): void => {
    throwIfAborted(signal);
    if (container.isEnding) throw new G8Error('ERR_ABORTED', `Container ${id} ends`);
    if (init === null || !isAlive(init)) throw notRunning(id);
  };
  check();
  const { settleUpper, replaceRoot } = addon();
  const settled = { upper: folder.upper, merged: root };
  await settleUpper({ ...settled, live: true, timeoutMs: SETTLE_TIMEOUT_MS });
  // Opened once: the number of the process may be another's when they are used.
  await using namespace = await openOf(container, 'ns/mnt');
  await using mountinfo = await openOf(container, 'mountinfo');
  check();
  await whileStill(container, async () => {
    await settleUpper({ ...settled, live: false, timeoutMs: STILL_TIMEOUT_MS });
    const text = await mountinfo.readFile('utf8');
    check();
    await replaceRoot({
      namespace: `/proc/self/fd/${namespace.fd}`,
      root: point,
      carried: mountsBelowRoot(text),
    });
    await onReplaced();
  });
}

async function openOf({ id, init }: Container, name: string): Promise<FileHandle> {
  try {
    return await open(`/proc/${init?.pid}/${name}`);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `Container ${id} does not run`);
  }
}

function notRunning(id: number): G8Error {
  return new G8Error('ERR_NO_INPUT', `Container ${id} does not run`);
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
