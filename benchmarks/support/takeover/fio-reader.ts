/**
 * fio verifies, again and again, what it has written into the files of an image (`report.ts` tells how this begins
 * and ends).
 *
 *   node fio-reader.js MOUNT FOLDER
 *
 * FOLDER takes fio's log, from which the waits come.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fioArguments } from '../soak-tree.ts';
import { Reporter } from './report.ts';
import { FIO_SIZES } from './tree.ts';

/** Between two rounds: others want the cores, too. */
const REST_MS = 500;
/** As long as that only on a machine with far too much to do. */
const ROUND_MS_MAX = 600_000;

const [mount = '', folder = ''] = process.argv.slice(2);
const log = join(folder, 'fio');
const reporter = new Reporter(`fio ${mount}`);

for (let round = 0; !reporter.isOver; round++) {
  const order = round % 2 === 0 ? 'read' : 'randread';
  const engine = round % 3 === 0 ? 'mmap' : 'psync';
  const words = await verify([
    ...fioArguments(join(mount, 'fio'), FIO_SIZES),
    ...['--readonly', `--rw=${order}`, `--ioengine=${engine}`, '--invalidate=1'],
    ...[`--write_lat_log=${log}`, '--log_unix_epoch=1'],
  ]);
  if (words === undefined) countReads();
  else if (/verify/.test(words)) reporter.wrong(words);
  else reporter.failed(words);
  await delay(REST_MS);
}
reporter.end();

/** @returns what fio says when anything is not as it was written */
async function verify(args: readonly string[]): Promise<string | undefined> {
  const child = spawn('fio', [...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-2000);
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), ROUND_MS_MAX);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  return code === 0 ? undefined : `${code ?? signal}: ${said}`;
}

/** Lines of the log: when a read was there (ms since 1970), how long it took (ns), and more. */
function countReads(): void {
  const lines = readFileSync(`${log}_lat.1.log`, 'utf8').trimEnd().split('\n');
  for (const line of lines) {
    const [end = Number.NaN, ns = Number.NaN] = line.split(',').map(Number);
    reporter.done(end - ns / 1e6, ns / 1e6);
  }
}
