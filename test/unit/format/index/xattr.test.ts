import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../../../../src/base/bytes.ts';
import {
  decodeXattrs,
  encodeXattrs,
  isXattrNameStorable,
  OVERLAY_BODY_SIZE,
  redirectPath,
  writeOverlayBody,
} from '../../../../src/format/index/xattr.ts';
import { latin1 } from '../../../support/index-trees.ts';

const DIGEST = Uint8Array.from({ length: 32 }, (_, i) => i * 7 + 1);

function fail(offset: number, reason: string): Error {
  return new Error(`${offset}: ${reason}`);
}

function names(xattrs: readonly { name: Uint8Array }[]): string[] {
  return xattrs.map(({ name }) => Buffer.from(name).toString('latin1'));
}

describe('encodeXattrs()', () => {
  test('clears the filter bit of each name and no other', () => {
    const body = encodeXattrs([{ name: latin1('security.ima'), value: latin1('x') }]);
    assert.equal(toHex(body.subarray(0, 4)), 'feffffff');
  });

  test('writes entries of 4-byte steps with their namespace', () => {
    const body = encodeXattrs([{ name: latin1('user.ab'), value: latin1('xyz') }]);
    assert.equal(
      toHex(body.subarray(4)),
      `${'00'.repeat(8)}02010300${toHex(latin1('abxyz'))}000000`,
    );
  });

  test('writes an access ACL under an empty name', () => {
    const body = encodeXattrs([{ name: latin1('system.posix_acl_access'), value: latin1('1234') }]);
    assert.equal(toHex(body.subarray(12, 16)), '00020400');
  });
});

describe('writeOverlayBody()', () => {
  test('writes what encodeXattrs() would', () => {
    const body = new Uint8Array(OVERLAY_BODY_SIZE);
    writeOverlayBody(body, 0, DIGEST);
    assert.equal(toHex(body), toHex(encodeXattrs([], DIGEST)));
  });
});

describe('redirectPath()', () => {
  test('repeats the first two bytes as directories', () => {
    assert.equal(redirectPath(new Uint8Array(32).fill(0xab)), `/ab/ab/${'ab'.repeat(32)}`);
  });
});

describe('decodeXattrs()', () => {
  test('hides what overlayfs is told and keeps the rest in order', () => {
    const own = ['trusted.overlay.opaque', 'trusted.overlay.metacopy', 'trusted.z', 'user.a'];
    const body = encodeXattrs(
      own.map((name) => ({ name: latin1(name), value: latin1('v') })),
      DIGEST,
    );
    assert.deepEqual(names(decodeXattrs(body, fail)), own.sort());
  });

  test('stores escaped names that overlayfs gives back', () => {
    const body = encodeXattrs([{ name: latin1('trusted.overlay.x'), value: latin1('') }]);
    assert.ok(Buffer.from(body).includes('overlay.overlay.x'));
  });

  test('refuses an entry that exceeds the body', () => {
    const body = encodeXattrs([{ name: latin1('user.a'), value: latin1('1234') }]);
    body[14] = 200;
    assert.throws(() => decodeXattrs(body, fail), /12: /);
  });

  test('refuses an unknown namespace', () => {
    const body = encodeXattrs([{ name: latin1('user.a'), value: latin1('1234') }]);
    body[13] = 5;
    assert.throws(() => decodeXattrs(body, fail), /namespace/);
  });

  test('refuses shared attributes', () => {
    const body = encodeXattrs([{ name: latin1('user.a'), value: latin1('1234') }]);
    body[4] = 1;
    assert.throws(() => decodeXattrs(body, fail), /shared/);
  });
});

describe('isXattrNameStorable()', () => {
  for (const name of ['user.a', 'trusted.b', 'security.c', 'system.posix_acl_default']) {
    test(`accepts ${name}`, () => assert.ok(isXattrNameStorable(latin1(name))));
  }
  for (const name of ['user.', 'system.nfs4_acl', 'system.posix_acl_access2', 'none']) {
    test(`refuses ${name}`, () => assert.ok(!isXattrNameStorable(latin1(name))));
  }
});
