/**
 * Nothing that this program says has a password, a key or a token in it: commands that fail in every way, with
 * credentials in URLs, in a login and in the environment; then all they have printed, all logs, all listings.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { type NetworkFault, startFaultProxy } from '../support/fault-proxy.ts';
import { MountWorld, run } from '../support/mount-world.ts';
import { amount } from '../support/thorough.ts';

/** Words that occur nowhere else. */
const SECRETS = ['pa55word', 'k3yquery', 't0kenbare', 'r3dispass', 's3cretkey', 'l0gintoken'];
const ALL_FAULTS: readonly (NetworkFault | undefined)[] = [
  undefined,
  { kind: 'status', status: 401 },
  { kind: 'status', status: 500 },
  { kind: 'flip' },
  { kind: 'status', status: 403 },
  { kind: 'no-http' },
  { kind: 'endless-head' },
];
const FAULTS = ALL_FAULTS.slice(0, amount(4, ALL_FAULTS.length));

test('no credential is printed, logged or listed', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  for (let i = 0; i < FAULTS.length; i++) writeFileSync(join(source, `f${i}`), randomBytes(9_000));
  await world.startHub();
  const proxy = await startFaultProxy(context, world.hubUrl);
  const host = new URL(proxy.url).host;
  writeFileSync(world.credentials, loginsOf(`http://${host}`), { mode: 0o600 });
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', proxy.url);
  await world.json('push', flist, `${world.hubUrl}/demo/image`);
  // Nobody answers there.
  const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  context.after(() => silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as { port: number };
  const stores = [
    `http://user:pa55word@${host}`,
    `http://${host}/?key=k3yquery`,
    `http://t0kenbare@${host}`,
    `redis://:r3dispass@127.0.0.1:${port}`,
    `s3://key:s3cretkey@127.0.0.1:${port}/bucket`,
    `http://${host}`,
  ];
  const said: string[] = [];
  const say = async (...args: string[]): Promise<number | null> => {
    const { code, stdout, stderr } = await world.cli(...args);
    said.push(`${args[0]}: ${stdout}${stderr}`);
    return code;
  };

  const mnt = world.folder('mnt');
  const url = `http://user:pa55word@${host}/demo/image.flist?key=k3yquery`;
  const named = stores.flatMap((store) => ['--store', store]);
  const options = ['--cache', world.cache, '--deadline', '1s', '--prefetch', 'none', '--debug'];
  assert.equal(await say('mount', url, mnt, ...named, ...options), 0, said.join('\n'));
  for (const [i, fault] of FAULTS.entries()) {
    proxy.suffer(fault);
    said.push((await run('cat', join(mnt, `f${i}`))).stderr);
    const store = stores[i % stores.length] as string;
    await say('flist', 'verify', flist, '--data', '--store', store, '--debug');
    // What may pass, these two wait for.
    if (fault?.kind === 'status' && fault.status < 500) {
      await say('push', flist, url, '--debug');
      await say('flist', 'create', source, world.path('o.flist'), '--store', store);
    }
  }
  const other = world.folder('other');
  proxy.suffer({ kind: 'status', status: 401 });
  await say('mount', `http://user:pa55word@${host}/demo/none.flist`, other, ...options);
  await say('mount', 'http://user:pa55word@gone.invalid/a/b.flist', other, ...options);
  await say('mount', 'http://user:pa55word@[bad/a.flist', other, ...options);
  await say('pull', url, world.path('p.bundle'), '--debug');
  for (const json of [[], ['--json']]) {
    for (const command of [['ps'], ['stats', mnt], ['top', '--once'], ['config', 'show']]) {
      await say(...command, ...json);
    }
  }
  await say('metrics', '--cache', world.cache);
  const pid = world.daemonPid();
  said.push(world.daemonLog(), readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  said.push(readFileSync('/proc/self/mountinfo', 'utf8'));
  await say('umount', mnt);
  said.push(world.daemonLog());

  for (const secret of SECRETS) {
    const places = said.filter((text) => text.includes(secret));
    assert.deepEqual(places, [], secret);
  }
  // They were used, and something was said.
  assert.ok(said.join('').includes(host));
  assert.match(world.daemonLog(), /ERR_/);
});

/** A file of logins as `g8ufs login` writes it. */
function loginsOf(hub: string): string {
  return JSON.stringify({ logins: { [hub]: { user: 'alice', token: 'l0gintoken' } } });
}
