/** `info.*` on the host beside what other programs say: line 8 of the acceptance list. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, networkInterfaces, release } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import type { RawCoreClient } from '../support/raw-core-client.ts';

let world: CoreWorld;
let client: RawCoreClient;

before(async () => {
  world = await startCoreWorld();
  client = world.client;
});
after(() => world.stop());

type Facts = Record<string, unknown>;

test('info.os agrees with uname and os-release', async () => {
  const os = (await client.json('info.os')) as Facts;
  assert.equal(os['os'], 'linux');
  assert.equal(os['kernelVersion'], release());
  assert.equal(os['hostname'], hostname());
  assert.match(
    readFileSync('/etc/os-release', 'utf8'),
    new RegExp(`^ID="?${os['platform']}"?$`, 'm'),
  );
  const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
  assert.ok(Math.abs((os['uptime'] as number) - uptime) < 60);
  assert.ok(Math.abs((os['bootTime'] as number) * 1000 - (Date.now() - uptime * 1000)) < 120_000);
  assert.ok((os['procs'] as number) > 1);
});

test('info.mem agrees with /proc/meminfo', async () => {
  const mem = (await client.json('info.mem')) as Record<string, number>;
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(meminfo)?.[1]) * 1024;
  assert.equal(mem['total'], bytes('MemTotal'));
  // Other programs run beside this one.
  const near = (value = 0, other = 0) => Math.abs(value - other) < 512 * 1024 * 1024;
  assert.ok(near(mem['available'], bytes('MemAvailable')));
  assert.ok(near(mem['free'], bytes('MemFree')));
  assert.equal(mem['used'], (mem['total'] ?? 0) - (mem['available'] ?? 0));
});

test('info.cpu has one entry for each processor', async () => {
  const cpus = (await client.json('info.cpu')) as Facts[];
  const names = readFileSync('/proc/cpuinfo', 'utf8').match(/^model name\s*: (.*)$/gm) ?? [];
  assert.equal(cpus.length, names.length);
  assert.equal(`model name\t: ${cpus[0]?.['modelName']}`, names[0]);
  assert.deepEqual([cpus[0]?.['cpu'], cpus[0]?.['cores']], [0, 1]);
  assert.equal(typeof cpus[0]?.['family'], 'string');
  assert.ok(((cpus[0]?.['flags'] ?? []) as string[]).includes('fpu'));
});

test('info.disk lists what the mount table says of devices', async () => {
  const disks = (await client.json('info.disk')) as Record<string, string>[];
  const mounts = readFileSync('/proc/self/mounts', 'utf8');
  for (const { device, mountpoint, fstype, opts } of disks) {
    assert.ok(mounts.includes(`${device} ${mountpoint} ${fstype} ${opts} `));
  }
  assert.ok(disks.every(({ fstype }) => fstype !== 'proc' && fstype !== 'tmpfs'));
});

test('info.nic lists interfaces with their addresses', async () => {
  const nics = (await client.json('info.nic')) as Facts[];
  const [lo] = nics;
  assert.deepEqual([lo?.['name'], lo?.['hardwareaddr']], ['lo', '']);
  assert.ok(((lo?.['flags'] ?? []) as string[]).includes('loopback'));
  assert.deepEqual(((lo?.['addrs'] ?? []) as Facts[])[0], { addr: '127.0.0.1/8' });
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const found = nics.find((each) => each['name'] === name);
    const known = ((found?.['addrs'] ?? []) as { addr: string }[]).map(({ addr }) => addr);
    for (const { cidr } of addresses ?? []) assert.ok(known.includes(cidr as string), `${cidr}`);
  }
});

test('info.port tells who listens where', async () => {
  const path = join(world.workingDir, 'listening.socket');
  const tcp = createServer().listen(0, '127.0.0.1');
  const unix = createServer().listen(path);
  try {
    await Promise.all(
      [tcp, unix].map((each) => new Promise((resolve) => each.once('listening', resolve))),
    );
    const { port } = tcp.address() as { port: number };
    const ports = (await client.json('info.port')) as Facts[];
    const found = ports.find((each) => each['network'] === 'tcp' && each['port'] === port);
    assert.deepEqual(found, { network: 'tcp', port, ip: '127.0.0.1', pid: process.pid });
    const socket = ports.find((each) => each['unix'] === path);
    assert.deepEqual(socket, { network: 'unix', unix: path, pid: process.pid });
    const order = ['tcp', 'tcp6', 'udp', 'udp6', 'unix'];
    const networks = ports.map((each) => order.indexOf(each['network'] as string));
    assert.deepEqual([...networks].sort(), networks);
  } finally {
    tcp.close();
    unix.close();
  }
});

test('info.version has a branch, a revision and whether it was changed', async () => {
  const version = (await client.json('info.version')) as Facts;
  assert.deepEqual(Object.keys(version), ['branch', 'revision', 'dirty']);
});

test('info.dmi tells what dmidecode does, or why it does not', async () => {
  const { state, code, data } = await client.run('info.dmi', { types: ['bios'] });
  const told = spawnSync('dmidecode', ['-t', 'bios'], { encoding: 'utf8' });
  if (told.stdout?.includes('BIOS Information') === true) {
    const sections = JSON.parse(data) as Record<string, { typenum: number; properties: Facts }>;
    assert.equal(sections['BIOS Information']?.typenum, 0);
    const vendor = /Vendor: (.*)/.exec(told.stdout)?.[1]?.trim();
    assert.deepEqual(sections['BIOS Information']?.properties['Vendor'], { value: vendor });
  } else {
    const words = told.error === undefined ? /tells nothing: \S/ : /dmidecode is not installed/;
    assert.deepEqual([state, code], ['ERROR', 500]);
    assert.match(data, words);
  }
  assert.equal((await client.run('info.dmi', { types: ['bios;id'] })).code, 400);
});

test('process.list agrees with ps', async () => {
  const [own] = (await client.json('process.list', { pid: process.pid })) as Facts[];
  const ps = (what: string) =>
    execFileSync('ps', ['-o', `${what}=`, '-p', String(process.pid)], { encoding: 'utf8' }).trim();
  assert.equal(own?.['pid'], process.pid);
  assert.equal(own?.['ppid'], Number(ps('ppid')));
  assert.equal(own?.['name'], ps('comm'));
  assert.match(own?.['cmdline'] as string, /^\S*node /);
  assert.ok(
    Math.abs((own?.['createtime'] as number) - (Date.now() - Number(ps('etimes')) * 1000)) < 5_000,
  );
  assert.ok((own?.['rss'] as number) > 1e7 && (own?.['vms'] as number) > (own?.['rss'] as number));
  const limits = own?.['rlimit'] as { resource: number; soft: number }[];
  assert.equal(limits.find(({ resource }) => resource === 7)?.soft, openFilesLimit());
  assert.ok((own?.['ofd'] as number) > 3);
  assert.deepEqual(Object.keys(own?.['cpu'] as Facts), [
    ...[
      'guestnice',
      'idle',
      'iowait',
      'irq',
      'nice',
      'softirq',
      'steal',
      'stolen',
      'system',
      'user',
    ],
  ]);
  assert.equal((await client.run('process.list', { pid: 2 ** 22 + 1 })).state, 'ERROR');
});

function openFilesLimit(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
}
