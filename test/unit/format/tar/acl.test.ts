import assert from 'node:assert/strict';
import test from 'node:test';
import { aclFromText, modeWithAcl } from '../../../../src/format/tar/acl.ts';

const acl = (text: string): Uint8Array => aclFromText(Buffer.from(text), 0);

test('aclFromText() takes commas, newlines, comments and short names alike', () => {
  const expected = acl('user::rwx,user:7:r--,group::r-x,mask::r-x,other::---');
  const lines = 'u::rwx\nu:7:r-- #effective:r--\ng::r-x\n\nm::r-x\no::---\n';
  assert.deepEqual(acl(lines), expected);
  assert.deepEqual(acl('other::---,mask::r-x,group::r-x,user:7:r--,user::rwx'), expected);
});

test('aclFromText() takes the number of a named user, wherever it is', () => {
  assert.deepEqual(acl('user:joe:rwx:1001'), acl('user:1001:rwx'));
});

for (const [text, mode] of [
  ['user::rw-,group::r--,other::---', 0o640],
  ['user::rwx,user:7:rwx,group::r--,mask::rw-,other::r-x', 0o765],
] as const) {
  test(`modeWithAcl() gives ${mode.toString(8)} for ${text}`, () => {
    assert.equal(modeWithAcl(0o4111, acl(text)), 0o4000 | mode);
  });
}

test('modeWithAcl() leaves the mode alone when there is no whole ACL', () => {
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(11),
    Buffer.alloc(12, 9),
    acl('user::rwx'),
  ]) {
    assert.equal(modeWithAcl(0o644, bytes), 0o644);
  }
});
