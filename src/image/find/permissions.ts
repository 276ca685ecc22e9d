/** Modes for the `perm` test: octal, or symbolic as chmod(1) takes them, exactly, all or any of. Pure. */
import { G8Error } from '../../base/errors.ts';

const BITS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 };
const CLASSES: Readonly<Record<string, number>> = { u: 0o700, g: 0o070, o: 0o007, a: 0o777 };
const SPECIAL: Readonly<Record<string, number>> = { u: 0o4000, g: 0o2000, o: 0, a: 0o6000 };
const STICKY = 0o1000;

/**
 * `MODE` all bits as given, `-MODE` at least these, `/MODE` any of these.
 *
 * @throws ERR_USAGE
 */
export function compilePermissions(value: string, word: string): (mode: number) => boolean {
  const [, how = '', text = ''] = /^([-/]?)(.*)$/s.exec(value) ?? [];
  const wanted = parseMode(text);
  if (wanted === undefined) {
    throw new G8Error('ERR_USAGE', `${word} is '${value}', not a mode such as 644, -u+w or /6000`);
  }
  if (how === '-') return (mode) => (mode & wanted) === wanted;
  // As find(1): any of no bits at all is everything.
  if (how === '/') return (mode) => wanted === 0 || (mode & wanted) !== 0;
  return (mode) => mode === wanted;
}

function parseMode(text: string): number | undefined {
  if (/^[0-7]{1,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return mode <= 0o7777 ? mode : undefined;
  }
  let mode = 0;
  for (const clause of text.split(',')) {
    const match = /^([ugoa]*)([-+=])([rwxst]*)$/.exec(clause);
    if (match === null) return undefined;
    const [, classes = '', operator, permissions = ''] = match;
    const { bits, mask } = bitsOf(classes === '' ? 'a' : classes, permissions);
    if (operator === '+') mode |= bits;
    else if (operator === '-') mode &= ~bits;
    else mode = (mode & ~mask) | bits;
  }
  return mode;
}

function bitsOf(classes: string, permissions: string): { bits: number; mask: number } {
  let mask = 0;
  let special = 0;
  for (const letter of classes) {
    mask |= CLASSES[letter] as number;
    special |= SPECIAL[letter] as number;
  }
  let bits = 0;
  for (const letter of permissions) {
    if (letter === 's') bits |= special;
    else if (letter === 't') bits |= STICKY;
    else bits |= (BITS[letter] as number) & mask;
  }
  return { bits, mask: mask | special };
}
