import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { sleep } from '../../../src/base/deadline.ts';
import { type DaemonProcess, startDaemon } from '../../../src/cli/daemon-process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A daemon whose first mount has failed, so that it has none. */
async function emptyDaemon(
  context: TestContext,
  linger: string,
): Promise<DaemonProcess & { readonly end: AbortController }> {
  const folder = temporaryDirectory(context);
  const end = new AbortController();
  const env = { G8UFS_LINGER: linger, G8UFS_RUN_DIR: join(folder, 'run'), HOME: folder };
  const life = { stayForMs: 60_000, lingers: true, logLevel: 'warn' } as const;
  const surroundings = { env, signal: end.signal, debug: false };
  const started = await startDaemon(surroundings, { cache: join(folder, 'cache') }, life);
  context.after(async () => {
    end.abort();
    await started.ended;
  });
  const source = join(folder, 'absent.flist');
  const request = { source, mountPoint: join(folder, 'mnt'), stores: [], deadlineMs: 1_000 };
  const rest = { openMode: 'auto', driver: 'native', tier: 'fuse', allowOther: false };
  await assert.rejects(started.daemon.handle('mount', { ...request, ...rest }));
  return { ...started, end };
}

test('a mount daemon without mounts ends when the time of the setting linger is over', async (context) => {
  for (const linger of ['0s', '20ms']) {
    const { ended } = await emptyDaemon(context, linger);
    await ended;
  }
});

test('a mount daemon without mounts waits for the next one, and ends when it is told to', async (context) => {
  const { daemon, ended, end } = await emptyDaemon(context, '1h');
  const first = await Promise.race([ended.then(() => 'ended'), sleep(200).then(() => 'waits')]);
  assert.equal(first, 'waits');
  assert.deepEqual(await daemon.handle('list', {}), []);
  end.abort();
  await ended;
});
