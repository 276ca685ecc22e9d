/** A flist on top of the root of a container that runs: by raw commands, and with either kind of mount. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { type ContainerRecord, writeRecord } from '../../src/core/container/record.ts';
import { ContainerDaemon } from '../support/container-daemon.ts';
import { ContainerWorld, NOTHING } from '../support/container-world.ts';
import { processGone } from '../support/mount-world.ts';

const options = { skip: process.getuid?.() === 0 ? false : 'containers need root' };

/** Makes a flist of a few files, given their contents by name. */
async function flistOf(
  world: ContainerWorld,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = world.mounts.folder(name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return await world.image(folder, name);
}

test(
  'corex.flist-layer shows a flist to processes that run already, below what was written',
  options,
  async (context) => {
    const daemon = await ContainerDaemon.start(context);
    const { client, world } = daemon;
    const system = world.system();
    mkdirSync(join(system, 'sys'));
    const root = await world.image(system);
    const shared = world.mounts.folder('shared');
    writeFileSync(join(shared, 'file'), 'shared\n');
    const id = await daemon.create(root, { mount: { [shared]: '/data' }, restart: 'always' });
    const start = async (script: string) =>
      await daemon.dispatch(id, 'bash', { script, stdin: '' });
    const bash = async (script: string) => await client.result(await start(script));
    const until = async (script: string) => {
      const deadline = performance.now() + 60_000;
      while ((await bash(script)).code !== 0) {
        if (performance.now() > deadline) throw new Error(`'${script}' does not succeed`);
      }
    };
    const layer = async (flist: string, container = id) =>
      await client.result(await client.start('corex.flist-layer', { container, flist }), 30);

    await bash('echo changed >/etc/motd; chmod 600 /etc/group; rm /etc/passwd');
    const old = 'exec 3>/held; mkfifo /go; cat /go; echo more >&3; cat /opt/tool';
    const running = await start(old);
    await until('test -p /go');
    const first = await flistOf(world, 'first', {
      'opt/tool': 'tool\n',
      'etc/motd': 'of the layer\n',
      'etc/group': 'of the layer\n',
      'etc/passwd': 'of the layer\n',
    });
    const laid = await layer(first);
    assert.deepEqual([laid.state, laid.data], ['SUCCESS', 'null'], laid.data);

    await bash('echo go >/go');
    assert.equal((await client.result(running)).streams?.[0], 'go\ntool\n');
    const look =
      'cat /held /etc/motd /data/file /etc/hostname; stat -c %a /etc/group; ls /etc/passwd';
    const told = (await bash(`${look}; cat /etc/group; ps | grep -c init; ls /dev/null /.g8ufs`))
      .streams as [string, string];
    assert.match(
      told[0],
      /^more\nchanged\nshared\ncore-1\n600\nroot:x:0:\nguest:x:1000:\n[1-9]\n\/dev\/null\n/,
    );
    assert.match(told[1], /passwd/);
    // Neither have the mounts in there come out here.
    const files = async (path: string) =>
      JSON.parse(
        (await client.result(await daemon.dispatch(id, 'filesystem.list', { path }))).data,
      );
    assert.deepEqual(
      (await files('/opt')).map(({ name }: { name: string }) => name),
      ['tool'],
    );

    // Another one takes its place; one that leaves no room for what is mounted changes nothing.
    const second = await flistOf(world, 'second', { 'opt/other': 'other\n' });
    assert.equal((await layer(second)).state, 'SUCCESS');
    assert.equal((await bash('cd /opt; echo *; echo x >/opt/new')).streams?.[0], 'other\n');
    const wrong = await flistOf(world, 'wrong', { sys: 'a file\n' });
    const refused = await layer(wrong);
    assert.deepEqual([refused.state, /sys/.test(refused.data)], ['ERROR', true], refused.data);
    assert.equal((await layer('/absent.flist')).state, 'ERROR');
    assert.equal((await layer(second, 99)).code, 404);
    const all = 'cat /opt/other /opt/new /data/file; echo y >/written; ls /sys | grep -c kernel';
    assert.equal((await bash(all)).streams?.[0], 'other\nx\nshared\n1\n');

    // A daemon that died between the exchange and its record has left the container frozen: the next one finds out.
    await daemon.stopDaemon();
    const path = join(world.state, 'containers', String(id));
    const record = (await world.record(id)) as ContainerRecord;
    assert.equal(record.layer?.number, 2);
    assert.equal(record.mountPoints.length, 3);
    const { layer: pending, ...before } = record;
    await writeRecord(path, { ...before, pending });
    await world.runtime.pause(`core-${id}`);
    await daemon.startDaemon();
    assert.deepEqual((await world.record(id))?.layer, record.layer);

    // It dies while nobody looks; the next daemon starts it again, with all that it had.
    await daemon.stopDaemon();
    const pid = (await world.record(id))?.init?.pid as number;
    process.kill(pid, 'SIGKILL');
    await processGone(pid);
    await daemon.startDaemon();
    await until('true');
    assert.equal((await bash('cat /opt/other /data/file')).streams?.[0], 'other\nshared\n');
    const flist = world.mounts.path('committed.flist');
    const store = ['--store', `dir://${world.mounts.path('chunks')}`];
    await world.mounts.json('core', 'commit', String(id), flist, '--state', world.state, ...store);
    const next = await daemon.create(flist);
    const again = { script: 'cat /opt/other /written /etc/group /held', stdin: '' };
    assert.equal(
      (await client.result(await daemon.dispatch(next, 'bash', again))).streams?.[0],
      'other\ny\nroot:x:0:\nguest:x:1000:\nmore\n',
    );
    for (const container of [id, next]) await client.json('corex.terminate', { container });
    assert.deepEqual(world.leftovers(), NOTHING);
  },
);

test('a layer comes on a mount of FUSE as well, if policy allows it', options, async (context) => {
  const world = new ContainerWorld(context);
  const policy = world.mounts.path('policy.json');
  process.env['G8UFS_POLICY'] = policy;
  context.after(() => {
    delete process.env['G8UFS_POLICY'];
  });
  const allow = (sources: readonly string[]) => {
    const rules = [{ sources, demand: 'unsigned' }];
    writeFileSync(policy, JSON.stringify({ version: 1, rules, otherwise: 'refuse' }));
  };
  const image = await world.image();
  const flist = await flistOf(world, 'layer', { 'opt/tool': 'tool\n' });
  allow([image, flist]);
  const { mounts } = world.options();
  const containers = await world.open({ mounts: { ...mounts, tier: 'fuse' } });
  const container = await containers.create({ arguments: world.arguments(image) });
  await world.shell(container, 'chmod 600 /etc/motd');
  await container.layer(flist, context.signal);
  const look = 'cat /opt/tool /etc/motd; echo x >/opt/new; cat /opt/new';
  const told = await world.shell(container, look);
  assert.equal(told.stdout, 'tool\nwelcome\nx\n', told.stderr);
  const { record } = container;
  // Neither what is put on nor what it is put on.
  for (const refused of [image, flist]) {
    allow([image, flist].filter((each) => each !== refused));
    const putting = container.layer(flist, context.signal);
    await assert.rejects(putting, (error) => isG8Error(error, 'ERR_PERMISSION'));
  }
  assert.deepEqual(container.record, record);
  // The base is what is mounted, whatever has become of its flist.
  allow([image, flist]);
  writeFileSync(image, 'no flist any more');
  await container.layer(flist, context.signal);
  assert.equal((await world.shell(container, look)).stdout, 'tool\nwelcome\nx\n');
  await containers.terminate(container.id);
  assert.deepEqual(world.leftovers(), NOTHING);
});
