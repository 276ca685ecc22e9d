import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  formatSetting,
  type KnownKey,
  maskSetting,
  parseSetting,
} from '../../../../src/format/flist/settings.ts';

/** As zflist has stored them (metadata of the recorded flist). */
const STORED: readonly (readonly [KnownKey, string])[] = [
  ['backend', '{"namespace": "sample", "host": "127.0.0.1", "port": 9900}'],
  ['entrypoint', '["/bin/sh", "-c", "echo hi"]'],
  ['environ', '{"PATH": "/bin:/usr/bin", "LANG": "C.UTF-8"}'],
  ['port', '{"tcp/80": 8080, "udp/53": 53}'],
  ['volume', '{"/data": {"host": "/mnt/data"}, "/cache": {}}'],
  ['readme', '{"readme": "# Sample\\n\\nText with \\"quotes\\" and é.\\n", "license": "MIT"}'],
];

test('formatSetting() writes what zflist has written', () => {
  for (const [key, text] of STORED) assert.equal(formatSetting(parseSetting(key, text)), text);
});

test('parseSetting() refuses values of another shape', () => {
  const wrong: readonly (readonly [KnownKey, string])[] = [
    ['entrypoint', '[]'],
    ['entrypoint', '["a", 1]'],
    ['entrypoint', '{}'],
    ['environ', '{"A=B": "x"}'],
    ['environ', '{"A": 1}'],
    ['environ', '[]'],
    ['environ', 'A=B'],
    ['port', '{"80": 80}'],
    ['port', '{"tcp/0": 80}'],
    ['port', '{"tcp/80": 65536}'],
    ['port', '{"tcp/80": "80"}'],
    ['volume', '{"data": {}}'],
    ['volume', '{"/data": "/x"}'],
    ['volume', '{"/data": {"host": 1}}'],
    ['volume', '{"/data": {"other": "x"}}'],
    ['backend', '{"port": 1}'],
    ['backend', '{"host": "h", "port": -1}'],
    ['backend', '{"host": "h", "color": "red"}'],
    ['readme', '{"readme": 1}'],
    ['readme', 'null'],
  ];
  for (const [key, text] of wrong) {
    assert.throws(
      () => parseSetting(key, text),
      (error) => isG8Error(error, 'ERR_USAGE') && error.message.includes(key),
      `${key} ${text}`,
    );
  }
});

test('maskSetting() shows no secret of a backend', () => {
  const text = '{"host": "h", "port": 9900, "password": "s3cret", "token": "t0ken"}';
  const shown = maskSetting('backend', text);
  assert.equal(shown, '{"host": "h", "port": 9900, "password": "***", "token": "***"}');
  assert.equal(maskSetting('backend', 'zdb://s3cret@host'), '***');
  assert.equal(maskSetting('backend', '["s3cret"]'), '***');
  assert.equal(maskSetting('note', 'password'), 'password');
});
