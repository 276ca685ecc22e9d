/** `filesystem.*`: files of a place, as the place sees them. */
import { constants } from 'node:fs';
import {
  changeMode,
  changeOwner,
  exists,
  listFolder,
  makeFolder,
  move,
  remove,
} from '../guest/files.ts';
import { type Arguments, flag, integer, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_EXCL, O_ACCMODE } = {
  ...constants,
  O_ACCMODE: 3,
};

const OPEN_MODES: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
  x: O_WRONLY | O_CREAT | O_EXCL,
};

/** Bytes that a client gets at once. */
const READ_SIZE = 512 * 1024;
const PERM_DEFAULT = 0o644;

export const FILESYSTEM: Readonly<Record<string, CommandHandler>> = {
  'filesystem.open': async (args, { guest }) => {
    const flags = openFlags(text(args, 'mode', 'r'));
    const mode = integer(args, 'perm', PERM_DEFAULT);
    return guest.descriptors.open(path(args, 'file'), { flags, mode });
  },

  'filesystem.read': async (args, { guest }) =>
    (await guest.descriptors.read(text(args, 'fd'), READ_SIZE)).toString('base64'),

  'filesystem.write': async (args, { guest }) => {
    await guest.descriptors.write(text(args, 'fd'), base64(text(args, 'block')));
  },

  'filesystem.close': async (args, { guest }) => {
    await guest.descriptors.close(text(args, 'fd'));
  },

  'filesystem.exists': async (args, { guest }) => exists(guest, path(args, 'path')),

  'filesystem.list': async (args, { guest }) => {
    const files = await listFolder(guest, path(args, 'path'));
    return files
      .sort((one, other) => (one.name < other.name ? -1 : 1))
      .map(({ name, size, mode, isFolder }) => ({ name, size, mode, is_dir: isFolder }));
  },

  'filesystem.mkdir': async (args, { guest }) => {
    await makeFolder(guest, path(args, 'path'));
  },

  'filesystem.remove': async (args, { guest }) => {
    await remove(guest, path(args, 'path'));
  },

  'filesystem.move': async (args, { guest }) => {
    await move(guest, path(args, 'path'), path(args, 'destination'));
  },

  'filesystem.chmod': async (args, { guest }) => {
    const options = { mode: integer(args, 'mode'), isRecursive: flag(args, 'recursive') };
    await changeMode(guest, path(args, 'path'), options);
  },

  'filesystem.chown': async (args, { guest }) => {
    await changeOwner(guest, path(args, 'path'), {
      user: text(args, 'user'),
      group: text(args, 'group'),
      isRecursive: flag(args, 'recursive'),
    });
  },
};

/** One of `r`, `w`, `a`, `x`, and perhaps `+`. */
function openFlags(mode: string): number {
  const letter = mode.replace('+', '');
  const flags = Object.hasOwn(OPEN_MODES, letter) ? OPEN_MODES[letter] : undefined;
  if (flags === undefined) throw new CommandError(400, `open mode '${mode}' is unknown`);
  return mode.includes('+') ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

function path(args: Arguments, name: string): string {
  const value = text(args, name);
  if (value === '' || value.includes('\0'))
    throw new CommandError(400, `argument '${name}' is no path`);
  return value;
}

/** Clients break the lines of their blocks. */
function base64(block: string): Buffer {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(block))
    throw new CommandError(400, 'the block is no Base64');
  return Buffer.from(block, 'base64');
}
