/** `g8ufs flist edit`: many changes of one flist, all or none. */
import { Command } from 'commander';
import { G8Error, toG8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import {
  addOutputFlag,
  EDIT_FAILURES,
  type EditFlags,
  openEditable,
  saveFlist,
  scriptContext,
} from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends EditFlags {
  readonly file?: string;
}

/** A script of more is a program's. */
const SCRIPT_SIZE_MAX = 16 * 1024 * 1024;

interface CommandModule {
  command(context: Context): Command;
}

const COMMANDS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  chmod: () => import('./chmod.ts'),
  chown: () => import('./chown.ts'),
  ln: () => import('./ln.ts'),
  metadata: () => import('./metadata.ts'),
  mkdir: () => import('./mkdir.ts'),
  mv: () => import('./mv.ts'),
  put: () => import('./put.ts'),
  putdir: () => import('./putdir.ts'),
  rm: () => import('./rm.ts'),
  rmdir: () => import('./rmdir.ts'),
};

export function command(context: Context): Command {
  const edit = new Command('edit')
    .description('change a flist by a script: all of its lines, or none')
    .argument('<flist>', 'flist file')
    .option('-f, --file <script>', 'read the script from a file instead of standard input');
  addOutputFlag(edit).action((flist: string, flags: Flags) => run(context, flist, flags));
  return addHelpSections(edit, {
    notes: [
      'Each line is one of the commands chmod, chown, ln, metadata, mkdir, mv, put, putdir, rm, rmdir without the flist, as in: mkdir -p /srv/www. Words are parted by blanks; quotes and backslashes keep blanks in a word. Empty lines and lines that begin with # are passed over. The flist is read and written once.',
    ],
    examples: [
      ['flist edit web.flist < changes', 'a script'],
      ['flist edit web.flist -o slim.flist -f slim.txt', 'into another flist'],
    ],
    settings: ['stores', 'blockSize', 'level'],
    failures: [...EDIT_FAILURES, 'ERR_STORE_UNAVAILABLE', 'ERR_CONFIG'],
  });
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const text = await readScript(context, flags.file);
  const flist = await openEditable(context, path, flags.output);
  try {
    await runScript(scriptContext(context, flist), path, text);
    await saveFlist(context, flist, flags.output);
  } finally {
    await flist.close();
  }
}

async function runScript(script: Context, path: string, text: string): Promise<void> {
  const { splitWords } = await import('../../words.ts');
  for (const [index, line] of text.split('\n').entries()) {
    const words = splitWords(line);
    if (words === undefined) throw atLine(index, 'a quote is not closed');
    const [name, ...rest] = words;
    if (name === undefined) continue;
    const module = COMMANDS[name];
    if (module === undefined) throw atLine(index, `${name} is no command of a script`);
    await runLine((await module()).command(script), path, rest).catch((error: unknown) => {
      throw named(index, error);
    });
    script.signal.throwIfAborted();
  }
}

async function runLine(command: Command, path: string, words: readonly string[]): Promise<void> {
  const [first = '', ...others] = words;
  // Of a group, the word that names the command comes before the flist.
  const isGroup = command.commands.length > 0;
  const argv = isGroup ? [first, path, ...others] : [path, ...words];
  for (const one of [command, ...command.commands]) {
    one.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  }
  await command.parseAsync(argv, { from: 'user' });
}

async function readScript(context: Context, file: string | undefined): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  if (file !== undefined) {
    return await readFile(file, 'utf8').catch((error: unknown) => {
      throw toG8Error(error, 'ERR_IO', `${file} cannot be read`);
    });
  }
  if (context.stdin === undefined) {
    throw new G8Error('ERR_USAGE', 'Standard input is a terminal; give a script with --file');
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of context.stdin) {
    size += piece.length;
    if (size > SCRIPT_SIZE_MAX) throw new G8Error('ERR_USAGE', 'The script is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function atLine(index: number, reason: string): G8Error {
  return new G8Error('ERR_USAGE', `Line ${index + 1} of the script: ${reason}`);
}

/** The error with the line it happened in. */
function named(index: number, error: unknown): unknown {
  if (error instanceof G8Error) {
    const { code, message, details } = error;
    return new G8Error(code, `Line ${index + 1}: ${message}`, { cause: error, details });
  }
  const { code, message } = error as { code?: unknown; message?: string };
  const isUsage = typeof code === 'string' && code.startsWith('commander.');
  return isUsage ? atLine(index, String(message).replace(/^error: /, '')) : error;
}
