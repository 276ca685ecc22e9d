/** When text may be coloured, and the few colours there are. Pure. */
import { styleText } from 'node:util';

/**
 * Decides for one stream: flags first, then `NO_COLOR` (https://no-color.org), `TERM=dumb`, and
 * whether the stream is a terminal. Node itself would let `FORCE_COLOR` win over `NO_COLOR`.
 *
 * @param flag `false` and `never` forbid, `always` forces
 */
export function isColorWanted(
  stream: { readonly isTTY?: boolean | undefined },
  flag: 'always' | 'auto' | 'never' | false | undefined,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (flag === false || flag === 'never') return false;
  if (flag === 'always') return true;
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false;
  return stream.isTTY === true;
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'magenta';

/** `text` in a style, or as it is when `color` is false. */
export function paint(style: Style, text: string, color: boolean): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}
