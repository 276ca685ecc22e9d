/** Debian's docker-registry over one folder, on loopback, for the time of some work. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PROGRAM = '/usr/bin/docker-registry';
const START_TIMEOUT_MS = 10_000;

/** Serves `folder` while `work` runs with the URL; rejects when there is no such program. */
export async function withRegistry<T>(
  folder: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const config = join(folder, 'config.json'); // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'storage') } },
      http: { addr: '127.0.0.1:0', secret: 'for benchmarks' },
    }),
  );
  const child = spawn(PROGRAM, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('No registry')), START_TIMEOUT_MS);
      let log = '';
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${PROGRAM} ended (${code}): ${log}`)));
      child.stderr.on('data', (piece: Buffer) => {
        log = (log + piece).slice(-4096);
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
    });
    return await work(`http://${address}`);
  } finally {
    child.kill();
    if (child.pid !== undefined && child.exitCode === null) await once(child, 'exit');
  }
}
