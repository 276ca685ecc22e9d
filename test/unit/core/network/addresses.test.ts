import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  type Cidr,
  containerAddress,
  contains,
  formatNetwork,
  overlap,
  parseCidr,
} from '../../../../src/core/network/addresses.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

test('parseCidr() gives the first address of the network', () => {
  assert.deepEqual(parseCidr('172.18.0.1/16'), {
    address: '172.18.0.1',
    prefix: 16,
    network: '172.18.0.0',
  });
  assert.equal(formatNetwork(cidr('10.1.2.200/25')), '10.1.2.128/25');
  assert.equal(formatNetwork(cidr('255.255.255.255/32')), '255.255.255.255/32');
  assert.equal(formatNetwork(cidr('1.2.3.4/0')), '0.0.0.0/0');
});

test('parseCidr() knows what is none', () => {
  for (const text of [
    '',
    '10.0.0.1',
    '10.0.0.1/33',
    '10.0.0/8',
    '10.0.0.1/8/8',
    '::1/64',
    '10.0.0.1/-1',
  ]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test('overlap() and contains() compare by the shorter prefix', () => {
  assert.equal(overlap(cidr('172.18.0.1/16'), cidr('172.18.5.0/24')), true);
  assert.equal(overlap(cidr('172.18.5.0/24'), cidr('172.18.0.1/16')), true);
  assert.equal(overlap(cidr('172.18.0.1/16'), cidr('172.19.0.1/16')), false);
  assert.equal(contains(cidr('10.1.0.1/24'), '10.1.0.255'), true);
  assert.equal(contains(cidr('10.1.0.1/24'), '10.1.1.0'), false);
});

test('containerAddress() counts from the network by the bytes of id and one', () => {
  const bridge = cidr('172.18.0.1/16');
  assert.equal(containerAddress(bridge, 1), '172.18.0.2');
  assert.equal(containerAddress(bridge, 254), '172.18.0.255');
  assert.equal(containerAddress(bridge, 255), '172.18.1.0');
  assert.equal(containerAddress(bridge, 65_533), '172.18.255.254');
});

test('containerAddress() gives neither the broadcast address nor the bridge its own', () => {
  const isRefused = (error: unknown): boolean => isG8Error(error, 'ERR_CONFIG');
  assert.throws(() => containerAddress(cidr('172.18.0.1/16'), 65_534), isRefused);
  assert.throws(() => containerAddress(cidr('10.0.0.1/30'), 2), isRefused);
  assert.throws(() => containerAddress(cidr('10.0.0.4/24'), 3), isRefused);
});
