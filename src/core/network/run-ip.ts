/**
 * iproute2: one child process for each change, however many steps it has, and JSON for what is asked. The
 * words of a step are checked before they come here; they never hold white space.
 */
import { G8Error } from '../../base/errors.ts';
import { runProgram } from './run-program.ts';

const PURPOSE = 'to configure interfaces';

export interface IpOptions {
  /** Name of a network namespace below /run/netns; default: that of this process. */
  readonly namespace?: string;
  /** Words in front of the program, such as `nsenter --net=…`. */
  readonly prefix?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Carries out steps in their order and stops at the first that fails; what was done before stays done.
 *
 * @param steps words of one `ip` command each
 * @throws ERR_IO with the words of the program, ERR_CONFIG, ERR_TIMEOUT
 */
export async function changeIp(
  steps: readonly (readonly string[])[],
  options: IpOptions = {},
): Promise<void> {
  if (steps.length === 0) return;
  const [program, ...words] = commandOf(options);
  await runProgram(program, [...words, '-batch', '-'], {
    input: `${steps.map(line).join('\n')}\n`,
    purpose: PURPOSE,
    signal: options.signal,
  });
}

/** Answer of one `ip` command. @throws ERR_IO, ERR_CONFIG, ERR_TIMEOUT */
export async function askIp<T>(words: readonly string[], options: IpOptions = {}): Promise<T[]> {
  const [program, ...first] = commandOf(options);
  const text = await runProgram(program, [...first, '-json', ...words], {
    purpose: PURPOSE,
    signal: options.signal,
  });
  // Nothing at all is what it prints for an empty list in some of its commands.
  return text.trim() === '' ? [] : (JSON.parse(text) as T[]).filter((entry) => !isEmpty(entry));
}

function commandOf({ namespace, prefix = [] }: IpOptions): [string, ...string[]] {
  const words = [...prefix, 'ip', ...(namespace === undefined ? [] : ['-n', namespace])];
  return words as [string, ...string[]];
}

function line(words: readonly string[]): string {
  if (words.some((word) => word === '' || /[\s"'\\#]/.test(word))) {
    throw new G8Error('ERR_INTERNAL', `A step of ip cannot be ${JSON.stringify(words)}`);
  }
  return words.join(' ');
}

// Filters leave `{}` behind for each entry that does not match.
function isEmpty(entry: unknown): boolean {
  return typeof entry === 'object' && entry !== null && Object.keys(entry).length === 0;
}
