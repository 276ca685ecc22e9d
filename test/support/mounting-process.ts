/**
 * A process that mounts and then ends in the way its argument names: `exit` leaves the session
 * open, `worker` opens it in a worker thread that is terminated, `user` reads, closes and reports.
 * Options come as JSON in OPTIONS.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { SessionOptions } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';

const options = JSON.parse(process.env['OPTIONS'] ?? '{}') as SessionOptions;
const run = promisify(execFile);
const mountLine = () =>
  readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .find((line) => line.includes(` ${options.mountPoint} `));

let onNeed: () => void = () => {};
const needed = new Promise<void>((resolve) => {
  onNeed = resolve;
});

async function main(ending: string | undefined): Promise<void> {
  if (ending === 'worker' && isMainThread) {
    const worker = new Worker(new URL(import.meta.url), { argv: ['worker'] });
    worker.once('message', () => console.log('mounted'));
    worker.on('message', (message) => {
      if (message === 'needed') void worker.terminate();
    });
    return;
  }
  const { session, info } = await addon().openSession(options, onNeed, () => {});
  if (ending === 'user') {
    const mount = mountLine();
    const { stdout } = await run('cat', [join(options.mountPoint, 'a')], { encoding: 'buffer' });
    await addon().closeSession(session, { lazy: false });
    const mountedAfterClose = mountLine() !== undefined;
    const { passthrough } = info;
    console.log(JSON.stringify({ passthrough, bytes: stdout.length, mount, mountedAfterClose }));
    return;
  }
  if (ending === 'worker') {
    parentPort?.postMessage('mounted');
    await needed;
    parentPort?.postMessage('needed');
    return;
  }
  console.log('mounted');
  await needed;
  process.exit(0);
}

await main(process.argv[2]);
