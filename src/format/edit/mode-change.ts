/**
 * Changes of permissions as chmod(1) writes them: octal, or symbolic (`u+rwX,go-w`, `g=u`). Without letters
 * for whom, all are meant: an image has no umask. Pure.
 */
import { G8Error } from '../../base/errors.ts';
import { type Inode, S_IFDIR, S_IFLNK, S_IFMT } from '../tree.ts';

const ALL = 0o7777;
const SET_IDS = 0o6000;
/** Bits of each class, with the special bit that goes with it. */
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: ALL };
const PERMISSIONS: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: 0o111,
  s: SET_IDS,
  t: 0o1000,
};
const CLASSES: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const EVERYBODY_FACTOR = 0o111;

/** One step: an operator and what it is applied to. */
interface Step {
  readonly operator: string;
  /** Bits of those who are meant. */
  readonly affected: number;
  readonly value: number;
  /** `u`, `g` or `o`: takes their permissions instead of `value`. */
  readonly copied: string | undefined;
  /** `X`: execute as well where it makes sense. */
  readonly conditional: boolean;
  /** Bits that the text speaks of: a directory keeps its set-id bits unless they are among them. */
  readonly mentioned: number;
}

export interface ModeChange {
  /** The inode with changed permissions; the same when they are. Symlinks have none of their own. */
  apply(inode: Inode): Inode;
}

/** @throws ERR_USAGE when it is no mode */
export function parseModeChange(text: string): ModeChange {
  const steps = /^[0-7]{1,5}$/.test(text)
    ? [octalStep(text)]
    : text.split(',').flatMap(clauseSteps);
  if (steps.includes(undefined)) throw new G8Error('ERR_USAGE', `'${text}' is no mode`);
  return {
    apply: (inode) => {
      if ((inode.mode & S_IFMT) === S_IFLNK) return inode;
      const isFolder = (inode.mode & S_IFMT) === S_IFDIR;
      let mode = inode.mode & ALL;
      for (const step of steps as Step[]) mode = stepped(mode, step, isFolder);
      return mode === (inode.mode & ALL) ? inode : { ...inode, mode: (inode.mode & S_IFMT) | mode };
    },
  };
}

function octalStep(text: string): Step | undefined {
  const value = Number.parseInt(text, 8);
  if (value > ALL) return undefined;
  // Five digits say plainly that the set-id bits are meant as well.
  const mentioned = text.length < 5 ? (value & SET_IDS) | 0o1777 : ALL;
  return { operator: '=', affected: ALL, value, copied: undefined, conditional: false, mentioned };
}

function clauseSteps(clause: string): (Step | undefined)[] {
  const [, who, actions] = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause) ?? [];
  if (who === undefined || actions === undefined) return [undefined];
  const affected = [...who].reduce((bits, letter) => bits | (WHO[letter] as number), 0);
  return [...actions.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)].map(([, operator = '', letters = '']) =>
    symbolicStep(operator, letters, affected),
  );
}

function symbolicStep(operator: string, letters: string, affected: number): Step {
  const copied = letters in CLASSES ? letters : undefined;
  const value =
    copied === undefined
      ? [...letters].reduce((bits, letter) => bits | (PERMISSIONS[letter] ?? 0), 0)
      : 0;
  return {
    operator,
    affected: affected === 0 ? ALL : affected,
    value,
    copied,
    conditional: letters.includes('X'),
    mentioned: affected === 0 ? value : affected & value,
  };
}

function stepped(mode: number, step: Step, isFolder: boolean): number {
  const kept = isFolder ? SET_IDS & ~step.mentioned : 0;
  const value = bitsOf(mode, step, isFolder) & step.affected & ~kept;
  switch (step.operator) {
    case '+':
      return mode | value;
    case '-':
      return mode & ~value;
    default:
      return (mode & (~step.affected | kept)) | value;
  }
}

function bitsOf(mode: number, step: Step, isFolder: boolean): number {
  if (step.copied !== undefined) {
    return ((mode >> (CLASSES[step.copied] as number)) & 0o7) * EVERYBODY_FACTOR;
  }
  const executes = step.conditional && (isFolder || (mode & 0o111) !== 0);
  return step.value | (executes ? 0o111 : 0);
}
