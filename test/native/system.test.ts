/** What the kernel is asked for that Node has no function for; who may command a daemon, by what it says of them. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ControlClient, serveControl } from '../../src/fs/control.ts';
import { mayCommand } from '../../src/fs/peer.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const NOBODY = 65_534;
/** Says what it is answered, or `closed`. */
const ASK = `
  const socket = require('node:net').createConnection(process.argv[1]);
  socket.on('data', (data) => { console.log(String(data).trim()); socket.destroy(); });
  socket.on('error', (error) => console.log(error.code));
  socket.on('close', () => console.log('closed'));
  socket.write('{"id":1,"method":"list"}\\n');
`;

test('peerUser() of what is no socket throws', () => {
  assert.throws(() => addon().peerUser(1_000_000), { code: 'ERR_IO' });
});

test('seekEnd() skips what there is, and nothing that comes', (t) => {
  const path = join(temporaryDirectory(t), 'log');
  writeFileSync(path, 'old\n');
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  addon().seekEnd(fd);
  appendFileSync(path, 'new\n');
  const buffer = Buffer.alloc(16);
  assert.equal(buffer.toString('latin1', 0, readSync(fd, buffer, 0, 16, null)), 'new\n');
  assert.throws(() => addon().seekEnd(1_000_000), { code: 'ERR_IO' });
});

test('replaceProcess() runs a program with the streams and environment of this one', async () => {
  const script = `
    const { addon } = await import(${JSON.stringify(new URL('../../src/native/load.js', import.meta.url).href)});
    process.env.ADDED = 'more';
    addon().replaceProcess('/bin/sh', ['-c', 'echo $$ $0 $ADDED; echo bad >&2; exit 3', 'name']);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 });
  const [out, bad]: string[][] = [[], []];
  child.stdout.on('data', (data) => out?.push(String(data)));
  child.stderr.on('data', (data) => bad?.push(String(data)));
  const [code] = await once(child, 'close');
  assert.deepEqual([code, out?.join(''), bad?.join('')], [3, `${child.pid} name more\n`, 'bad\n']);
  assert.throws(() => addon().replaceProcess('/absent', []), { code: 'ERR_IO' });
});

test('trimMemory() gives back what was freed between what is in use', async () => {
  const script = `
    const { addon } = await import(${JSON.stringify(new URL('../../src/native/load.js', import.meta.url).href)});
    const kept = [];
    let garbage = [];
    for (let i = 0; i < 1500; i++) {
      garbage.push(Buffer.allocUnsafeSlow(65_536).fill(1));
      kept.push(Buffer.allocUnsafeSlow(64));
    }
    garbage = undefined;
    gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = process.memoryUsage.rss();
    const trimmed = await addon().trimMemory();
    console.log(JSON.stringify([trimmed, before - process.memoryUsage.rss(), kept.length]));
  `;
  const args = ['--expose-gc', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
  const [trimmed, freed] = JSON.parse(stdout) as [boolean, number];
  assert.equal(trimmed, true);
  assert.ok(freed > 32 * 2 ** 20, `${freed} bytes of 94 MiB were given back`);
});

const skip = process.getuid?.() === 0 ? false : 'needs root';
test('a control socket that anybody can open answers its owner alone', { skip }, async (t) => {
  const folder = temporaryDirectory(t);
  const path = join(folder, 'control.sock');
  const methods: string[] = [];
  const handler = async (method: string): Promise<string> => {
    methods.push(method);
    return method;
  };
  const server = await serveControl(path, handler, (socket) => mayCommand(socket, addon()));
  t.after(() => server.close());
  chmodSync(folder, 0o755);
  chmodSync(path, 0o666);

  const client = await ControlClient.connect(path);
  assert.equal(await client?.request('ping', {}), 'ping');
  client?.close();
  const user = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--'];
  const ask = [...user, process.execPath, '-e', ASK, path];
  const { stdout } = await promisify(execFile)('setpriv', ask, { timeout: 60_000, cwd: '/' });
  assert.match(stdout, /closed\n$/);
  assert.doesNotMatch(stdout, /result/);
  assert.deepEqual(methods, ['ping']);
});
