import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../../src/base/errors.ts';
import {
  belongsTo,
  configurationSteps,
  creationStep,
  isHardwareAddress,
  nameInside,
  nameOutside,
} from '../../../../src/core/network/nic.ts';
import { parseNic, parseNics } from '../../../../src/core/network/parse-nics.ts';

const SETTINGS = { bridge: 'core0', interfacePrefix: 'cont' };

function refuses(nics: unknown, code: ErrorCode = 'ERR_USAGE'): void {
  const text = JSON.stringify(nics);
  assert.throws(
    () => parseNics(nics, SETTINGS),
    (error) => isG8Error(error, code),
    text,
  );
}

test('parseNics() takes what the captured clients send', () => {
  const nics = parseNics(
    [
      { type: 'default', name: 'net0' },
      {
        type: 'bridge',
        id: 'br0',
        hwaddr: '52:54:00:12:34:56',
        config: { cidr: '10.1.0.5/24', gateway: '10.1.0.1', dns: ['10.1.0.1'] },
      },
      { type: 'macvlan', id: 'eth1', monitor: true },
    ],
    SETTINGS,
  );
  assert.deepEqual(
    nics.map(({ type, id }) => [type, id]),
    [
      ['default', ''],
      ['bridge', 'br0'],
      ['macvlan', 'eth1'],
    ],
  );
  assert.equal(nameInside(nics[0]!, 0), 'net0');
  assert.equal(nameInside(nics[1]!, 1), 'eth1');
  assert.equal(nameOutside(nics[1]!, 1, 7, SETTINGS), 'cont7-1');
  assert.equal(nameOutside(nics[2]!, 2, 7, SETTINGS), 'contm7-2');
  assert.deepEqual(parseNics(null, SETTINGS), []);
  assert.deepEqual(parseNics([], SETTINGS), []);
});

test('parseNics() refuses what the protocol refuses', () => {
  refuses([{ type: 'default' }, { type: 'default' }]);
  refuses([
    { type: 'bridge', id: 'br0' },
    { type: 'bridge', id: 'br0' },
  ]);
  refuses([{ type: 'bridge', id: 'core0' }]);
  refuses([{ type: 'bridge' }]);
  refuses([{ type: 'vxlan', id: '5' }]);
  refuses([{ type: 'zerotier', id: '8056c2e21c000001' }]);
  for (const name of ['sixteen-letters-', 'default', 'eth7', 'zt0', 'lo', 'a b', '../x', 'a"']) {
    refuses([{ type: 'default', name }]);
  }
  refuses([
    { type: 'default', name: 'net0' },
    { type: 'bridge', id: 'br0', name: 'net0' },
  ]);
  refuses([{ type: 'bridge', id: 'br0', config: { cidr: '10.0.0.1' } }]);
  refuses([{ type: 'bridge', id: 'br0', config: { gateway: '10.0.0' } }]);
  refuses([{ type: 'bridge', id: 'br0', config: { dns: ['::1'] } }]);
  refuses([{ type: 'bridge', id: 'br0', hwaddr: '01:00:5e:00:00:01' }]);
  refuses({}, 'ERR_PROTOCOL');
  refuses([null], 'ERR_PROTOCOL');
  refuses([{ type: 5 }], 'ERR_PROTOCOL');
  refuses([{ type: 'default', config: [] }], 'ERR_PROTOCOL');
});

test('parseNic() ignores the address of a default nic', () => {
  assert.equal(parseNic({ type: 'default', hwaddr: 'nonsense', config: null }).type, 'default');
});

test('isHardwareAddress() knows addresses of groups and of nobody', () => {
  assert.equal(isHardwareAddress('52:54:00:12:34:56'), true);
  assert.equal(isHardwareAddress('53:54:00:12:34:56'), false);
  assert.equal(isHardwareAddress('00:00:00:00:00:00'), false);
  assert.equal(isHardwareAddress('52:54:00:12:34'), false);
});

test('belongsTo() tells the interfaces of one container from those of another', () => {
  for (const name of ['cont1-0', 'contm1-12']) assert.equal(belongsTo(name, 1, SETTINGS), true);
  for (const name of ['cont11-0', 'cont1-0p', 'cont1', 'contm11-0', 'xcont1-0', 'eth0']) {
    assert.equal(belongsTo(name, 1, SETTINGS), false, name);
  }
});

test('creationStep() puts the inner side where it belongs', () => {
  const names = { inside: 'eth0', outside: 'cont1-0', namespace: 'g8ufs-1' };
  const own = parseNic({ type: 'default', hwaddr: '52:54:00:12:34:56' });
  assert.equal(
    creationStep(own, names, 'core0').join(' '),
    'link add cont1-0 master core0 up type veth peer name eth0 netns g8ufs-1',
  );
  const bridged = parseNic({ type: 'bridge', id: 'br0', hwaddr: '52:54:00:12:34:56' });
  assert.match(creationStep(bridged, names, 'core0').join(' '), /master br0 .* address 52:54/);
  const direct = parseNic({ type: 'macvlan', id: 'eth1' });
  assert.equal(
    creationStep(direct, names, 'core0').join(' '),
    'link add link eth1 name eth0 netns g8ufs-1 type macvlan mode bridge',
  );
});

test('configurationSteps() leave a link without address down', () => {
  const config = { dhcp: false, cidr: '', gateway: '', dns: null };
  assert.deepEqual(configurationSteps('eth0', config), []);
  const steps = configurationSteps('eth0', { ...config, cidr: '10.0.0.2/24', gateway: '10.0.0.1' });
  assert.equal(steps.at(-1)?.join(' '), 'route replace default via 10.0.0.1 dev eth0 metric 1000');
});
