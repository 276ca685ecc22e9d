import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNetwork } from '../../../../src/core/network/addresses.ts';
import { parseRoutes } from '../../../../src/core/network/bridge.ts';

test('parseRoutes() reads the table of the kernel', () => {
  const text = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    'docker0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    '',
  ].join('\n');
  assert.deepEqual(
    parseRoutes(text).map(({ name, network }) => [name, formatNetwork(network)]),
    [
      ['eth0', '0.0.0.0/0'],
      ['eth0', '192.0.2.0/24'],
      ['docker0', '172.18.0.0/16'],
    ],
  );
});
