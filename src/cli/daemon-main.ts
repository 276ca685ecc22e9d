/**
 * Entry of a mount daemon that a command has started: `node daemon-main.js --cache DIR --notify-fd FD`. Without
 * the command-line parser, because the time a mount takes counts from here. `g8ufs daemon` is for people.
 */
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { G8Error } from '../base/errors.ts';
import { type DaemonFlags, startDaemon } from './daemon-process.ts';
import { reportOf } from './exit.ts';

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
  },
});

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => ending.abort(new G8Error('ERR_ABORTED', `Ended by ${signal}`)));
}
// Its starter's terminal may go away; the mounts stay.
process.on('SIGHUP', () => {});

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
    const life = { stayForMs: START_GRACE_MS, lingers: true };
    const { ended } = await startDaemon(surroundings, flags, life);
    notify('ready');
    await ended;
  } catch (error) {
    const report = reportOf(error);
    notify(JSON.stringify(report));
    process.exitCode = report.exitCode;
  }
}

/** Tells the starter; whoever starts the daemon by hand sees its log instead. */
function notify(word: string): void {
  const fd = Number(values['notify-fd'] ?? Number.NaN);
  if (Number.isInteger(fd)) createWriteStream('', { fd }).end(`${word}\n`);
}
