import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCpuinfo } from '../../../../src/core/fact/cpus.ts';
import { parseDisks } from '../../../../src/core/fact/disks.ts';
import { parseDmi } from '../../../../src/core/fact/dmi.ts';
import { parseMeminfo } from '../../../../src/core/fact/memory.ts';
import { parseNics } from '../../../../src/core/fact/nics.ts';
import { parsePorts } from '../../../../src/core/fact/ports.ts';
import { processFacts } from '../../../../src/core/fact/processes.ts';
import { systemFacts } from '../../../../src/core/fact/system.ts';

test('parseCpuinfo() has texts where the protocol has texts', () => {
  const [cpu, second] = parseCpuinfo(
    'processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: A CPU @ 2.00GHz: fast\nstepping\t: 7\nmicrocode\t: 0x1\ncpu MHz\t\t: 2000.166\ncache size\t: 39424 KB\nphysical id\t: 0\ncore id\t\t: 3\nflags\t\t: fpu vme\n\nprocessor\t: 1\n\n',
  );
  assert.deepEqual(cpu, {
    cpu: 0,
    vendorId: 'GenuineIntel',
    family: '6',
    model: '85',
    stepping: 7,
    physicalId: '0',
    coreId: '3',
    cores: 1,
    modelName: 'A CPU @ 2.00GHz: fast',
    mhz: 2000.166,
    cacheSize: 39_424,
    flags: ['fpu', 'vme'],
    microcode: '0x1',
  });
  assert.deepEqual([second?.cpu, second?.flags, second?.mhz], [1, [], 0]);
});

test('parseMeminfo() tells bytes, and what is used', () => {
  const facts = parseMeminfo(
    'MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\nShmem: 7 kB\n',
  );
  assert.deepEqual(
    [facts.total, facts.used, facts.usedPercent, facts.shared, facts.slab],
    [1_024_000, 768_000, 75, 7168, 0],
  );
});

test('parseDisks() lists devices only, with their real paths', () => {
  const mounts =
    'proc /proc proc rw 0 0\n/dev/sda1 /mnt/a\\040b ext4 rw,noatime 0 0\noverlay / overlay rw 0 0\n';
  assert.deepEqual(parseDisks(mounts, 'nodev\tproc\nnodev\toverlay\n\text4\n'), [
    { device: '/dev/sda1', mountpoint: '/mnt/a b', fstype: 'ext4', opts: 'rw,noatime' },
  ]);
});

test('parseNics() is in the order of the interfaces, with an empty address for loopback', () => {
  const links = [
    {
      ifindex: 2,
      ifname: 'eth0',
      mtu: 1500,
      flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
      operstate: 'UP',
      link_type: 'ether',
      address: '02:00:00:00:00:01',
      addr_info: [{ local: '10.0.0.2', prefixlen: 24 }],
    },
    {
      ifindex: 1,
      ifname: 'lo',
      mtu: 65_536,
      flags: ['LOOPBACK'],
      operstate: 'DOWN',
      link_type: 'loopback',
      address: '00:00:00:00:00:00',
    },
  ];
  const [lo, eth] = parseNics(JSON.stringify(links), new Map([['eth0', 1000]]));
  assert.deepEqual([lo?.name, lo?.hardwareaddr, lo?.addrs, lo?.carrier], ['lo', '', [], false]);
  assert.deepEqual(eth, {
    mtu: 1500,
    name: 'eth0',
    hardwareaddr: '02:00:00:00:00:01',
    flags: ['up', 'broadcast', 'multicast'],
    addrs: [{ addr: '10.0.0.2/24' }],
    speed: 1000,
    carrier: true,
    operstate: 'up',
  });
});

test('parsePorts() lists who listens, and leaves zero and empty fields out', () => {
  const head = '  sl  local_address rem_address   st\n';
  const line = (local: string, state: string, inode: number) =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 ${inode} 1 0\n`;
  const tcp = head + line('0100007F:1F90', '0A', 5) + line('0100007F:1F91', '01', 6);
  const tcp6 = head + line('00000000000000000000000001000000:0016', '0A', 7);
  const udp = head + line('00000000:0035', '07', 8);
  const unix =
    'Num RefCount Protocol Flags Type St Inode Path\n' +
    '0000: 00000002 00000000 00010000 0001 01 9 /run/a b\n' +
    '0000: 00000003 00000000 00000000 0001 03 10 /run/c\n';
  assert.deepEqual(parsePorts([tcp, tcp6, udp, undefined, unix], new Map([['5', 50]])), [
    { network: 'tcp', port: 8080, ip: '127.0.0.1', pid: 50 },
    { network: 'tcp6', port: 22, ip: '::1', pid: 0 },
    { network: 'udp', port: 53, ip: '0.0.0.0', pid: 0 },
    { network: 'unix', unix: '/run/a b', pid: 0 },
  ]);
});

test('processFacts() believes no name', () => {
  const stat = `77 (a) R 1 (b) S 5 77 77 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1000 0 0`;
  const facts = processFacts(
    {
      stat,
      status: 'Name:\ta\nVmSize:\t  20 kB\nVmRSS:\t  10 kB\nVmSwap:\t  1 kB\n',
      cmdline: 'sleep\0forty two\0',
      limits:
        'Max cpu time              unlimited            unlimited            seconds   \nMax open files            1024                 4096                 files     \n',
      openFiles: 4,
    },
    1_000,
  );
  assert.deepEqual(
    [facts.pid, facts.ppid, facts.name, facts.cmdline, facts.createtime],
    [77, 5, 'a) R 1 (b', 'sleep forty two', 1_010_000],
  );
  assert.deepEqual(
    [facts.cpu.user, facts.cpu.system, facts.rss, facts.vms, facts.swap],
    [2.5, 0.5, 10_240, 20_480, 1024],
  );
  assert.deepEqual(facts.rlimit, [
    { resource: 0, soft: 0x7fff_ffff, hard: 0x7fff_ffff },
    { resource: 7, soft: 1024, hard: 4096 },
  ]);
});

test('systemFacts() makes something of what can be read, and nothing of the rest', () => {
  const facts = systemFacts(
    {
      hostname: 'core-1\n',
      kernel: '6.1.0\n',
      uptime: '12.5 3.1\n',
      release: 'ID=debian\nVERSION_ID="12"\n',
      cpuinfo: 'flags\t\t: fpu hypervisor\n',
      vendor: 'QEMU\n',
      boot: 'ABC\n',
    },
    3,
  );
  assert.deepEqual(facts, {
    hostname: 'core-1',
    uptime: 12,
    bootTime: 0,
    procs: 3,
    os: 'linux',
    platform: 'debian',
    platformFamily: 'debian',
    platformVersion: '12',
    kernelVersion: '6.1.0',
    virtualizationSystem: 'kvm',
    virtualizationRole: 'guest',
    hostid: 'abc',
  });
  assert.equal(systemFacts({}, 0).platform, '');
});

test('parseDmi() reads sections with their properties and lists', () => {
  const text = `# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 2.8 present.

Handle 0x0000, DMI type 0, 24 bytes
BIOS Information
\tVendor: Some: vendor
\tCharacteristics:
\t\tPCI is supported
\t\tBoot from CD is supported
\tFirmware Revision: 1.2

Handle 0x0011, DMI type 17, 40 bytes
Memory Device
\tSize: 8 GB

Handle 0x0012, DMI type 17, 40 bytes
Memory Device
\tSize: 16 GB

Handle 0x00FE, DMI type 200, 4 bytes
OEM-specific Type
\tHeader and Data:
\t\tC8 04

Handle 0xFEFF, DMI type 127, 4 bytes
End Of Table
`;
  const sections = parseDmi(text);
  assert.deepEqual(Object.keys(sections), [
    'BIOS Information',
    'Memory Device',
    'OEM-specific Type',
    'End Of Table',
  ]);
  assert.deepEqual(sections['BIOS Information'], {
    handleline: 'Handle 0x0000, DMI type 0, 24 bytes',
    title: 'BIOS Information',
    typestr: 'BIOS',
    typenum: 0,
    properties: {
      Vendor: { value: 'Some: vendor' },
      Characteristics: { value: '', items: ['PCI is supported', 'Boot from CD is supported'] },
      'Firmware Revision': { value: '1.2' },
    },
  });
  assert.equal(sections['Memory Device']?.typestr, 'MemoryDevice');
  assert.deepEqual(sections['Memory Device']?.properties, { Size: { value: '8 GB' } });
  assert.equal(sections['OEM-specific Type']?.typestr, undefined);
  assert.deepEqual(parseDmi('# No SMBIOS nor DMI entry point found, sorry.\n'), {});
});
