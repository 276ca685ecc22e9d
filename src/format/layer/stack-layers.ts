/**
 * Layers one over the other, with whiteouts: the upper ones can take names of lower ones away. Unlike
 * `stackTrees`, which follows historical mounts, a file hides a directory below for good, as in overlayfs
 * and OCI images. Markers are no part of the result. Pure; without recursion, since layers are hostile.
 */
import { compareBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import { escapeBytes } from '../flist/escape.ts';
import type { Dentry, Inode } from '../tree.ts';
import { isDirectory } from './node.ts';
import {
  isOverlayWhiteout,
  overlayXattrs,
  readOciName,
  type WhiteoutStyle,
  withoutOverlayXattrs,
} from './whiteout.ts';

type Style = Exclude<WhiteoutStyle, 'none'>;

/** A directory of the result, to be filled. */
interface Task {
  readonly entries: Dentry[];
  readonly upper: Inode;
  /** What shines through; absent where nothing can. */
  readonly lower: Inode | undefined;
}

/** One layer that is put over those below it. */
interface Application {
  readonly style: Style;
  /** Root of what is below; absent for the lowest layer. */
  readonly base: Inode | undefined;
  readonly tasks: Task[];
  readonly cleaned: Map<Inode, Inode>;
}

/** What one directory of a layer says. */
interface Contents {
  /** Nothing of the lower directory is seen. */
  readonly opaque: boolean;
  /** Names of lower entries that are taken away, each byte a character. */
  readonly hidden: ReadonlySet<string>;
  readonly entries: readonly Dentry[];
}

/**
 * @param layers roots, the lowest first
 * @throws RangeError when there is no layer, ERR_FLIST_FORMAT when a layer depends on how it was mounted
 */
export function stackLayers(layers: readonly Inode[], style: Style): Inode {
  if (layers.length === 0) throw new RangeError('No layer to stack');
  // Markers of hard links must stay links: an inode is cleaned once.
  const cleaned = new Map<Inode, Inode>();
  let result: Inode | undefined;
  for (const layer of layers) result = applyLayer(result, layer, style, cleaned);
  return result as Inode;
}

function applyLayer(
  lower: Inode | undefined,
  upper: Inode,
  style: Style,
  cleaned: Map<Inode, Inode>,
): Inode {
  const tasks: Task[] = [];
  const root = open(upper, lower, style, tasks);
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    fill(task, { style, base: lower, tasks, cleaned });
  }
  return root;
}

function open(upper: Inode, lower: Inode | undefined, style: Style, tasks: Task[]): Inode {
  const entries: Dentry[] = [];
  tasks.push({ entries, upper, lower });
  return { ...(style === 'overlay' ? withoutOverlayXattrs(upper) : upper), entries };
}

function fill(task: Task, application: Application): void {
  const { style, tasks } = application;
  const { entries, upper, lower } = task;
  const { opaque, hidden, entries: own } = style === 'oci' ? readOci(upper) : readOverlay(upper);
  const below = new Map<string, Dentry>();
  for (const entry of (opaque ? undefined : lower?.entries) ?? []) {
    const key = Buffer.from(entry.name).toString('latin1');
    if (!hidden.has(key)) below.set(key, entry);
  }
  for (const { name, inode } of own) {
    const key = Buffer.from(name).toString('latin1');
    const plain = below.get(key)?.inode;
    below.delete(key);
    const known = style === 'overlay' ? referred(inode, lower, application, plain) : plain;
    if (isDirectory(inode)) {
      const shining = known !== undefined && isDirectory(known) ? known : undefined;
      entries.push({ name, inode: open(inode, shining, style, tasks) });
    } else {
      const cleanInode = style === 'oci' ? inode : clean(inode, name, known, application.cleaned);
      entries.push({ name, inode: cleanInode });
    }
  }
  entries.push(...below.values());
  entries.sort((a, b) => compareBytes(a.name, b.name));
}

/**
 * What an inode of an overlay lies over: by the reference that it has to another name, which overlayfs writes when something
 * is renamed, or else what has the same name.
 *
 * @throws ERR_FLIST_FORMAT when the layers below have no such name
 */
function referred(
  inode: Inode,
  lower: Inode | undefined,
  { base }: Application,
  plain: Inode | undefined,
): Inode | undefined {
  const redirect = overlayXattrs(inode).get('redirect');
  if (redirect === undefined) return plain;
  let found = redirect.startsWith('/') ? base : lower;
  for (const name of redirect.split('/').filter((word) => word !== '')) {
    found = found?.entries?.find(
      (entry) => Buffer.from(entry.name).toString('latin1') === name,
    )?.inode;
  }
  if (found === undefined) throw unstackable(redirect, inode);
  return found;
}

function readOci(directory: Inode): Contents {
  const hidden = new Set<string>();
  const entries: Dentry[] = [];
  let opaque = false;
  for (const entry of directory.entries ?? []) {
    const name = readOciName(Buffer.from(entry.name).toString('latin1'));
    if (name.type === 'plain') entries.push(entry);
    else if (name.type === 'opaque') opaque = true;
    else if (name.type === 'whiteout') hidden.add(name.hidden);
  }
  return { opaque, hidden, entries };
}

function readOverlay(directory: Inode): Contents {
  const hidden = new Set<string>();
  const entries: Dentry[] = [];
  const xattrs = overlayXattrs(directory);
  for (const entry of directory.entries ?? []) {
    if (isOverlayWhiteout(entry.inode)) hidden.add(Buffer.from(entry.name).toString('latin1'));
    else entries.push(entry);
  }
  return { opaque: xattrs.get('opaque') === 'y', hidden, entries };
}

function clean(
  inode: Inode,
  name: Uint8Array,
  below: Inode | undefined,
  cleaned: Map<Inode, Inode>,
): Inode {
  const known = cleaned.get(inode);
  if (known !== undefined) return known;
  let plain = withoutOverlayXattrs(inode);
  if (overlayXattrs(inode).has('metacopy')) {
    // Only its attributes were changed: its bytes are those of the layer below.
    if (below?.content === undefined && below?.size !== 0)
      throw unstackable(escapeBytes(name), inode);
    const { content: _, ...attributes } = plain;
    const { size, content } = below;
    plain = { ...attributes, size, ...(content !== undefined && { content }) };
  }
  cleaned.set(inode, plain);
  return plain;
}

function unstackable(what: string, inode: Inode): G8Error {
  return new G8Error(
    'ERR_FLIST_FORMAT',
    `Layer has ${what} by reference to a layer below, which has no such file`,
    { details: { xattrs: [...overlayXattrs(inode).keys()].join(' ') } },
  );
}
