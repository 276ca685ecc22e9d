import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { checkPort, parseForwardKey } from '../../../../src/core/network/forward.ts';

test('parseForwardKey() reads address, port and protocols', () => {
  assert.deepEqual(parseForwardKey('8080'), { port: 8080, protocols: ['tcp'] });
  assert.deepEqual(parseForwardKey('0.0.0.0:80'), { port: 80, protocols: ['tcp'] });
  assert.deepEqual(parseForwardKey('53|tcp+udp'), { port: 53, protocols: ['tcp', 'udp'] });
  assert.deepEqual(parseForwardKey('53|udp+udp'), { port: 53, protocols: ['udp'] });
  assert.deepEqual(parseForwardKey('10.0.0.1:7000'), {
    port: 7000,
    protocols: ['tcp'],
    source: { network: '10.0.0.1' },
  });
  assert.deepEqual(parseForwardKey('10.0.0.0/8:7000|udp'), {
    port: 7000,
    protocols: ['udp'],
    source: { network: '10.0.0.0/8' },
  });
  assert.deepEqual(parseForwardKey('zt*:7000').source, { interfaces: 'zt*' });
  assert.deepEqual(parseForwardKey('eth0.5:7000').source, { interfaces: 'eth0.5' });
});

test('parseForwardKey() refuses everything else', () => {
  const keys = [
    '',
    ':80',
    '0',
    '65536',
    '-1',
    '80.5',
    'eth0',
    '80|',
    '80|sctp',
    '80|tcp|udp',
    'a b:80',
  ];
  for (const key of [...keys, 'eth"0:80', 'eth0} drop:80', '**:80', '::1:80', '80\n']) {
    assert.throws(
      () => parseForwardKey(key),
      (error) => isG8Error(error, 'ERR_USAGE'),
      key,
    );
  }
});

test('checkPort() takes whole numbers from 1 to 65535', () => {
  assert.equal(checkPort(65_535), 65_535);
  for (const port of [0, 65_536, 1.5, '80', null, undefined]) {
    assert.throws(
      () => checkPort(port),
      (error) => isG8Error(error, 'ERR_USAGE'),
    );
  }
});
