/** `g8ufs core run` and its neighbours, with real containers, in a network namespace of this file. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/child-server.ts';
import { ContainerWorld } from '../support/container-world.ts';
import { interfaceNames, leftovers } from '../support/network-world.ts';
import { NO_OWN_NETWORK } from '../support/own-network.ts';
import { type CliResult, runChild, runCli, startCli } from '../support/run-cli.ts';

const options = { skip: NO_OWN_NETWORK };
const PROGRAM = fileURLToPath(new URL('../support/g8ufs.js', import.meta.url));

class RunWorld {
  readonly core: ContainerWorld;
  image = '';
  readonly #children: ChildProcess[] = [];

  constructor(context: TestContext) {
    // Before the world takes away what these commands clean up.
    context.after(() => this.#end());
    this.core = new ContainerWorld(context);
  }

  static async open(context: TestContext): Promise<RunWorld> {
    const world = new RunWorld(context);
    world.image = await world.core.image();
    return world;
  }

  get env(): Record<string, string> {
    const { mounts, state, cgroupParent } = this.core;
    return {
      G8UFS_RUN_DIR: mounts.path('run'),
      G8UFS_LINGER: '0s',
      G8UFS_CACHE_DIR: mounts.cache,
      G8UFS_CORE_STATE: state,
      G8UFS_CORE_CGROUP: cgroupParent,
      G8UFS_STORE: `dir://${mounts.path('chunks')}`,
    };
  }

  async cli(...args: string[]): Promise<CliResult> {
    return await runChild(['core', ...args], this.env);
  }

  async run(...args: string[]): Promise<CliResult> {
    return await this.cli('run', ...args);
  }

  /** Starts a container that says `ready` and stays; ended with the test. */
  async start(...args: string[]): Promise<ChildProcess> {
    const script = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done';
    const child = startCli(['core', 'run', ...args, this.image, 'sh', '-c', script], this.env);
    this.#children.push(child);
    let stderr = '';
    child.stderr?.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    await new Promise((resolve, reject) => {
      child.stdout?.once('data', resolve);
      child.once('close', (code) => reject(new Error(`It ended with ${code}: ${stderr}`)));
    });
    const folder = join(this.core.state, 'containers');
    await until('The record', async () =>
      readdirSync(folder).some((id) => {
        const path = join(folder, id, 'record.json');
        return existsSync(path) && readFileSync(path, 'utf8').includes('"running"');
      }),
    );
    return child;
  }

  async #end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
  }

  /** What is left in the state folder. */
  containers(): string[] {
    return readdirSync(join(this.core.state, 'containers'));
  }
}

function networkSettings() {
  return {
    ...{ stateDir: '', bridge: 'core0', address: '172.18.0.1/16', table: 'g8ufs' },
    ...{ interfacePrefix: 'cont', namespacePrefix: 'g8ufs-' },
  };
}

test(
  'core run gives the output and the exit status of the command, and leaves nothing',
  options,
  async (t) => {
    const world = await RunWorld.open(t);
    const before = leftovers(networkSettings());
    const script = 'cat /etc/motd; hostname; echo "$A" >&2; ls -a /srv; exit 7';
    const result = await world.run('-e', 'A=b c', world.image, 'sh', '-c', script);
    assert.equal(result.stderr, 'b c\n');
    assert.equal(result.stdout, 'welcome\ncore-1\n.\n..\n');
    assert.equal(result.code, 7);
    assert.deepEqual(world.containers(), []);
    assert.deepEqual(leftovers(networkSettings()), before);
  },
);

test('core run hands flags of the command over, and input', options, async (t) => {
  const world = await RunWorld.open(t);
  const list = await world.run(world.image, 'ls', '-d', '/etc', '--', '/srv');
  assert.equal(list.stdout, '/etc\n/srv\n', list.stderr);
  const child = startCli(['core', 'run', world.image, 'cat'], world.env, 'pipe');
  let text = '';
  child.stdout?.on('data', (data: Buffer) => {
    text += data.toString();
  });
  child.stdin?.end('from outside\n');
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.equal(text, 'from outside\n');
});

test('core run does what the image says, unless it is told otherwise', options, async (t) => {
  const world = await RunWorld.open(t);
  const { image } = world;
  for (const words of [
    [
      'entrypoint',
      '--',
      '/bin/sh',
      '-c',
      'id -u; pwd; echo $A$B $HOME $0; readlink /etc/mtab',
      'x',
    ],
    ['environ', '{"A":"1","B":"2"}'],
    ['cmd', '["x"]'],
    ['workdir', '/srv'],
    ['user', 'guest'],
  ]) {
    const set = await runCli(['flist', 'metadata', 'set', image, ...words]);
    assert.equal(set.code, 0, set.stderr);
  }
  const plain = await world.run('-e', 'B=3', image);
  assert.equal(plain.stdout, '1000\n/srv\n13 / x\n../proc/self/mounts\n', plain.stderr);
  const other = await world.run('-u', '0', '-w', '/etc', image, 'y');
  assert.equal(other.stdout, '0\n/etc\n12 / y\n../proc/self/mounts\n', other.stderr);
  const own = await world.run(
    '--entrypoint',
    '',
    '--pids',
    '77',
    image,
    'sh',
    '-c',
    // Groups of version 1, or of 2.
    'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null',
  );
  assert.equal(own.stdout, '77\n', own.stderr);
});

/** Changes the container that runs, and makes flists of it. */
async function commits(world: RunWorld): Promise<void> {
  const script = `echo new >/etc/new; rm /etc/passwd; chmod 600 /etc/motd; busybox mv /etc/group /etc/users
    busybox mv /var /away`;
  const changed = await world.cli('exec', 'job', 'sh', '-c', script);
  assert.equal(changed.code, 0, changed.stderr);
  const [whole, layer, stacked] = ['whole', 'layer', 'stacked'].map((name) =>
    world.core.mounts.path(`${name}.flist`),
  ) as [string, string, string];
  const store = ['--store', world.core.mounts.path('chunks')];
  for (const words of [
    ['core', 'commit', 'job', whole, ...store],
    ['core', 'commit', 'job', layer, ...store, '--layer'],
    ['flist', 'stack', stacked, world.image, layer, '--whiteouts', 'overlay'],
  ]) {
    const { code, stderr } = await runCli(words, world.env);
    assert.equal(code, 0, stderr);
  }
  const look = `cat /etc/new /etc/motd /etc/users; stat -c %a /etc/motd; ls -d /away/log; ls -d /.g8ufs/*
    ls -d /etc/passwd /var 2>&1`;
  for (const image of [whole, stacked]) {
    const { stdout } = await world.run('--network', 'none', image, 'sh', '-c', look);
    const [head, gone] = stdout.split('/.g8ufs/init\n');
    assert.equal(head, 'new\nwelcome\nroot:x:0:\nguest:x:1000:\n600\n/away/log\n');
    assert.match(gone ?? '', /passwd: No such file.*\n.*var: No such file/);
  }
}

test(
  'core run -d starts what fails again, keeps its log, and leaves nothing',
  options,
  async (t) => {
    const world = await RunWorld.open(t);
    const script = 'echo run; [ -e /again ] && sleep 60; touch /again; exit 3';
    const words = [
      '-d',
      '--restart',
      'on-failure:3',
      '--name',
      'job',
      world.image,
      'sh',
      '-c',
      script,
    ];
    const started = await world.run(...words);
    assert.deepEqual([started.stdout, started.stderr, started.code], ['1\n', '', 0]);
    await until('The second run', async () => {
      return (await world.cli('logs', 'job')).stdout === 'run\nrun\n';
    });
    await commits(world);
    assert.equal((await world.cli('stop', 'job')).code, 0);
    await until('The end', async () => world.containers().length === 0);
    // It is nearly always between two runs.
    await world.run('-d', '--restart', 'always', '--name', 'failing', world.image, 'false');
    const stopped = await world.cli('stop', 'failing');
    assert.equal(stopped.code, 0, stopped.stderr);
    await until('The end between two runs', async () => world.containers().length === 0);
    const absent = await world.run('-d', world.core.mounts.path('absent.flist'));
    assert.match(absent.stderr, /^g8ufs: .*absent\.flist.*ERR_NO_INPUT/);
    assert.deepEqual([absent.stdout, absent.code], ['', 66]);
  },
);

test('core run gives a terminal to whoever has one', options, async (t) => {
  const world = await RunWorld.open(t);
  const words = [process.execPath, PROGRAM, 'core', 'run', world.image];
  const inner = `'test -t 0 && test -t 1 && echo terminal; exit 3'`;
  const child = spawn('script', ['-qec', `${words.join(' ')} sh -c ${inner}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...world.env },
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  assert.match(text, /terminal\r\n/);
  assert.equal(code, 3);
  const without = await world.run(world.image, 'sh', '-c', 'test -t 0 || echo none');
  assert.equal(without.stdout, 'none\n');
});

test('core run shows volumes, forwards ports and limits memory', options, async (t) => {
  const world = await RunWorld.open(t);
  const shared = world.core.mounts.folder('shared');
  await world.start(
    '--volume',
    `${shared}:/srv`,
    '-p',
    '8080:80',
    '--memory',
    '64MiB',
    '--name',
    'web',
  );
  const inspected = JSON.parse((await world.cli('inspect', 'web')).stdout) as {
    usage: { memoryMaxBytes: number };
    network: { address: string; forwards: unknown; nics: { state: string }[] };
  };
  assert.equal(inspected.usage.memoryMaxBytes, 64 * 1024 * 1024);
  assert.deepEqual(inspected.network.forwards, [{ key: '8080', port: 80 }]);
  assert.equal(inspected.network.address, '172.18.0.2');
  assert.equal(inspected.network.nics[0]?.state, 'configured');
  const written = await world.cli('exec', 'web', 'sh', '-c', 'echo inside > /srv/file; exit 4');
  assert.equal(written.code, 4, written.stderr);
  assert.equal(readFileSync(join(shared, 'file'), 'utf8'), 'inside\n');
});

test('core ps, exec, stats and stop know the containers of other processes', options, async (t) => {
  const world = await RunWorld.open(t);
  const child = await world.start('--name', 'one', '--network', 'none');
  const list = JSON.parse((await world.cli('ps', '--json')).stdout) as {
    id: number;
    state: string;
    arguments: { name: string };
  }[];
  assert.deepEqual(
    list.map(({ id, state, arguments: { name } }) => [id, state, name]),
    [[1, 'running', 'one']],
  );
  assert.match((await world.cli('ps')).stdout, /^1 +one +running +\d+ /);
  const [stats] = JSON.parse((await world.cli('stats', '--json')).stdout) as {
    memoryBytes: number;
    processCount: number;
  }[];
  assert.ok(stats !== undefined && stats.memoryBytes > 0 && stats.processCount >= 2);
  assert.equal((await world.cli('exec', '1', 'hostname')).stdout, 'core-1\n');
  const closed = once(child, 'close');
  const stopped = await world.cli('stop', 'one');
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.deepEqual(await closed, [5, null]);
  assert.deepEqual(world.containers(), []);
  assert.equal((await world.cli('exec', 'one', 'ls')).code, 66);
});

test('SIGTERM ends the command, and everything is taken away', options, async (t) => {
  const world = await RunWorld.open(t);
  const child = await world.start();
  assert.deepEqual(interfaceNames().sort(), ['cont1-0', 'core0', 'lo']);
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  assert.deepEqual(await closed, [5, null]);
  assert.deepEqual(world.containers(), []);
  assert.deepEqual(interfaceNames(), ['lo']);
});

test('what a killed core run has left is taken away by core rm', options, async (t) => {
  const world = await RunWorld.open(t);
  const child = await world.start('--name', 'lost');
  // Its output is still in the hands of the container.
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  assert.equal(world.containers().length, 1);
  const removed = await world.cli('rm', '--all');
  assert.equal(removed.code, 0, removed.stderr);
  assert.deepEqual(world.containers(), []);
  assert.deepEqual(interfaceNames(), ['lo']);
});

test('core run says what is wrong, and leaves nothing', options, async (t) => {
  const world = await RunWorld.open(t);
  const before = leftovers(networkSettings());
  const cases: [args: string[], message: RegExp][] = [
    [['/nowhere.flist', 'ls'], /nowhere\.flist/],
    [[world.image, '/bin/nothing'], /No such file/],
    [['--volume', '/nowhere:/srv', world.image, 'ls'], /\/nowhere/],
    [['-p', '0:80', world.image, 'ls'], /0/],
    [['--network', 'bridge=nowhere', world.image, 'ls'], /nowhere/],
    [['--network', 'wlan', world.image, 'ls'], /wlan/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await world.run(...args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, message);
    assert.deepEqual(world.containers(), [], args.join(' '));
  }
  assert.deepEqual(leftovers(networkSettings()), before);
});
