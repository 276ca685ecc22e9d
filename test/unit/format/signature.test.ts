import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import {
  formatPublicKey,
  formatSignatures,
  keyIdOf,
  parsePublicKey,
  parseSignatures,
  publicKeyOf,
  requireSignature,
  signImage,
} from '../../../src/format/signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = publicKeyOf(publicKey);
const other = publicKeyOf(generateKeyPairSync('ed25519').publicKey);
const identity = {
  rootDigest: new Uint8Array(32).fill(7),
  metadata: new Map([['entrypoint', '["/bin/sh"]']]),
};
const signature = signImage(identity, privateKey);

function refusal(pattern: RegExp) {
  return (error: unknown): boolean =>
    isG8Error(error, 'ERR_PERMISSION') && pattern.test(error.message);
}

test('requireSignature() accepts what one of the keys has signed', () => {
  assert.equal(requireSignature(identity, [signature], [other, key]), keyIdOf(key));
});

test('requireSignature() refuses another tree, other metadata and another key', () => {
  const tree = { ...identity, rootDigest: new Uint8Array(32).fill(8) };
  const entrypoint = { ...identity, metadata: new Map([['entrypoint', '["/bin/evil"]']]) };
  const without = { ...identity, metadata: new Map<string, string>() };

  assert.throws(() => requireSignature(tree, [signature], [key]), refusal(/not the image/));
  for (const changed of [entrypoint, without]) {
    assert.throws(() => requireSignature(changed, [signature], [key]), refusal(/other metadata/));
  }
  assert.throws(() => requireSignature(identity, [signature], [other]), refusal(/none of the/));
  assert.throws(() => requireSignature(identity, [], [key]), refusal(/none of the/));
  assert.throws(() => requireSignature(identity, [signature], []), refusal(/none of the/));
});

test('requireSignature() refuses a signature in which anything was changed', () => {
  const tree = { ...identity, rootDigest: new Uint8Array(32).fill(8) };
  // Made to fit the other tree, but not signed anew.
  const forged = { ...signature, rootDigest: tree.rootDigest };
  assert.throws(() => requireSignature(tree, [forged], [key]), refusal(/wrong signature/));
  const renamed = { ...signature, keyId: keyIdOf(other) };
  assert.throws(() => requireSignature(identity, [renamed], [other]), refusal(/wrong signature/));
  for (let i = 0; i < 64; i += 7) {
    const bytes = signature.signature.slice();
    bytes[i] = (bytes[i] as number) ^ 1;
    const flipped = { ...signature, signature: bytes };
    assert.throws(() => requireSignature(identity, [flipped], [key]), refusal(/wrong signature/));
  }
});

test('parseSignatures() reads what formatSignatures() writes, one or several', () => {
  const second = signImage(identity, generateKeyPairSync('ed25519').privateKey);
  for (const list of [[signature], [signature, second]]) {
    assert.deepEqual(parseSignatures(formatSignatures(list)), list);
  }
});

test('parseSignatures() refuses what is none', () => {
  const text = formatSignatures([signature]);
  const broken = ['', ' ', 'x'.repeat(1 << 20), text.replace('root', 'boot'), `${text}\nmore`];
  broken.push(text.slice(0, -9), text.toUpperCase(), text.repeat(65).replaceAll('==\n', '==\n\n'));
  for (const wrong of broken) {
    assert.throws(
      () => parseSignatures(wrong),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  }
  assert.throws(
    () => parseSignatures(text.replace('signature 1', 'signature 2')),
    (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
  );
});

test('parsePublicKey() reads what formatPublicKey() writes and nothing else', () => {
  assert.deepEqual(parsePublicKey(formatPublicKey(key)), key);
  for (const wrong of ['', 'g8ufs-public AAAA', `x${formatPublicKey(key)}`]) {
    assert.equal(parsePublicKey(wrong), undefined);
  }
});
