import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../../../src/core/network/dhcp.ts';

test('parseLease() reads what the script prints', () => {
  const text =
    'udhcpc: started\naddress=10.1.0.7\nmask=255.255.255.0\ngateway=10.1.0.1\ndns=10.1.0.1 10.1.0.2\n';
  assert.deepEqual(parseLease(text), {
    cidr: '10.1.0.7/24',
    gateway: '10.1.0.1',
    dns: ['10.1.0.1', '10.1.0.2'],
  });
});

test('parseLease() believes nothing that is no address', () => {
  const text = 'address=10.1.0.7\nmask=255.255.0.0\ngateway=x y\ndns=evil; 10.1.0.1\n';
  assert.deepEqual(parseLease(text), { cidr: '10.1.0.7/16', gateway: '', dns: ['10.1.0.1'] });
  assert.equal(parseLease('address=10.1.0.7\nmask=255.0.255.0\n'), undefined);
  assert.equal(parseLease('address=\nmask=\n'), undefined);
  assert.equal(parseLease(''), undefined);
});
