/** Makes one container, says its number and stays: to be killed by the test that has started it. */
import { daemonCommand } from '../../src/cli/early-daemon.ts';
import { PLAIN_NETWORK } from '../../src/core/container/container-network.ts';
import { Containers } from '../../src/core/container/containers.ts';
import { parseContainerArguments } from '../../src/core/container/parse-arguments.ts';
import { Runtime } from '../../src/core/container/runtime.ts';
import { createLogger } from '../../src/fs/log.ts';
import { run } from './mount-world.ts';

const [stateDir, cacheDir, store, cgroupParent, root] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const containers = await Containers.open({
  stateDir,
  runtime: new Runtime('runc', `${stateDir}/runtime`),
  mounts: { daemon: daemonCommand(cacheDir), stores: [store], deadlineMs: 10_000, tier: 'auto' },
  network: PLAIN_NETWORK,
  cgroupParent,
  initProgram: '/usr/bin/catatonit',
  programs: {},
  hubUrl: '',
  countMax: 10,
  log: createLogger('error'),
});
const args = parseContainerArguments({ root }, { tags: null, storage: '', bridge: 'core0' });
const container = await containers.create({ arguments: args });
const [program, ...words] = container.exec({ argv: ['/bin/sh', '-c', 'echo before >/written'] });
await run(program, ...words);
console.log(container.id);
setInterval(() => {}, 60_000);
