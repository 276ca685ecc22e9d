/** A real registry for one test, Debian's docker-registry, on loopback; gone with all it has when the test ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from '../temporary-directory.ts';

export const USER = 'tester';
export const PASSWORD = 's3cret';
/** bcrypt of {@link PASSWORD}, cheap on purpose: htpasswd(1). */
const HTPASSWD = `${USER}:$2b$04$Ic6hXlm.IRHnGNGu1IcGMupJy3ZZ3Pc7iOf7R1NrwInVUWPxdBIvS\n`;
const PROGRAM = '/usr/bin/docker-registry';

export interface TokenAuth {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** File with the certificate that signs tokens. */
  readonly certificate: string;
}

export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Folder with its blobs. */
  readonly storage: string;
  /** Everything it has logged. */
  log(): string;
}

export async function startRegistry(
  t: TestContext,
  auth: 'none' | 'basic' | TokenAuth = 'none',
): Promise<TestRegistry> {
  const work = temporaryDirectory(t);
  const storage = join(work, 'storage');
  writeFileSync(join(work, 'htpasswd'), HTPASSWD);
  const config = join(work, 'config.yml');
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: '127.0.0.1:0', secret: 'for tests' },
      ...(auth === 'basic' && {
        auth: { htpasswd: { realm: 'tests', path: join(work, 'htpasswd') } },
      }),
      ...(typeof auth === 'object' && {
        auth: {
          token: {
            realm: auth.realm,
            service: auth.service,
            issuer: auth.issuer,
            rootcertbundle: auth.certificate,
          },
        },
      }),
    }),
  );
  const child = spawn(PROGRAM, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  let log = '';
  const host = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`docker-registry ended (${code}): ${log}`)));
    child.stderr.on('data', (piece: Buffer) => {
      log += piece;
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
  return { host, storage, log: () => log };
}

/** Runs a program to its end and gives its output; fails when it fails. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout?.on('data', (piece: Buffer) => {
    out += piece;
  });
  child.stderr?.on('data', (piece: Buffer) => {
    err += piece;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${err}`);
  return out;
}
