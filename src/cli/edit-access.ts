/**
 * What the commands that change a flist share: opening it, writing it back once, telling what happened.
 * Within `flist edit` many of them work on one flist that is opened and written once.
 */
import type { Command } from 'commander';
import { G8Error } from '../base/errors.ts';
import type { EditableFlist, SavedFlist } from '../image/edit-flist.ts';
import type { Context } from './context.ts';

export interface EditFlags {
  readonly output?: string;
}

export function addOutputFlag(command: Command): Command {
  return command.option('-o, --output <file>', 'write this file and leave the flist as it is');
}

/** Ways in which the commands that change a flist end. */
export const EDIT_FAILURES = [
  'ERR_FLIST_FORMAT',
  'ERR_NO_INPUT',
  'ERR_CREATE',
  'ERR_IO',
  'ERR_TIMEOUT',
  'ERR_PERMISSION',
] as const;

/** The flist that the commands of one script work on. */
const open = new WeakMap<Context, EditableFlist>();

/** A context in which all commands change one flist, which somebody else writes. */
export function scriptContext(context: Context, flist: EditableFlist): Context {
  // The flags are read when they are asked for, from the context that knows them.
  const script = Object.create(context) as Context;
  open.set(script, flist);
  return script;
}

/** Opens a flist to be changed; the caller closes it. */
export async function openEditable(
  context: Context,
  path: string,
  output: string | undefined,
): Promise<EditableFlist> {
  const { EditableFlist } = await import('../image/edit-flist.ts');
  const { addon } = await import('../native/load.ts');
  const tmpDir = context.env['TMPDIR'] || undefined;
  const inPlace = output === undefined;
  return await EditableFlist.open(path, {
    codec: addon(),
    tmpDir,
    signal: context.signal,
    inPlace,
  });
}

/**
 * Changes a flist.
 *
 * @param edit changes it in memory; when it throws, nothing is written
 */
export async function editFlist(
  context: Context,
  path: string,
  flags: EditFlags,
  edit: (flist: EditableFlist) => void | Promise<void>,
): Promise<void> {
  const script = open.get(context);
  if (script !== undefined) {
    if (flags.output !== undefined) {
      throw new G8Error('ERR_USAGE', '--output belongs to flist edit, not to a line of its script');
    }
    await edit(script);
    return;
  }
  const flist = await openEditable(context, path, flags.output);
  try {
    await edit(flist);
    await saveFlist(context, flist, flags.output);
  } finally {
    await flist.close();
  }
}

/** Writes a changed flist and tells what there is to tell. */
export async function saveFlist(
  context: Context,
  flist: EditableFlist,
  output: string | undefined,
): Promise<void> {
  const { addon } = await import('../native/load.ts');
  const saved = await flist.save(output, { streams: addon(), signal: context.signal });
  if (context.json) {
    const { printJson } = await import('./ui/json.ts');
    await printJson(context, saved);
    return;
  }
  if (saved.changed) noteGeneration(context, flist, saved);
}

/** Files of other generations surprise: says what was written. */
function noteGeneration(context: Context, flist: EditableFlist, { kind, lost }: SavedFlist): void {
  if (context.quiet) return;
  if (flist.isG1) {
    context.stderr.write('g8ufs: written in the form of today, which its old readers read too\n');
  }
  if (kind === 'zflist') {
    context.stderr.write(
      'g8ufs: written as a flist of zflist, creation times as modification times\n',
    );
  }
  noteLosses(context, lost);
}

/** @param lost what a file cannot say of its tree */
export function noteLosses(context: Context, lost: SavedFlist['lost']): void {
  if (context.quiet) return;
  for (const { what, count } of lost) {
    context.stderr.write(`g8ufs: not in the file: ${what} (${count})\n`);
  }
}

/** Bytes of a path that a user has typed. */
export function pathBytes(path: string): Uint8Array {
  return new Uint8Array(Buffer.from(path));
}

const ID_MAX = 2 ** 32 - 2;

/** @throws ERR_USAGE when it is no number of a user or group */
export function parseId(text: string, what: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= ID_MAX)) throw new G8Error('ERR_USAGE', `${what} is '${text}', not a number`);
  return id;
}

/** What new names get: owner 0:0 and the present time, or `SOURCE_DATE_EPOCH`. */
export function birthOf(context: Context, permissions: number) {
  return { permissions, uid: 0, gid: 0, ...now(context) };
}

/** @throws ERR_USAGE when `SOURCE_DATE_EPOCH` is no number */
export function now(context: Context): { mtimeSeconds: number; mtimeNanoseconds: number } {
  const epoch = context.env['SOURCE_DATE_EPOCH'];
  if (epoch === undefined || epoch === '') {
    const ms = Date.now();
    return { mtimeSeconds: Math.floor(ms / 1000), mtimeNanoseconds: (ms % 1000) * 1_000_000 };
  }
  if (!/^\d{1,12}$/.test(epoch)) {
    throw new G8Error('ERR_USAGE', `SOURCE_DATE_EPOCH is '${epoch}', not seconds since 1970`);
  }
  return { mtimeSeconds: Number(epoch), mtimeNanoseconds: 0 };
}
