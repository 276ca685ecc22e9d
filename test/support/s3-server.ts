/** A real S3 server for a test file: Debian's python3-swift (s3-server.py). */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { s3Headers } from '../../src/store/s3-request.ts';
import { spawnServer, stopServer } from './child-server.ts';

export const S3_KEY = 'test:tester';
export const S3_SECRET = 'testing/with+signs';

export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Starts it with one bucket, `chunks`. */
export async function startS3(): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-s3-'));
  const script = join(import.meta.dirname, '../../../../test/support/s3-server.py');
  const child = spawnServer('/usr/bin/python3', [script, folder, S3_KEY, S3_SECRET], {
    stdout: 'pipe',
  });
  if (child.stdout === null) throw new Error('No output to read the port from');
  const lines = createInterface({ input: child.stdout });
  const [port] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(() => {
      throw new Error('The S3 server did not start');
    }),
  ])) as [string];
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: S3_KEY, secretAccessKey: S3_SECRET, sessionToken: undefined };
  const request = { method: 'PUT', path: '/chunks' } as const;
  const headers = await s3Headers({ endpoint, region: 'us-east-1', credentials }, request);
  const { ok, status } = await fetch(`${endpoint}/chunks`, { method: 'PUT', headers });
  if (!ok) throw new Error(`The S3 server made no bucket: ${status}`);
  return {
    endpoint,
    stop: async () => {
      await stopServer(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
