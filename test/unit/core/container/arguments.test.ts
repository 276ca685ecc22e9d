import assert from 'node:assert/strict';
import test from 'node:test';
import { checkArguments } from '../../../../src/core/container/arguments.ts';
import { parseContainerArguments } from '../../../../src/core/container/parse-arguments.ts';

const DEFAULTS = { tags: null, storage: '', bridge: 'core0' };
const parse = (more: object) => parseContainerArguments({ root: '/a.flist', ...more }, DEFAULTS);

test('parseContainerArguments() takes what the Python client sends', () => {
  const sent = {
    root: 'http://127.0.0.1:8080/busybox.flist',
    mount: null,
    host_network: false,
    nics: [{ type: 'default' }],
    port: { '8080': 80, '10.0.0.1:7000|tcp+udp': 7000 },
    hostname: null,
    privileged: false,
    storage: null,
    name: null,
    identity: null,
    env: null,
    cgroups: [['memory', 'm1']],
  };
  const config = { dhcp: false, cidr: '', gateway: '', dns: null };
  const state = 'unknown';
  const nic = { type: 'default', id: '', name: '', hwaddr: '', config, monitor: false, state };
  assert.deepEqual(
    parseContainerArguments(sent, {
      tags: ['a'],
      storage: 'zdb://here:9900',
      bridge: 'core0',
    }),
    {
      ...sent,
      nics: [nic],
      hostname: '',
      storage: 'zdb://here:9900',
      name: '',
      identity: '',
      config: null,
      tags: ['a'],
    },
  );
});

test('parseContainerArguments() ignores nics and ports on the host network, and tags in arguments', () => {
  const args = parse({ host_network: true, nics: [{ type: 'vlan' }], port: { x: 1 }, tags: ['b'] });
  assert.deepEqual([args.nics, args.port, args.tags], [[], null, null]);
});

test('parseContainerArguments() refuses values that no container can have', () => {
  const cases: [object, RegExp][] = [
    [{ root: null }, /needs a root/],
    [{ mount: { data: '/data' } }, /source 'data' is not absolute/],
    [{ mount: { '/data': 'data' } }, /target 'data' is not absolute/],
    [{ port: { a: 1 } }, /'a'/],
    [{ port: { '80': 65_536 } }, /65536/],
    [{ cgroups: [['cpu', 'x']] }, /cpu is unknown/],
    [{ hostname: 'a b' }, /'a b' is not valid/],
    [{ env: { 'A=B': '' } }, /cannot be set/],
    [{ nics: [{ type: 'default' }, { type: 'default' }] }, /default/],
    [{ nics: [{ type: 'bridge', id: 'core0' }] }, /core0/],
    [{ nics: [{ type: 'vxlan', id: '1' }] }, /vxlan/],
    [{ restart: 'sometimes' }, /'sometimes'/],
  ];
  for (const [more, message] of cases) {
    assert.throws(() => parse(more), { code: 'ERR_USAGE', message }, JSON.stringify(more));
  }
});

test('parseContainerArguments() refuses wrong shapes with the name of the argument', () => {
  const cases: [unknown, RegExp][] = [
    [[], /arguments/],
    [{ root: 1 }, /root/],
    [{ root: '/a\0b' }, /root/],
    [{ root: '/a', mount: ['/a'] }, /mount/],
    [{ root: '/a', port: { '80': '80' } }, /port\.80/],
    [{ root: '/a', port: { '80': 1.5 } }, /port\.80/],
    [{ root: '/a', privileged: 'yes' }, /privileged/],
    [{ root: '/a', nics: {} }, /list/],
    [{ root: '/a', nics: [{}] }, /nic/],
    [{ root: '/a', cgroups: [['memory']] }, /cgroups\.0/],
    [{ root: '/a', env: { A: 1 } }, /env\.A/],
    [{ root: '/a', name: 'n'.repeat(70_000) }, /name/],
  ];
  for (const [value, message] of cases) {
    const refusal = { code: 'ERR_PROTOCOL', message };
    assert.throws(() => parseContainerArguments(value, DEFAULTS), refusal, JSON.stringify(value));
  }
});

test('checkArguments() bounds what a command line brings, too', () => {
  const args = parse({});
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`V${i}`, '']));
  const long = { V: 'x'.repeat(64 * 1024 + 1) };
  for (const env of [many, long]) {
    assert.throws(() => checkArguments({ ...args, env }), { code: 'ERR_USAGE' });
  }
  checkArguments({ ...args, env: { V: 'x'.repeat(64 * 1024) } });
});
