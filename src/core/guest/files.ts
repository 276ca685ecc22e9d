/** The file operations of a guest program, each as a function. All throw what `Guest.request` throws. */
import { G8Error } from '../../base/errors.ts';
import type { Reply } from './frame.ts';
import type { Guest } from './guest.ts';

/** An open file of a guest program; only this program knows the number. */
export type FileHandle = number;

export interface ListedFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Permission bits only. */
  readonly mode: number;
  readonly isFolder: boolean;
}

/** What to look at: the content of a file, the names in a folder, the target of a link. */
export interface Look {
  readonly kind: 'content' | 'names' | 'link';
  readonly path: string;
}

/** More is no answer that a command could give. */
const ENTRIES_MAX = 1_000_000;
const LOOKED_SIZE_MAX = 64 * 1024 * 1024;
const LOOK_KINDS = { content: 0, names: 1, link: 2 } as const;
/** Of a request: far below a frame. */
const LOOKS_PER_REQUEST = 1000;

/** @param flags of open(2), as this machine numbers them */
export async function openFile(
  guest: Guest,
  path: string,
  { flags, mode }: { flags: number; mode: number },
): Promise<FileHandle> {
  return (await guest.request('open', [path, flags, mode], `open ${path}`)).fields.u32();
}

/** @returns empty at the end of the file */
export async function readFile(guest: Guest, handle: FileHandle, size: number): Promise<Buffer> {
  return (await guest.request('read', [handle, size], 'read')).fields.bytes();
}

/** Writes all of it. */
export async function writeFile(
  guest: Guest,
  handle: FileHandle,
  bytes: Uint8Array,
): Promise<void> {
  await guest.request('write', [handle, bytes], 'write');
}

export async function closeFile(guest: Guest, handle: FileHandle): Promise<void> {
  await guest.request('close', [handle], 'close');
}

/** Whether there is something; a link to nothing is nothing. */
export async function exists(guest: Guest, path: string): Promise<boolean> {
  return (await guest.request('exists', [path], `stat ${path}`)).fields.u32() === 1;
}

/** @returns in no order */
export async function listFolder(guest: Guest, path: string): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  const take = ({ fields }: Reply): void => {
    while (!fields.isAtEnd) {
      const isFolder = fields.u32() === 1;
      const mode = fields.u32() & 0o7777;
      const size = Number(fields.u64());
      files.push({ name: fields.text(), size, mode, isFolder });
    }
    if (files.length > ENTRIES_MAX) throw tooLarge();
  };
  take(await guest.request('list', [path], `list ${path}`, take));
  return files;
}

/** With what is missing above it; mode 0755. */
export async function makeFolder(guest: Guest, path: string): Promise<void> {
  await guest.request('makeFolder', [path], `mkdir ${path}`);
}

/** With everything below it; that nothing is there is fine. */
export async function remove(guest: Guest, path: string): Promise<void> {
  await guest.request('remove', [path], `remove ${path}`);
}

export async function move(guest: Guest, path: string, destination: string): Promise<void> {
  await guest.request('move', [path, destination], `rename ${path} to ${destination}`);
}

/** Links below the path stay as they are. */
export async function changeMode(
  guest: Guest,
  path: string,
  options: { mode: number; isRecursive: boolean },
): Promise<void> {
  const { mode, isRecursive } = options;
  await guest.request('chmod', [path, mode, isRecursive ? 1 : 0], `chmod ${path}`);
}

/** Names are resolved by the place's own /etc/passwd and /etc/group; digits are numbers. */
export async function changeOwner(
  guest: Guest,
  path: string,
  options: { user: string; group: string; isRecursive: boolean },
): Promise<void> {
  const { user, group, isRecursive } = options;
  const fields = [path, user, group, isRecursive ? 1 : 0];
  await guest.request('chown', fields, `chown ${user}:${group} ${path}`);
}

/** Sends a signal to a process as the place numbers it. */
export async function killProcess(guest: Guest, pid: number, signal: number): Promise<void> {
  await guest.request('kill', [pid, signal], `kill ${pid}`);
}

/**
 * Looks at many files at once.
 *
 * @returns for each, in order, its bytes (names end with a zero byte each), or `undefined` when it cannot be read
 */
export async function lookAt(
  guest: Guest,
  looks: readonly Look[],
): Promise<(Buffer | undefined)[]> {
  const found = new Map<number, Buffer[]>();
  let size = 0;
  for (let first = 0; first < looks.length; first += LOOKS_PER_REQUEST) {
    const some = looks.slice(first, first + LOOKS_PER_REQUEST);
    const fields = some.flatMap(({ kind, path }) => [LOOK_KINDS[kind], path]);
    await guest.request('look', [some.length, ...fields], 'look at files', ({ fields: part }) => {
      const index = first + part.u32();
      const errno = part.u32();
      const bytes = part.bytes();
      size += bytes.length;
      if (size > LOOKED_SIZE_MAX) throw tooLarge();
      // What was read before an error is of no use alone.
      if (errno !== 0) found.delete(index);
      else found.set(index, [...(found.get(index) ?? []), Buffer.from(bytes)]);
    });
  }
  return looks.map((_, index) => {
    const pieces = found.get(index);
    return pieces === undefined ? undefined : Buffer.concat(pieces);
  });
}

/** {@link lookAt} for texts. */
export async function readTexts(
  guest: Guest,
  paths: readonly string[],
): Promise<(string | undefined)[]> {
  const found = await lookAt(
    guest,
    paths.map((path) => ({ kind: 'content', path })),
  );
  return found.map((bytes) => bytes?.toString('utf8'));
}

function tooLarge(): G8Error {
  return new G8Error('ERR_PROTOCOL', 'The answer of a guest program is too large');
}
