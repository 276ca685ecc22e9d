import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostNameServers, parseNameServers } from '../../../../src/core/network/resolv-conf.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('parseNameServers() leaves out what a container cannot reach', () => {
  const text = [
    '# nameserver 9.9.9.9',
    'search example.org',
    'nameserver 127.0.0.53',
    'nameserver\t10.0.0.53',
    'nameserver ::1',
    'nameserver 10.0.0.54 # the second',
    'nameserver nonsense',
    'nameserver 10.0.0.55',
    'nameserver 10.0.0.56',
  ].join('\n');
  assert.deepEqual(parseNameServers(text), ['10.0.0.53', '10.0.0.54', '10.0.0.55']);
});

test('hostNameServers() reads on when the first file names only the host itself', async (t) => {
  const folder = temporaryDirectory(t);
  const first = join(folder, 'stub');
  const second = join(folder, 'real');
  writeFileSync(first, 'nameserver 127.0.0.53\n');
  writeFileSync(second, 'nameserver 10.0.0.53\n');
  assert.deepEqual(await hostNameServers([first, second]), ['10.0.0.53']);
  assert.deepEqual(await hostNameServers([first, join(folder, 'missing')]), []);
});
