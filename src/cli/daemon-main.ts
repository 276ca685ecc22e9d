/**
 * Entry of a mount daemon that a command has started: `node daemon-main.js --cache DIR --notify-fd FD`. Without
 * the command-line parser, because the time a mount takes counts from here. `g8ufs daemon` is for people.
 */
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { G8Error } from '../base/errors.ts';
import { EarlySessions } from '../fs/takeover/early-sessions.ts';
import { addon } from '../native/load.ts';
import type { DaemonFlags } from './daemon-process.ts';

/** What the build keeps of packages is compiled by this. */
export { loadAhead } from './stand-by.ts';

/** A daemon that nobody asks for a mount within this time has nothing to do. */
const START_GRACE_MS = 30_000;

const { values } = parseArgs({
  options: {
    cache: { type: 'string' },
    'cache-size': { type: 'string' },
    'cache-free': { type: 'string' },
    metrics: { type: 'string' },
    'slow-read': { type: 'string' },
    debug: { type: 'boolean' },
    'notify-fd': { type: 'string' },
    'take-over': { type: 'boolean' },
    'stand-by': { type: 'boolean' },
  },
});

const ending = new AbortController();
const flags: DaemonFlags = {
  ...(values.cache === undefined ? {} : { cache: values.cache }),
  ...(values['cache-size'] === undefined ? {} : { cacheSize: values['cache-size'] }),
  ...(values['cache-free'] === undefined ? {} : { cacheFree: values['cache-free'] }),
  ...(values.metrics === undefined ? {} : { metrics: values.metrics }),
  ...(values['slow-read'] === undefined ? {} : { slowRead: values['slow-read'] }),
};
const surroundings = { env: process.env, signal: ending.signal, debug: values.debug === true };
void serve();

/** To the daemon's end. */
async function serve(): Promise<void> {
  try {
    if (values['stand-by'] === true) await (await import('./stand-by.ts')).standBy();
    heedSignals();
    const early = await beginEarly(values.cache, values['take-over'] === true);
    const { startDaemon } = await import('./daemon-process.ts');
    const { ended } = await startDaemon(surroundings, flags, {
      stayForMs: START_GRACE_MS,
      lingers: true,
      successor: { argv: successorArgv(), env: process.env },
      early,
      flags: withoutOwn(process.argv.slice(2), ['--cache']),
    });
    notify('ready');
    await ended;
  } catch (error) {
    const { endWithoutHelp, reportOf } = await import('./exit.ts');
    const report = reportOf(error);
    notify(JSON.stringify(report));
    process.exitCode = report.exitCode;
    // A predecessor's mounts that are served already would keep it alive; the keeper tries another one.
    endWithoutHelp();
  }
}

function heedSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ending.abort(new G8Error('ERR_ABORTED', `Ended by ${signal}`)));
  }
  // Its starter's terminal may go away; the mounts stay.
  process.on('SIGHUP', () => {});
}

/**
 * Serves a predecessor's mounts, as far as that goes without all the rest, which is loaded behind this: readers
 * wait. From a predecessor that still works nothing is taken before everything is loaded.
 */
async function beginEarly(
  cacheDir: string | undefined,
  takesOver: boolean,
): Promise<EarlySessions | undefined> {
  if (cacheDir === undefined) return undefined;
  if (takesOver) {
    await (await import('./stand-by.ts')).loadAhead();
    const { requestHandOver } = await import('../fs/takeover/hand-over.ts');
    await requestHandOver(cacheDir);
  }
  return await EarlySessions.begin(cacheDir, addon());
}

/** This very command, but for who is told: whoever started us need not be there any more. */
function successorArgv(): string[] {
  const [entry = '', ...args] = process.argv.slice(1);
  return [process.execPath, ...process.execArgv, entry, ...withoutOwn(args)];
}

/** Arguments without those that are about this start, and without further ones that have a value. */
function withoutOwn(args: readonly string[], more: readonly string[] = []): string[] {
  const withValue = ['--notify-fd', ...more];
  return args.filter(
    (word, i) =>
      word !== '--take-over' &&
      word !== '--stand-by' &&
      !withValue.includes(word) &&
      !withValue.includes(args[i - 1] ?? ''),
  );
}

/** Tells the starter; whoever starts the daemon by hand sees its log instead. */
function notify(word: string): void {
  const fd = Number(values['notify-fd'] ?? Number.NaN);
  if (Number.isInteger(fd)) createWriteStream('', { fd }).end(`${word}\n`);
}
