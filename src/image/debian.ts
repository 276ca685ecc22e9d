/**
 * A root folder made of Debian packages. mmdebstrap does the work: it has apt resolve dependencies and
 * verify signatures, and gives the same files again for the same packages. It runs in namespaces of its
 * own, so that ending it ends everything it has started and takes its mounts along.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, chmod, mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { abortError, throwIfAborted } from '../base/abort.ts';
import { G8Error, toG8Error } from '../base/errors.ts';

/** A slow mirror may take its time; apt itself gives up on a dead one. */
const BUILD_TIMEOUT_MS = 60 * 60 * 1000;
const ASK_TIMEOUT_MS = 30_000;
/** What is kept of a program's last lines, for the message of its failure. */
const LINES_KEPT = 64;
const LINE_LENGTH_MAX = 500;
const ANSWER_SIZE_MAX = 1024 * 1024;
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** Kills what it has started when it ends, and unmounts what that has mounted. */
const APART = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

const line = z.string().min(1).max(4096);
export const debianSchema = z.strictObject({
  suite: z.string().regex(/^[a-z0-9][a-z0-9.+-]{0,63}$/, 'must be the name of a Debian suite'),
  /** What is installed besides the packages; `extract` only unpacks and runs nothing of them. */
  variant: z
    .enum(['extract', 'custom', 'essential', 'apt', 'required', 'minbase', 'important', 'standard'])
    .default('minbase'),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.:~=/-]{0,255}$/, 'must be the name of a package'))
    .max(4096)
    .default([]),
  /** URIs, or lines as in sources.list; by default where this machine gets the suite from. */
  mirrors: z.array(line).max(64).default([]),
  keyring: line.optional(),
});

export type DebianSource = z.infer<typeof debianSchema>;

export interface DebianOptions {
  /** No file that the build makes is newer, seconds since 1970. */
  readonly timeSeconds: number;
  readonly signal?: AbortSignal | undefined;
  /** Told what is going on, in a few words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Fills a folder that is empty or absent.
 *
 * @throws ERR_PERMISSION without root, ERR_CONFIG without mmdebstrap, ERR_STORE_UNAVAILABLE when a mirror
 *   does not answer, ERR_NO_INPUT for a suite or package that it does not have, ERR_CREATE, ERR_ABORTED
 */
export async function buildDebian(
  source: DebianSource,
  root: string,
  options: DebianOptions,
): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new G8Error('ERR_PERMISSION', 'A recipe of Debian packages needs root to set owners');
  }
  const keyring = source.keyring ?? (await existing(KEYRING));
  const mirrors = source.mirrors.length > 0 ? source.mirrors : await mirrorsOf(source.suite);
  const args = [
    'mmdebstrap',
    '--mode=root',
    '--format=directory',
    `--variant=${source.variant}`,
    ...source.packages.map((name) => `--include=${name}`),
    ...(keyring === undefined ? [] : [`--keyring=${keyring}`]),
    source.suite,
    root,
    ...mirrors,
  ];
  const step = (text: string): void => {
    const what = /^I: (running|downloading|extracting|installing|cleaning) .*/.exec(text)?.[0];
    if (what !== undefined) options.onStep?.(what.slice(3).replace(/\.+$/, ''));
  };
  // What it leaves there when it is killed goes with the folder.
  const tmp = await mkdtemp(`${root}-tmp-`);
  try {
    // apt's own user writes there, as in /tmp.
    await chmod(tmp, 0o1777);
    await runApart(args, options, step, failureOfBuild, { TMPDIR: tmp });
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
}

/** Runs a program of the image in it. */
export async function runInside(
  root: string,
  command: readonly string[],
  options: DebianOptions,
): Promise<void> {
  options.onStep?.(`running ${command.join(' ')}`);
  await runApart(
    ['chroot', root, ...command],
    options,
    () => {},
    (lines) => {
      const said = lines.at(-1) ?? 'it said nothing';
      return new G8Error('ERR_CREATE', `${command.join(' ')} failed in the image: ${said}`);
    },
  );
}

async function runApart(
  command: readonly string[],
  { timeSeconds, signal }: DebianOptions,
  onLine: (text: string) => void,
  failure: (lines: readonly string[]) => G8Error,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  throwIfAborted(signal);
  // In a pid namespace the first process is the last to go: nothing outlives the child.
  const child = spawn('unshare', [...APART, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH,
      LC_ALL: 'C.UTF-8',
      SOURCE_DATE_EPOCH: String(timeSeconds),
      DEBIAN_FRONTEND: 'noninteractive',
      ...env,
    },
    timeout: BUILD_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', kill, { once: true });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      onLine(text);
      if (text.trim() === '') return;
      lines.push(text.slice(0, LINE_LENGTH_MAX));
      if (lines.length > LINES_KEPT) lines.shift();
    });
  }
  try {
    const code = await exitOf(child);
    if (signal?.aborted === true) throw abortError(signal);
    if (code === null) throw new G8Error('ERR_TIMEOUT', `${command[0]} took too long`);
    if (code !== 0) throw failure(lines);
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/** Its status, once everything that wrote to its pipes is gone; `null` when it was killed. */
function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(toG8Error(error, 'ERR_CONFIG', 'unshare cannot be run')));
    child.once('close', resolve);
  });
}

/** What mmdebstrap's last lines mean. */
export function failureOfBuild(lines: readonly string[]): G8Error {
  const said = lines.filter((text) => text.startsWith('E: ')).map((text) => text.slice(3));
  // The first complaint is the cause; what follows are those who were told.
  const cause = said[0] ?? lines.at(-1) ?? 'it said nothing';
  if (/^unshare: failed to execute mmdebstrap/.test(cause)) {
    return new G8Error('ERR_CONFIG', 'mmdebstrap is not installed: apt-get install mmdebstrap');
  }
  if (/^Failed to fetch|Could not (resolve|connect)|Temporary failure/.test(cause)) {
    return new G8Error('ERR_STORE_UNAVAILABLE', `The Debian mirror does not answer: ${cause}`);
  }
  if (
    /Unable to locate package|has no installation candidate|Version .* was not found/.test(cause)
  ) {
    return new G8Error('ERR_NO_INPUT', `Not in this suite: ${cause}`);
  }
  if (/does not have a Release file/.test(cause)) {
    return new G8Error('ERR_NO_INPUT', `No such suite: ${cause}`);
  }
  return new G8Error('ERR_CREATE', `mmdebstrap failed: ${cause}`);
}

/**
 * Where this machine's apt gets a suite, its updates and its security fixes from, as lines of
 * sources.list; none when it knows nothing of that suite, and mmdebstrap then takes deb.debian.org.
 */
async function mirrorsOf(suite: string): Promise<string[]> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const answer = await ask('apt-get', ['indextargets', '--format', format, 'Identifier: Packages']);
  const wanted = new Set([suite, `${suite}-updates`, `${suite}-security`]);
  const components = new Map<string, Set<string>>();
  for (const text of answer.split('\n')) {
    const [uri, release, component] = text.split(' ');
    if (release === undefined || component === undefined || !wanted.has(release)) continue;
    const known = components.get(`${uri} ${release}`) ?? new Set();
    components.set(`${uri} ${release}`, known.add(component));
  }
  return [...components].map(([place, names]) => `deb ${place} ${[...names].join(' ')}`);
}

/** What a program prints; nothing when it fails or does not exist. */
function ask(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: ASK_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let answer = '';
    child.stdout.on('data', (data: Buffer) => {
      answer = (answer + data.toString()).slice(0, ANSWER_SIZE_MAX);
    });
    child.once('error', () => resolve(''));
    child.once('close', (code) => resolve(code === 0 ? answer : ''));
  });
}

async function existing(file: string): Promise<string | undefined> {
  return access(file).then(
    () => file,
    () => undefined,
  );
}
