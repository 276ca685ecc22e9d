import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  formatPlatform,
  parsePlatform,
  platformOfMachine,
  rankPlatform,
} from '../../../../src/format/oci/platform.ts';

const normal = (text: string): string => formatPlatform(parsePlatform(text));

test('parsePlatform() gives one spelling to what is the same', () => {
  assert.equal(normal('linux/x86_64'), 'linux/amd64');
  assert.equal(normal('linux/amd64/v1'), 'linux/amd64');
  assert.equal(normal('linux/aarch64'), 'linux/arm64');
  assert.equal(normal('linux/arm64/v8'), 'linux/arm64');
  assert.equal(normal('linux/arm64/8'), 'linux/arm64');
  assert.equal(normal('linux/armhf'), 'linux/arm/v7');
  assert.equal(normal('linux/arm'), 'linux/arm/v7');
  assert.equal(normal('linux/arm/6'), 'linux/arm/v6');
  assert.equal(formatPlatform(platformOfMachine('linux', 'x64')), 'linux/amd64');
});

test('parsePlatform() refuses what is no platform', () => {
  for (const text of ['', 'linux', 'linux/', 'linux/a/b/c', 'linux/a b', 'Linux/amd64']) {
    assert.throws(
      () => parsePlatform(text),
      (error) => isG8Error(error, 'ERR_USAGE'),
      text,
    );
  }
});

test('rankPlatform() prefers the same variant, then the newest older one', () => {
  const rank = (wanted: string, offered: string): number =>
    rankPlatform(parsePlatform(wanted), parsePlatform(offered));
  assert.equal(rank('linux/amd64', 'linux/arm64'), 0);
  assert.equal(rank('linux/amd64', 'windows/amd64'), 0);
  assert.ok(rank('linux/arm/v7', 'linux/arm/v7') > rank('linux/arm/v7', 'linux/arm/v6'));
  assert.ok(rank('linux/arm/v7', 'linux/arm/v6') > rank('linux/arm/v7', 'linux/arm/v5'));
  assert.equal(rank('linux/arm/v6', 'linux/arm/v7'), 0);
  assert.ok(rank('linux/amd64/v3', 'linux/amd64') > 0);
  assert.equal(rank('linux/amd64', 'linux/amd64/v3'), 0);
});
