import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { CODEC, type Codec } from '../../src/base/codec.ts';
import { addon } from '../../src/native/load.ts';
import { fixturesDir } from '../support/fixtures.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface RecordedChunk {
  readonly key: string;
  readonly decipher: string;
  readonly plainSize: number;
  readonly storedSize: number;
}
interface RecordedFile {
  readonly type: string;
  readonly sha256?: string;
  readonly chunks?: readonly RecordedChunk[];
}

const fixtures = fixturesDir();
const skip = fixtures === undefined && 'the recorded fixtures are not installed';

function filesOf(folder: string): (readonly [string, RecordedFile])[] {
  const text = readFileSync(join(fixtures!, folder, 'expected.json'), 'utf8');
  const { entries } = JSON.parse(text) as { entries: Record<string, RecordedFile> };
  return Object.entries(entries).filter(
    ([, entry]) => entry.type === 'file' && entry.sha256 !== undefined,
  );
}

async function decode(folder: string, codec: Codec, chunk: RecordedChunk): Promise<Uint8Array> {
  const stored = readFileSync(join(fixtures!, folder, 'chunks', chunk.key));
  assert.equal(stored.length, chunk.storedSize);
  return addon().decodeChunk({
    codec,
    stored,
    id: fromHex(chunk.key)!,
    plainDigest: fromHex(chunk.decipher)!,
    plainSize: chunk.plainSize,
  });
}

const FOLDERS = [
  ['zflist', CODEC.legacyG2],
  ['rocksdb', CODEC.legacyG1],
] as const;

for (const [folder, codec] of FOLDERS) {
  describe(`recorded chunks of ${folder}`, { skip }, () => {
    it('decode to the contents of every recorded file', async () => {
      const used = new Set<string>();
      for (const [path, file] of filesOf(folder)) {
        const hash = createHash('sha256');
        for (const chunk of file.chunks ?? []) {
          hash.update(await decode(folder, codec, chunk));
          used.add(chunk.key);
        }
        assert.equal(hash.digest('hex'), file.sha256, path);
      }
      assert.deepEqual([...used].sort(), readdirSync(join(fixtures!, folder, 'chunks')).sort());
    });

    it('are encoded again to the same bytes and ids', async (context) => {
      const path = join(temporaryDirectory(context), 'plain');
      const chunks = new Map(
        filesOf(folder).flatMap(([, file]) =>
          (file.chunks ?? []).map((chunk) => [chunk.key, chunk]),
        ),
      );
      let encodedCount = 0;
      for (const [key, chunk] of chunks) {
        const plain = await decode(folder, codec, chunk);
        writeFileSync(path, plain);
        const fd = openSync(path, 'r');
        const encoded = await addon()
          .encodeChunk({ fd, offset: 0, length: plain.length, codec })
          .finally(() => closeSync(fd));
        encodedCount++;
        assert.equal(toHex(encoded.id), key);
        assert.equal(toHex(encoded.plainDigest), chunk.decipher);
        const stored = readFileSync(join(fixtures!, folder, 'chunks', key));
        assert.ok(stored.equals(encoded.stored), `stored bytes of ${key}`);
      }
      assert.equal(encodedCount, chunks.size);
    });
  });
}
