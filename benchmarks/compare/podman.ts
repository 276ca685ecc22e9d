/** podman: pull from a registry, unpack, run. One layer packed by gzip, as images are. */
import { join } from 'node:path';
import { run } from '../harness.ts';
import { type CommandLine, folder, once, type Peer } from './peer.ts';

const IMAGE = 'bench/root:latest';

export const podman: Peer = {
  name: 'podman, pull and run',
  needs: [
    ['/usr/bin/podman', 'podman'],
    ['/usr/sbin/runc', 'runc'],
    ['/usr/bin/umoci', 'umoci'],
    ['/usr/bin/skopeo', 'skopeo'],
  ],
  server: 'registry',
  prepare: async (tree, served, { registry }) => {
    const layout = join(served, 'root.oci');
    await once(layout, async (out) => {
      await run('umoci', ['init', '--layout', out]);
      await run('umoci', ['new', '--image', `${out}:root`]);
      await run('umoci', ['insert', '--image', `${out}:root`, tree, '/']);
    });
    const target = `docker://${hostOf(registry)}/${IMAGE}`;
    await run('skopeo', ['copy', '-q', '--dest-tls-verify=false', `oci:${layout}:root`, target]);
  },
  up: async ({ registry }, dir) => {
    const storage = await folder(dir, 'storage');
    const own = [
      ...['--root', storage, '--runroot', await folder(dir, 'run'), '--tmpdir', join(dir, 'tmp')],
      ...['--storage-driver', 'overlay', '--events-backend', 'none', '--runtime', 'runc'],
      // Works with every layout of cgroups, unlike crun; and without systemd.
      ...['--cgroup-manager', 'cgroupfs'],
    ];
    const image = `${hostOf(registry)}/${IMAGE}`;
    await run(...alone([...own, 'pull', '-q', '--tls-verify=false', image]));
    // Limits as they are: podman would raise them, for which a machine may lack the right.
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'];
    const options = ['--network', 'none', '--pull', 'never', ...limits];
    return {
      inRoot: (program) => alone([...own, 'run', ...options, image, ...program]),
      down: async () => {
        await run(...alone([...own, 'rm', '--all', '--force']));
      },
    };
  },
};

/** podman mounts its folder over itself and leaves that: in mounts of its own, which end with it. */
function alone(args: readonly string[]): CommandLine {
  return ['unshare', ['--mount', '--propagation', 'private', 'podman', ...args]];
}

function hostOf(url: string): string {
  return new URL(url).host;
}
