/** Mounts as roots of containers that others make: plain OCI runtimes and systemd-nspawn, which know nothing of flists. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ContainerWorld } from '../support/container-world.ts';
import { run } from '../support/mount-world.ts';

const options = { skip: process.getuid?.() === 0 ? false : 'containers need root' };

test(
  'a read-only and a writable mount are roots of containers of runc, and of podman and nspawn where they are',
  options,
  async (context) => {
    const world = new ContainerWorld(context);
    const folder = world.system();
    for (const name of ['proc', 'sys', 'dev', 'run', 'usr']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'etc/os-release'), 'ID=test\n');
    const flist = await world.image(folder);
    const store = ['--store', `dir://${world.mounts.path('chunks')}`];
    const bundle = world.mounts.folder('bundle');
    const runc = async (name: string, root: string, isReadOnly: boolean) => {
      await run('rm', '-f', join(bundle, 'config.json'));
      assert.equal((await run('runc', 'spec', '--bundle', bundle)).code, 0);
      const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
      config.root = { path: root, readonly: isReadOnly };
      const script = 'cat /etc/motd; echo written >/etc/new && cat /etc/new';
      // Its limits may be above those of this process.
      const { rlimits: _, ...process } = config.process;
      config.process = { ...process, terminal: false, args: ['/bin/sh', '-c', script] };
      config.linux.cgroupsPath = `${world.cgroupParent}/${name}`;
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
      return await run(
        ...(['runc', '--root', world.mounts.path('runc')] as const),
        ...['run', '--bundle', bundle, `${name}-${globalThis.process.pid}`],
      );
    };
    const plain = await world.mounts.mount(flist, ...store);
    const refused = await runc('plain', plain, true);
    assert.equal(refused.stdout, 'welcome\n', refused.stderr);
    assert.match(refused.stderr, /Read-only file system/);
    const upper = world.mounts.path('upper');
    const writable = await world.mounts.mount(flist, ...store, '--rw', '--upper', upper);
    const told = await runc('writable', writable, false);
    assert.deepEqual([told.code, told.stdout], [0, 'welcome\nwritten\n'], told.stderr);
    assert.equal(readFileSync(join(upper, 'etc/new'), 'utf8'), 'written\n');
    if (existsSync('/usr/bin/podman')) {
      const folders = ['root', 'runroot', 'tmpdir'].flatMap((name) => [
        `--${name}`,
        world.mounts.folder(`podman-${name}`),
      ]);
      const how = ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
      const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'];
      const script = 'echo changed >/etc/motd; cat /etc/motd';
      // What it mounts over its folders ends with mounts of its own.
      const started = await run(
        ...(['unshare', '--mount', '--propagation', 'private', 'podman'] as const),
        ...[...folders, '--storage-driver', 'overlay', ...how, 'run', '--rm', '--network', 'none'],
        ...[...limits, '--rootfs', `${plain}:O`, '/bin/sh', '-c', script],
      );
      assert.deepEqual([started.code, started.stdout], [0, 'changed\n'], started.stderr);
      assert.equal((await run('cat', join(plain, 'etc/motd'))).stdout, 'welcome\n');
    }
    if (existsSync('/usr/bin/systemd-nspawn')) {
      const machine = `g8ufs-test-${globalThis.process.pid}`;
      // It leaves this where /run is on a disk.
      context.after(() =>
        rmSync(`/run/systemd/nspawn/propagate/${machine}`, { recursive: true, force: true }),
      );
      const nspawn = (...args: string[]) =>
        run(
          ...(['systemd-nspawn', '--quiet', '--register=no', '--keep-unit'] as const),
          ...[`--machine=${machine}`, '--pipe', ...args, '/bin/sh', '-c'],
          'cat /etc/motd; echo spawned >/etc/new && cat /etc/new',
        );
      const looked = await nspawn('--read-only', '-D', plain);
      assert.equal(looked.stdout, 'welcome\n', looked.stderr);
      assert.match(looked.stderr, /Read-only file system/);
      const aside = await nspawn('--volatile=overlay', '-D', plain);
      assert.deepEqual([aside.code, aside.stdout], [0, 'welcome\nspawned\n'], aside.stderr);
      const kept = await nspawn('-D', writable);
      assert.deepEqual([kept.code, kept.stdout], [0, 'welcome\nspawned\n'], kept.stderr);
      assert.equal(readFileSync(join(upper, 'etc/new'), 'utf8'), 'spawned\n');
    }
    for (const mnt of [plain, writable]) await world.mounts.unmount(mnt);
  },
);
