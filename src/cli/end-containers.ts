/**
 * Ends containers that other processes may have made. Those clean up after them; when such a process has died,
 * opening the state folder does it.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { sleep } from '../base/deadline.ts';
import { G8Error } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { Container } from '../core/container/container.ts';
import { isAlive } from '../core/container/process-identity.ts';
import { killInit, stopGently } from '../core/container/stop.ts';
import { createLogger } from '../fs/log.ts';
import type { Context } from './context.ts';
import type { KnownContainer } from './core-access.ts';
import { openContainers, systemOf } from './core-system.ts';

/** What a living owner gets to clean up. */
const CLEAN_UP_MS = 30_000;
const LOOK_MS = 20;

/** @throws ERR_TIMEOUT when an owner does not clean up; ERR_IO */
export async function endContainers(
  context: Context,
  config: Config,
  chosen: readonly KnownContainer[],
  graceMs: number,
): Promise<void> {
  const log = createLogger(context.debug ? 'debug' : 'error');
  const system = await systemOf({ config, log });
  await Promise.all(
    chosen.map(async ({ record, folder }) => {
      const container = new Container(system, record);
      // It may be gone by now, or its disk full: it is ended all the same.
      await writeFile(folder.stopped, '', { mode: 0o600 }).catch(() => {});
      await stopGently(container, graceMs);
      await killInit(container);
    }),
  );
  const orphans = chosen.filter(({ record }) => !isAlive(record.owner));
  if (orphans.length > 0) await (await openContainers({ config, log })).close();
  await Promise.all(chosen.map((container) => gone(context, container)));
}

async function gone(context: Context, { record, folder }: KnownContainer): Promise<void> {
  const deadline = performance.now() + CLEAN_UP_MS;
  while (existsSync(folder.path)) {
    if (performance.now() > deadline) {
      throw new G8Error('ERR_TIMEOUT', `Container ${record.id} has ended but is still there`);
    }
    await sleep(LOOK_MS, context.signal);
  }
}
