import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertChunkId, chunkMatches, chunkPath, isChunkId } from '../../../src/store/chunk-id.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { fixturesDir } from '../../support/fixtures.ts';

test('isChunkId() takes 32 and 64 lower-case hex digits only', () => {
  assert.equal(isChunkId('0f'.repeat(16)), true);
  assert.equal(isChunkId('0f'.repeat(32)), true);
  for (const text of [
    '',
    '0f',
    'AB'.repeat(16),
    'xy'.repeat(16),
    `${'0f'.repeat(32)}\n`,
    '../..',
  ]) {
    assert.equal(isChunkId(text), false, JSON.stringify(text));
  }
});

test('assertChunkId() throws a TypeError', () => {
  assert.throws(() => assertChunkId('../../etc/passwd'), TypeError);
});

test('chunkPath() has two levels', () => {
  assert.equal(chunkPath('1f'.repeat(16)), `1f/${'1f'.repeat(16)}`);
});

test('chunkMatches() knows BLAKE2b-256 and BLAKE2b-128', async () => {
  for (const length of [16, 32] as const) {
    const { id, bytes } = chunkOf('chunk', length);
    assert.equal(await chunkMatches(id, bytes), true);
  }
});

test('chunkMatches() notices one flipped bit', async () => {
  const { id, bytes } = chunkOf('chunk');
  bytes[2] = (bytes[2] as number) ^ 1;
  assert.equal(await chunkMatches(id, bytes), false);
});

test('chunkMatches() knows SHA-256 behind a G1 header', async () => {
  const stored = Buffer.from('31303030303030303636636538383461c4edaafab6bccc3f', 'hex');
  const id = 'cbe5114556f675f983a5ea050b13969b879d95ca95b322415aa4b8ba6a1f25e8';
  assert.equal(await chunkMatches(id, stored), true);
  assert.equal(await chunkMatches(id, stored.subarray(0, 16)), false);
  assert.equal(await chunkMatches(id, stored.subarray(16)), false);
});

test('chunkMatches() asks the digest function it is given', async () => {
  const { id, bytes } = chunkOf('chunk');
  const digest = async () => new Uint8Array(Buffer.from(id, 'hex'));
  assert.equal(await chunkMatches(id, new Uint8Array([1]), digest), true);
  assert.equal(await chunkMatches(id, bytes, () => new Uint8Array(32)), false);
});

const fixtures = fixturesDir();
test('chunkMatches() accepts every historical chunk', {
  skip: fixtures === undefined ? 'fixtures are not here' : false,
}, async () => {
  let count = 0;
  for (const folder of ['zflist/chunks', 'rocksdb/chunks']) {
    const directory = join(fixtures as string, folder);
    for (const name of (await readdir(directory)).filter(isChunkId)) {
      assert.equal(await chunkMatches(name, await readFile(join(directory, name))), true, name);
      count++;
    }
  }
  assert(count > 0);
});
