/** Containers as clients of the protocol see them: raw commands on a real Redis. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sleep } from '../../src/base/deadline.ts';
import { ContainerDaemon } from '../support/container-daemon.ts';
import { NOTHING } from '../support/container-world.ts';
import type { StreamRecord } from '../support/raw-core-client.ts';

interface Listed {
  readonly cpu: number;
  readonly rss: number;
  readonly container: { root: string; pid: number; arguments: Record<string, unknown> };
}

test('a container is created, listed, found and terminated once', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const root = await world.image();
  assert.deepEqual(await client.json('corex.list'), {});
  const id = await daemon.create(root, { name: 'Web', env: { K: 'V' } }, ['a', 'b']);
  assert.equal(id, 1);
  const list = (await client.json('corex.list')) as Record<string, Listed>;
  assert.deepEqual(Object.keys(list), ['1']);
  const { container, rss } = list['1'] as Listed;
  assert.ok(rss > 0 && container.pid > 1 && existsSync(container.root));
  assert.deepEqual(container.arguments, {
    root,
    mount: null,
    host_network: false,
    identity: '',
    nics: [],
    port: null,
    privileged: false,
    hostname: '',
    storage: '',
    name: 'Web',
    tags: ['a', 'b'],
    env: { K: 'V' },
    cgroups: null,
    config: null,
  });
  const find = async (tags: string[]) =>
    Object.keys((await client.json('corex.find', { tags })) as object);
  assert.deepEqual(
    [await find(['b', 'a']), await find([]), await find(['a', 'x'])],
    [['1'], ['1'], []],
  );
  for (const query of [1, 'web']) {
    assert.deepEqual(await client.json('corex.get', { query }), { container, id: 1 });
  }
  assert.equal(await client.json('corex.get', { query: 'other' }), null);
  const [job] = (await client.json('job.list', { id: 'core-1' })) as { pid: number }[];
  assert.equal(job?.pid, container.pid);

  assert.equal(await client.json('corex.terminate', { container: 1 }), null);
  assert.deepEqual(await client.json('corex.list'), {});
  assert.deepEqual(world.leftovers(), NOTHING);
  const again = await client.run('corex.terminate', { container: 1 });
  assert.deepEqual(
    [again.state, again.code, again.level, again.data],
    ['ERROR', 500, 20, '"no container with id \'1\'"'],
  );
});

test('a container command runs inside, with its streams, result and place', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image(), { env: { K: 'V' } });
  const run = async (command: string, args: Record<string, unknown>, more = {}) =>
    await client.result(await daemon.dispatch(id, command, args, more));
  const bash = async (script: string, more = {}) => await run('bash', { script, stdin: '' }, more);

  const uname = { name: 'uname', args: ['-s'], dir: '', stdin: '', env: null };
  const first = await daemon.dispatch(id, 'core.system', uname, { id: 'fixed-in-cont' });
  assert.equal(first, 'fixed-in-cont');
  const told = await client.result('fixed-in-cont');
  assert.deepEqual(
    [told.state, told.code, told.container, told.streams],
    ['SUCCESS', 0, id, ['Linux\n', '']],
  );

  assert.deepEqual((await bash('echo $K; echo err >&2; exit 3')).streams, ['V\n', 'err\n']);
  assert.equal((await bash('exit 3')).code, 1003);
  assert.equal((await bash('kill -9 $$')).code, 999);
  const cat = { name: 'cat', args: [], dir: '/srv', stdin: 'in put', env: { X: 'y' } };
  assert.deepEqual((await run('core.system', cat)).streams, ['in put', '']);
  const absent = await run('core.system', { name: 'absent', args: [] });
  assert.deepEqual([absent.state, absent.code, absent.level], ['ERROR', 404, 0]);
  assert.equal((await bash('sleep 60 & sleep 60', { max_time: 1 })).state, 'TIMEOUT');
  assert.equal((await bash('ps -o args | grep -cx "sleep 60"')).streams?.[0], '0\n');
  assert.equal((await run('core.ping', {})).data.slice(1, 5), 'PONG');
  assert.equal((await run('corex.list', {})).state, 'UNKNOWN_CMD');

  const streamed = await daemon.dispatch(
    id,
    'bash',
    { script: 'echo hi', stdin: '' },
    { stream: true },
  );
  const records = (await client.stream(streamed)).map((text) => JSON.parse(text) as StreamRecord);
  assert.deepEqual(
    records.map(({ core, message }) => [core, message.message]),
    [
      [id, 'hi\n'],
      [id, ''],
    ],
  );
});

test('dispatch refuses containers that are not there, and what is no command', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client } = daemon;
  const ping = { command: 'core.ping', arguments: {} };
  const refusal = async (container: number, command: unknown) => {
    const { code, data } = await client.run('corex.dispatch', { container, command });
    return [code, JSON.parse(data)];
  };
  assert.deepEqual(await refusal(0, ping), [500, 'invalid container id']);
  assert.deepEqual(await refusal(7, ping), [500, 'container does not exist']);
  assert.equal((await refusal(7, 1))[0], 500);
  const create = async (args: object) => (await client.run('corex.create', { ...args })).code;
  assert.deepEqual(
    [await create({}), await create({ root: 1 }), await create({ root: '/absent.flist' })],
    [500, 400, 500],
  );
});

test('jobs in a container are listed, killed and followed there', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image());
  const json = async (command: string, args: Record<string, unknown> = {}) => {
    const { data } = await client.result(await daemon.dispatch(id, command, args));
    return JSON.parse(data) as never;
  };
  const job = await daemon.dispatch(id, 'bash', { script: 'sleep 40', stdin: '' });
  const isListed = async () =>
    ((await json('process.list')) as { cmdline: string; pid: number }[]).find(
      ({ cmdline }) => cmdline === 'sleep 40',
    );
  const deadline = performance.now() + 10_000;
  while ((await isListed()) === undefined && performance.now() < deadline) await sleep(20);
  const found = await isListed();
  assert.ok(found !== undefined && found.pid < 1000, 'numbered as the container does');
  const listed = ((await json('job.list')) as { cmd: { id: string } }[]).map(({ cmd }) => cmd.id);
  assert.ok(listed.includes(job));
  await json('process.kill', { pid: found.pid, signal: 9 });
  assert.equal((await client.result(job)).code, 999);
  assert.equal(await isListed(), undefined);

  const second = await daemon.dispatch(id, 'core.system', { name: 'sleep', args: ['40'] });
  assert.equal(await json('job.kill', { id: second, signal: 15 }), true);
  assert.equal((await client.result(second)).state, 'ERROR');
});

test('file commands mean the files inside, whatever links and dots there are', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image());
  const run = async (command: string, args: Record<string, unknown>) =>
    await client.result(await daemon.dispatch(id, command, args));
  const json = async (command: string, args: Record<string, unknown>) => {
    const { state, data } = await run(command, args);
    assert.equal(state, 'SUCCESS', `${command}: ${data}`);
    return JSON.parse(data) as never;
  };
  const text = Buffer.from('x'.repeat(100)).toString('base64').replace(/.{76}/g, '$&\n');
  const fd = await json('filesystem.open', { file: 'up.bin', mode: 'w', perm: 420 });
  await json('filesystem.write', { fd, block: `${text}\n` });
  assert.equal(await json('filesystem.close', { fd }), null);
  assert.equal(await json('filesystem.exists', { path: '/up.bin' }), true);
  const back = await json('filesystem.open', { file: 'up.bin', mode: 'r', perm: 0 });
  const read = Buffer.from(await json('filesystem.read', { fd: back }), 'base64').toString();
  assert.equal(read, 'x'.repeat(100));
  assert.equal(await json('filesystem.read', { fd: back }), '');
  // Neither sees the other's.
  assert.equal(await client.json('filesystem.exists', { path: '/up.bin' }), false);
  writeFileSync(world.mounts.path('host/secret'), 'secret');
  assert.equal(await client.json('filesystem.exists', { path: 'secret' }), true);
  const secret = world.mounts.path('host/secret');
  const script = `ln -s ${secret} /link; ln -s ../../../../../..${secret} /dots; ln -s / /root`;
  await run('bash', { script, stdin: '' });
  for (const path of [secret, '/link', '/dots', `../../..${secret}`, `/root/../..${secret}`]) {
    assert.equal(await json('filesystem.exists', { path }), false, path);
    assert.equal(
      (await run('filesystem.open', { file: path, mode: 'r', perm: 0 })).code,
      500,
      path,
    );
  }
  await json('filesystem.mkdir', { path: '/a/b' });
  await json('filesystem.chown', { path: '/a', user: 'guest', group: 'guest', recursive: true });
  const list = (await json('filesystem.list', { path: '/' })) as { name: string }[];
  assert.ok(list.some(({ name }) => name === 'a'));
  const owner = await run('bash', { script: 'stat -c %u:%g /a/b', stdin: '' });
  assert.equal(owner.streams?.[0], '1000:1000\n');
  // The link leads to a file of the host that the container does not have.
  await json('filesystem.move', { path: '/link', destination: '/a/b/link' });
  await json('filesystem.chmod', { path: '/a', mode: 0o710, recursive: true });
  const modes = await run('bash', { script: 'stat -c %a /a /a/b; readlink /a/b/link', stdin: '' });
  assert.equal(modes.streams?.[0], `710\n710\n${secret}\n`);
  assert.equal(await json('filesystem.exists', { path: '/link' }), false);
  await json('filesystem.move', { path: '/a/b', destination: 'moved' });
  assert.equal(await json('filesystem.exists', { path: '/moved' }), true);
  await json('filesystem.remove', { path: '/moved' });
  await json('filesystem.remove', { path: '/a' });
  assert.equal(readFileSync(secret, 'utf8'), 'secret');
});

test('facts of a container agree with those of its kernel', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image());
  const json = async (command: string) =>
    JSON.parse((await client.result(await daemon.dispatch(id, command, {}))).data) as Record<
      string,
      never
    >;
  const os = await json('info.os');
  assert.deepEqual([os['hostname'], os['os']], ['core-1', 'linux']);
  const host = (await client.json('info.mem')) as { total: number };
  assert.equal((await json('info.mem'))['total'], host.total);
  type Facts = Record<string, unknown>;
  const steady = (cpus: unknown) => (cpus as Facts[]).map(({ mhz: _, ...rest }) => rest);
  assert.deepEqual(steady(await json('info.cpu')), steady(await client.json('info.cpu')));
  const table = await client.result(
    await daemon.dispatch(id, 'bash', { script: 'cat /proc/self/mounts', stdin: '' }),
  );
  const devices = (table.streams?.[0] ?? '').split('\n').filter((line) => line.startsWith('/dev/'));
  const disks = (await json('info.disk')) as unknown as Facts[];
  const shown = disks.map((disk) => `${disk['device']} ${disk['mountpoint']} ${disk['fstype']}`);
  assert.deepEqual(
    shown.sort(),
    devices.map((line) => line.split(' ').slice(0, 3).join(' ')).sort(),
  );
  assert.ok(shown.length > 0);
  const nics = (await json('info.nic')) as unknown as { name: string }[];
  assert.deepEqual(
    nics.map(({ name }) => name),
    ['lo'],
  );
});

test('containers survive a restart of the daemon, and are there for its successor', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image(), {}, ['kept']);
  await client.result(await daemon.dispatch(id, 'bash', { script: 'echo here >/file', stdin: '' }));
  await daemon.stopDaemon();
  await daemon.startDaemon();
  assert.deepEqual(Object.keys((await client.json('corex.list')) as object), ['1']);
  const told = await client.result(
    await daemon.dispatch(id, 'bash', { script: 'cat /file', stdin: '' }),
  );
  assert.deepEqual(told.streams, ['here\n', '']);
  await client.json('corex.terminate', { container: id });
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('a daemon that is killed leaves its containers to the next one, and no job without an end', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const system = world.system();
  const startup = `[startup.server]
name = "bash"
running_match = "^up"
args = { script = "echo $$ >>/starts; echo up; sleep 3600; true" }
`;
  writeFileSync(join(system, '.startup.toml'), startup);
  const root = await world.image(system);
  const process = await daemon.startProcess();
  const id = await daemon.create(root);
  const script = 'echo here >/file; setsid sleep 7200 & sleep 3600; true';
  const job = await daemon.dispatch(id, 'bash', { script, stdin: '' });
  const bash = async (line: string) =>
    (await client.result(await daemon.dispatch(id, 'bash', { script: line, stdin: '' })))
      .streams?.[0];
  // Younger jobs are not written down yet.
  while ((await bash('cat /file; sleep 0.3')) !== 'here\n') await sleep(20);
  process.kill('SIGKILL');
  await once(process, 'exit');

  await daemon.startDaemon();
  assert.deepEqual(Object.keys((await client.json('corex.list')) as object), ['1']);
  const lost = await client.result(job);
  assert.deepEqual([lost.state, lost.code, lost.container], ['ERROR', 500, id]);
  const lines = async (words: string) => Number(await bash(`ps -o args | grep -cx "${words}"`));
  // Nobody waits for it, and the service is there once.
  assert.deepEqual([await lines('sleep 7200'), await lines('sleep 3600')], [1, 1]);
  assert.equal(await bash('wc -l </starts'), '2\n');
  await client.json('corex.terminate', { container: id });
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('services of an image run before the first command, each after what it needs', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const system = world.system();
  writeFileSync(
    join(system, '.startup.toml'),
    `[startup.second]
name = "bash"
after = ["first"]
running_delay = -1
args = { script = "cat /one >/two; echo {GREETING} >>/two" }

[startup.first]
name = "core.system"
running_delay = -1
args = { name = "sh", args = ["-c", "sleep 0.3; echo first >/one"] }

[startup.stays]
name = "core.system"
running_match = "^ready"
args = { name = "sh", args = ["-c", "echo ready; exec sleep 60"] }

[startup.broken]
name = "bash"
running_delay = -1
args = { script = "exit 1" }

[startup.never]
name = "bash"
after = ["broken", "unknown"]
args = { script = "touch /never" }
`,
  );
  const id = await daemon.create(await world.image(system), { env: { GREETING: 'hello' } });
  const script = 'cat /two; ls /never';
  const told = await client.result(await daemon.dispatch(id, 'bash', { script, stdin: '' }));
  assert.equal(told.streams?.[0], 'first\nhello\n');
  assert.match(told.streams?.[1] ?? '', /never/);
  const list = await client.result(await daemon.dispatch(id, 'job.list', {}));
  const ids = (JSON.parse(list.data) as { cmd: { id: string } }[]).map(({ cmd }) => cmd.id);
  assert.ok(ids.includes('stays'));
  await client.json('corex.terminate', { container: id });
});

test('a folder of a container becomes a flist, which is the root of the next one', async (context) => {
  const daemon = await ContainerDaemon.start(context);
  const { client, world } = daemon;
  const id = await daemon.create(await world.image());
  const script = 'echo changed >/etc/motd; rm /etc/group; mkdir /new; echo x >/new/file';
  await client.result(await daemon.dispatch(id, 'bash', { script, stdin: '' }));
  const flist = world.mounts.path('made.flist');
  const storage = `dir://${world.mounts.path('chunks')}`;
  const pack = async (src: string) => {
    const args = { container: id, flist, storage, src };
    return await client.result(await client.start('corex.flist.create', args), 30);
  };
  assert.equal((await pack('/')).data, JSON.stringify(flist));
  const next = await daemon.create(flist);
  const look = 'cat /etc/motd /new/file; ls /etc/group';
  const told = await client.result(
    await daemon.dispatch(next, 'bash', { script: look, stdin: '' }),
  );
  assert.equal(told.streams?.[0], 'changed\nx\n');
  assert.match(told.streams?.[1] ?? '', /group/);
  assert.match((await pack('/etc/motd')).data, /no folder/);
  assert.match((await pack('/../../absent')).data, /no folder/);
  // It goes on.
  const alive = await client.result(
    await daemon.dispatch(id, 'bash', { script: 'true', stdin: '' }),
  );
  assert.equal(alive.state, 'SUCCESS');
  await backsUp(daemon, id);
});

/** A backup is made again as a container, with its files and what it was made with. */
async function backsUp(daemon: ContainerDaemon, id: number): Promise<void> {
  const { client, world } = daemon;
  const url = `file://${world.mounts.path('backups')}`;
  const command = async (name: string, args: Record<string, unknown>) =>
    await client.result(await client.start(name, args), 30);
  const { data, state } = await command('corex.backup', { container: id, url });
  assert.deepEqual([state, /^"[0-9a-f]{16}"$/.test(data)], ['SUCCESS', true], data);
  const restored = await command('corex.restore', { url: `${url}#${JSON.parse(data)}` });
  assert.equal(restored.state, 'SUCCESS', restored.data);
  const again = Number(restored.data);
  type Listed = Record<string, { container: { arguments: { name: string } } }>;
  const all = (await client.json('corex.list')) as Listed;
  const nameOf = (number: number) => all[number]?.container.arguments.name;
  assert.equal(nameOf(again), nameOf(id));
  const look = await client.result(
    await daemon.dispatch(again, 'bash', { script: 'cat /etc/motd /new/file', stdin: '' }),
  );
  assert.equal(look.streams?.[0], 'changed\nx\n');
  for (const wrong of [`${url}#0123456789abcdef`, url, `${url}?password=p#0123456789abcdef`]) {
    assert.notEqual((await command('corex.restore', { url: wrong })).state, 'SUCCESS', wrong);
  }
}
