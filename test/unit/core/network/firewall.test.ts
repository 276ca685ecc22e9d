import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRuleset, isEmptyRuleset } from '../../../../src/core/network/firewall.ts';

const CORE0 = { bridge: 'core0', network: '172.18.0.0/16', nat: true, loopback: true };

test('formatRuleset() replaces its own table in one transaction and names no other', () => {
  const text = formatRuleset('g8ufs', {
    networks: [CORE0, { bridge: 'br0', nat: false }],
    forwards: [
      { protocol: 'tcp', port: 8080, address: '172.18.0.2', addressPort: 80 },
      { protocol: 'udp', port: 53, address: '172.18.0.3', addressPort: 5353 },
      {
        ...{ protocol: 'tcp', port: 7000, address: '172.18.0.2', addressPort: 7000 },
        source: { interfaces: 'zt*' },
      },
    ],
  });
  assert.match(text, /^add table inet g8ufs\ndelete table inet g8ufs\ntable inet g8ufs \{\n/);
  assert.equal(text.match(/\btable\b/g)?.length, 3);
  assert.ok(
    text.includes('elements = { tcp . 8080 : 172.18.0.2 . 80, udp . 53 : 172.18.0.3 . 5353 }'),
  );
  assert.ok(text.includes('iifname "zt*" tcp dport 7000 dnat ip to 172.18.0.2:7000'));
  assert.ok(text.includes('iifname "core0" oifname { "br0" } drop'));
  assert.ok(text.includes('iifname "br0" oifname { "core0" } drop'));
  assert.ok(text.includes('ip saddr 172.18.0.0/16 oifname != "core0" masquerade'));
  assert.doesNotMatch(text, /flush/);
});

test('formatRuleset() has no hooks for what is not asked for', () => {
  const text = formatRuleset('t', { networks: [{ bridge: 'br0', nat: false }], forwards: [] });
  assert.doesNotMatch(text, /masquerade|elements|priority raw/);
});

test('isEmptyRuleset() is true only without networks and forwards', () => {
  assert.equal(isEmptyRuleset({ networks: [], forwards: [] }), true);
  assert.equal(isEmptyRuleset({ networks: [CORE0], forwards: [] }), false);
});
