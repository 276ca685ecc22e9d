/** What a container cannot reach, see or use up. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ContainerWorld } from '../support/container-world.ts';

test('a container sees its own processes, names and network alone', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({ arguments: world.arguments(await world.image()) });
  const told = await world.shell(
    container,
    'ls /proc | grep -c "^[0-9]"; ls /proc/sys/net/ipv4/conf; cat /proc/1/cmdline; echo; ip link | grep -c mtu',
  );
  const [processes, ...rest] = told.stdout.split('\n');
  assert.ok(Number(processes) < 8, told.stdout);
  assert.deepEqual(rest, ['all', 'default', 'lo', '/.g8ufs/init\0-P\0', '1', '']);
  for (const kind of ['pid', 'mnt', 'uts', 'ipc', 'net', 'cgroup']) {
    const inside = (await world.shell(container, `ls -l /proc/self/ns/${kind}`)).stdout;
    const outside = readlinkSync(`/proc/self/ns/${kind}`);
    assert.ok(!inside.includes(outside), `${kind} is the host's`);
  }
});

test('a container cannot open devices, mount, make namespaces or gain privileges', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({ arguments: world.arguments(await world.image()) });
  const fails = async (script: string, words: RegExp): Promise<void> => {
    const told = await world.shell(container, script);
    assert.notEqual(told.code, 0, script);
    assert.match(told.stderr, words, script);
  };
  await fails('mknod /tmp/kmem c 1 2 && cat /tmp/kmem', /not permitted/);
  await fails('mknod /tmp/fuse c 10 229 && cat /tmp/fuse', /not permitted/);
  await fails('mknod /tmp/disk b 254 0 && cat /tmp/disk', /not permitted/);
  await fails('mount -t tmpfs none /tmp', /denied|not permitted/);
  await fails('mount -t proc proc /proc', /denied|not permitted/);
  await fails('echo 1 >/proc/sys/kernel/core_pattern', /[Rr]ead-only/);
  // Some kernels have none.
  await fails('echo b >/proc/sysrq-trigger', /[Rr]ead-only|nonexistent/);
  await fails('mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x', /[Rr]ead-only/);
  await fails('hostname other', /not permitted/);
  await fails('echo x >/.g8ufs/init', /[Rr]ead-only|busy/);
  const status = (await world.shell(container, 'cat /proc/self/status')).stdout;
  assert.match(status, /^NoNewPrivs:\s*1$/m);
  assert.match(status, /^Seccomp:\s*2$/m);
  assert.match(status, /^CapBnd:\s*00000000a80424fb$/m);
  assert.match(status, /^CapEff:\s*00000000a80424fb$/m);
  // What a kernel does not have cannot be read either.
  const masked = await world.shell(
    container,
    'for f in kcore keys timer_list; do cat /proc/$f; done; ls /sys/firmware',
  );
  assert.equal(masked.stdout, '');
});

test('a privileged container has the devices and capabilities of the host', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const args = world.arguments(await world.image(), { privileged: true });
  const container = await containers.create({ arguments: args });
  const own = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const status = (await world.shell(container, 'cat /proc/self/status')).stdout;
  assert.match(status, new RegExp(`^CapEff:\\s*${own}$`, 'm'));
  assert.match(status, /^Seccomp:\s*0$/m);
  const told = await world.shell(
    container,
    'mount -t tmpfs none /tmp && ls /dev/fuse && hostname other',
  );
  assert.equal(told.code, 0, told.stderr);
});

test('files written into a root never leave it, whatever links the image has', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const target = world.mounts.folder('host');
  writeFileSync(join(target, 'kept'), 'kept');
  const system = world.system();
  symlinkSync(target, join(system, 'out'));
  symlinkSync(`${'../'.repeat(12)}${target.slice(1)}`, join(system, 'etc/up'));
  symlinkSync(join(target, 'kept'), join(system, 'etc/file'));
  symlinkSync('loop', join(system, 'etc/loop'));
  const image = await world.image(system);
  const config = { '/out/a': 'a', 'etc/up/b': 'b', '/etc/file': 'c' };
  const container = await containers.create({ arguments: world.arguments(image, { config }) });
  assert.equal(readFileSync(join(target, 'kept'), 'utf8'), 'kept');
  assert.deepEqual([existsSync(join(target, 'a')), existsSync(join(target, 'b'))], [false, false]);
  const told = await world.shell(container, `cat ${target}/a ${target}/b ${target}/kept`);
  assert.equal(told.stdout, 'abc');
  const loop = { config: { '/etc/loop': '' } };
  await assert.rejects(containers.create({ arguments: world.arguments(image, loop) }), /circle/);
});

test('limits of memory, processes and processors hold', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({
    arguments: world.arguments(await world.image()),
    limits: { memoryBytes: 32 * 1024 ** 2, pidsCount: 12, cpuCount: 0.5 },
  });
  const hungry = await world.shell(container, 'head -c 200000000 /dev/zero | tail >/dev/null');
  assert.equal(hungry.code, 137, hungry.stderr);
  const many = await world.shell(container, 'for i in $(seq 40); do sleep 9 & done; echo $?');
  assert.match(many.stderr, /can't fork/);
  assert.ok(container.cgroup.outOfMemoryKills() > 0);
  const time = await world.shell(
    container,
    'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; ' +
      'cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null | grep nr_throttled',
  );
  assert.match(time.stdout, /nr_throttled [1-9]/);
  await containers.terminate(1, 0);
});

test('a layer with a limited size gets full, and the container goes on', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const args = world.arguments(await world.image());
  const container = await containers.create({ arguments: args, layerSizeBytes: 2 * 1024 ** 2 });
  const told = await world.shell(container, 'dd if=/dev/zero of=/fill bs=64k count=100');
  assert.notEqual(told.code, 0);
  assert.match(told.stderr, /No space left/);
  assert.equal((await world.shell(container, 'rm /fill; echo ok >/x; cat /x')).stdout, 'ok\n');
  await containers.terminate(1);
  assert.deepEqual(world.leftovers().mounts, []);
});
