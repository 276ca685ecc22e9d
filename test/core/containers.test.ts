/** Containers from flists: made, entered, ended, and nothing left of them. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { NamedCgroups } from '../../src/core/cgroup/named-cgroups.ts';
import { ContainerPlace } from '../../src/core/container/container-place.ts';
import { readRecord } from '../../src/core/container/record.ts';
import { Runtime } from '../../src/core/container/runtime.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { ContainerWorld, NOTHING } from '../support/container-world.ts';
import { type Run, run } from '../support/mount-world.ts';

test('create() starts a container on its image, and terminate() leaves nothing of it', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({ arguments: world.arguments(await world.image()) });
  assert.equal(container.id, 1);
  assert.deepEqual(containers.list(), [container]);
  const told = await world.shell(
    container,
    'cat /etc/motd; hostname; cat /etc/hosts; pwd; echo $$',
  );
  assert.equal(told.code, 0, told.stderr);
  const lines = told.stdout.split('\n');
  assert.deepEqual(lines.slice(0, 3), ['welcome', 'core-1', '127.0.0.1 localhost core-1']);
  assert.equal((await readRecord(container.folder.path))?.state, 'running');
  await containers.terminate(1);
  assert.deepEqual(containers.list(), []);
  assert.deepEqual(world.leftovers(), NOTHING);
  await assert.rejects(containers.terminate(1), { message: "no container with id '1'" });
});

test('create() counts up and does not use a number again', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const order = { arguments: world.arguments(await world.image()) };
  const [first, second] = await Promise.all([containers.create(order), containers.create(order)]);
  assert.deepEqual([first.id, second.id].sort(), [1, 2]);
  await containers.terminate(2);
  assert.equal((await containers.create(order)).id, 3);
  await Promise.all([containers.terminate(1), containers.terminate(3)]);
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('create() gives environment, host name, files and mounts', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const system = world.system();
  // Where a file is to go, as an image could have it.
  symlinkSync('/../../var/log', join(system, 'etc/logs'));
  const image = await world.image(system);
  const data = world.mounts.folder('data');
  writeFileSync(join(data, 'here'), 'from the host\n');
  const tools = world.mounts.folder('tools');
  writeFileSync(join(tools, 'tool'), 'from a flist\n');
  const flist = await world.image(tools, 'tools');
  const container = await containers.create({
    arguments: world.arguments(image, {
      hostname: 'web1',
      env: { K: 'a, b=c' },
      config: { 'etc/logs/../deep/file': 'one', '/../../etc/other': 'two' },
      mount: {
        [data]: '/data',
        [join(data, 'here')]: '/etc/here',
        [`file://${flist}`]: '/opt/tools',
      },
    }),
  });
  const told = await world.shell(
    container,
    'hostname; echo "$K"; cat /var/deep/file /etc/other; echo; stat -c %a /var/deep /etc/other; ' +
      'cat /data/here /etc/here /opt/tools/tool; echo new >/data/new; echo x >/opt/tools/x; cat /opt/tools/x',
  );
  assert.deepEqual(told.stdout.split('\n'), [
    ...['web1', 'a, b=c', 'onetwo', '700', '600'],
    ...['from the host', 'from the host', 'from a flist', 'x', ''],
  ]);
  assert.equal(readFileSync(join(data, 'new'), 'utf8'), 'new\n');
  await containers.terminate(1);
  assert.deepEqual(world.leftovers(), NOTHING);
  assert.equal(readFileSync(join(data, 'here'), 'utf8'), 'from the host\n');
});

test('create() that fails leaves nothing behind', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const image = await world.image();
  const absent = { message: /absent/ };
  const orders: [Record<string, unknown>, { message: RegExp }][] = [
    [{ root: world.mounts.path('absent.flist') }, absent],
    [{ root: 'http://127.0.0.1:9/absent.flist' }, { message: /absent.flist/ }],
    [{ mount: { '/absent/folder': '/data' } }, absent],
    [{ mount: { 'file:///absent.flist': '/data' } }, absent],
    [{ config: { '/etc/motd/below': '' } }, { message: /below a file/ }],
    [{ config: { '/bin': '' } }, { message: /no regular file/ }],
    [{ mount: { '/etc': '/etc/motd' } }, { message: /cannot be started: .*motd/ }],
  ];
  for (const [more, failure] of orders) {
    await assert.rejects(containers.create({ arguments: world.arguments(image, more) }), failure);
    assert.deepEqual(world.leftovers(), NOTHING);
  }
  const refusing = await world.open({ countMax: 0 });
  await assert.rejects(refusing.create({ arguments: world.arguments(image) }), {
    code: 'ERR_CREATE',
    message: 'There are already 0 containers',
  });
});

test('terminate() asks processes first, and does not wait for those that do not listen', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const out = world.mounts.folder('out');
  const mount = { [out]: '/out' };
  const image = await world.image();
  const container = await containers.create({ arguments: world.arguments(image, { mount }) });
  const polite = world.shell(
    container,
    'trap "echo bye >/out/word; exit 0" TERM; echo >/out/polite; while :; do sleep 0.05; done',
  );
  const deaf = world.shell(
    container,
    'trap "" TERM; echo >/out/deaf; while :; do sleep 0.05; done',
  );
  await world.fileThere(join(out, 'polite'));
  await world.fileThere(join(out, 'deaf'));
  await containers.terminate(1, 500);
  assert.equal(readFileSync(join(out, 'word'), 'utf8'), 'bye\n');
  assert.equal((await polite).code, 0);
  assert.notEqual((await deaf).code, 0);
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('what a container writes is gone with it, and others never see it', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const order = { arguments: world.arguments(await world.image()) };
  const [one, other] = [await containers.create(order), await containers.create(order)];
  await world.shell(one, 'echo changed >/etc/motd; echo new >/new; rm /etc/passwd');
  const told = await world.shell(other, 'cat /etc/motd; ls /new; ls /etc/passwd');
  assert.equal(told.stdout, 'welcome\n/etc/passwd\n');
  assert.match(told.stderr, /\/new: No such file/);
  assert.equal(statSync(join(one.folder.upper, 'new')).size, 4);
  await Promise.all([containers.terminate(1), containers.terminate(2)]);
});

test('a folder in the way of a number is left out', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  // Somebody else's container, whose process lives: this one.
  const foreign = await containers.create({ arguments: world.arguments(await world.image()) });
  mkdirSync(join(world.state, 'containers/2'));
  assert.equal((await containers.create({ arguments: foreign.record.arguments })).id, 3);
});

test('a container joins named control groups, and so does what is started in it', async (context) => {
  const groups = new NamedCgroups();
  const name = `g8ufs-test-${process.pid}`;
  await groups.ensure('memory', name);
  const world = new ContainerWorld(context);
  context.after(() => groups.remove('memory', name));
  const containers = await world.open({ namedCgroups: groups });
  const image = await world.image();
  const args = (group: string) => world.arguments(image, { cgroups: [['memory', group]] });
  const container = await containers.create({ arguments: args(name) });
  const place = new ContainerPlace(container);
  const request = { argv: ['sleep', '60'] as const, env: {}, cwd: '', stdin: 'null' } as const;
  const job = await place.start(request);
  assert.deepEqual(
    (await groups.tasks('memory', name)).sort(),
    [container.init?.pid as number, job.pid].sort(),
  );
  job.kill(9);
  assert.deepEqual(await job.exited, { status: null, signal: 'SIGKILL' });
  process.kill(container.init?.pid as number, 'SIGKILL');
  assert.equal(await container.gone, 'ended');
  await assert.rejects(
    containers.create({ arguments: args('absent') }),
    /memory\/absent is unknown/,
  );
});

test('run() gives its caller the command in the foreground and leaves nothing of it', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const args = world.arguments(await world.image());
  let told: Run | undefined;
  const attach = async ([program, ...words]: readonly string[]) => {
    told = await run(program as string, ...words);
    return told.code;
  };
  const script = 'cat /etc/motd; hostname; echo no >&2; exit 3';
  const order = { arguments: args, command: ['/bin/sh', '-c', script] };
  assert.equal(await containers.run(order, { attach }), 3);
  assert.deepEqual(told, { code: 3, stdout: 'welcome\ncore-1\n', stderr: 'no\n' });
  assert.deepEqual(world.leftovers(), NOTHING);
  const absent = { arguments: args, command: ['/bin/absent'] };
  assert.notEqual(await containers.run(absent, { attach }), 0);
  assert.match(told?.stderr ?? '', /No such file/);
  const wrong = world.arguments(args.root, { mount: { '/etc': '/etc/motd' } });
  await assert.rejects(containers.run({ arguments: wrong, command: ['/bin/true'] }, { attach }), {
    code: 'ERR_CREATE',
    message: /cannot be started: .*motd/,
  });
  assert.deepEqual(world.leftovers(), NOTHING);
  assert.equal(containers.count, 0);
});

test('containers of several images come and go together, again and again, and leave nothing', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open({ countMax: 100 });
  const images: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    images.push(await world.image(world.system(name), name));
  }
  const descriptors: number[] = [];
  for (let round = 0; round < 4; round++) {
    const orders = Array.from({ length: 9 }, (_, index) => images[index % 3] as string);
    const made = await Promise.all(
      orders.map((image) => containers.create({ arguments: world.arguments(image) })),
    );
    const told = await Promise.all(made.map((each) => world.shell(each, 'echo x >/x; hostname')));
    assert.deepEqual(
      told.map(({ stdout }) => stdout.trim()),
      made.map(({ id }) => `core-${id}`),
    );
    await Promise.all(made.map(({ id }) => containers.terminate(id)));
    assert.deepEqual(world.leftovers(), NOTHING);
    // The mount daemon has no mounts any more and ends, and the connection with it.
    await world.daemonGone();
    descriptors.push(readdirSync('/proc/self/fd').length);
  }
  // What the first two opened for good is there.
  assert.deepEqual(descriptors.slice(2), [descriptors[1], descriptors[1]]);
});

test('crun makes containers as runc does, or says why it cannot', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open({ runtime: new Runtime('crun', join(world.state, 'crun')) });
  const order = { arguments: world.arguments(await world.image()) };
  const made = await containers.create(order).catch((error: unknown) => error as Error);
  const types = new Set(readMountinfo().map(({ type }) => type));
  if (types.has('cgroup') && types.has('cgroup2')) {
    assert.match((made as Error).message, /^Container \S+ cannot be started: .*hybrid/);
  } else {
    assert.ok(!(made instanceof Error), String(made));
    assert.equal((await world.shell(made, 'cat /etc/motd')).stdout, 'welcome\n');
    await containers.terminate(made.id);
  }
  assert.deepEqual(world.leftovers(), NOTHING);
});
