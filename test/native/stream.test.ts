import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NativeStream } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { compressible } from '../support/encoded-chunk.ts';

const NOTHING = new Uint8Array(0);
const OUTPUT_MAX = 65536;

async function encoded(plain: Uint8Array): Promise<Uint8Array> {
  const stream = addon().openStream('zstd-encode');
  const first = await stream.run(plain, { outputMax: 2 ** 20 });
  const second = await stream.run(NOTHING, { last: true, outputMax: 2 ** 20 });
  assert.ok(second.done);
  stream.close();
  return Buffer.concat([first.output, second.output]);
}

describe('openStream()', () => {
  it('gives no more than asked for, and the rest later', async () => {
    const plain = compressible(200_000);
    const stream = addon().openStream('zstd-decode');
    const pieces: Uint8Array[] = [];
    let rest = await encoded(plain);
    for (let isDone = false; !isDone; ) {
      const { consumed, output, done } = await stream.run(rest, { last: true, outputMax: 1000 });
      assert.ok(output.length <= 1000);
      pieces.push(output);
      rest = rest.subarray(consumed);
      isDone = done;
    }
    assert.equal(rest.length, 0);
    assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), plain);
  });

  it('throws for kinds, levels, sizes and inputs that do not exist', () => {
    assert.throws(() => addon().openStream('bzip2-decode' as never), RangeError);
    assert.throws(() => addon().openStream('zstd-encode', 23), RangeError);
    const stream = addon().openStream('xz-decode');
    assert.throws(() => stream.run(NOTHING, { outputMax: 0 }), RangeError);
    assert.throws(() => stream.run(NOTHING, { outputMax: 2 ** 24 + 1 }), RangeError);
    assert.throws(() => stream.run('text' as never, { outputMax: 1 }), TypeError);
  });

  it('runs one call at a time and none when it is closed', async () => {
    const stream = addon().openStream('zstd-encode', 19);
    const running = stream.run(compressible(2 ** 20), { outputMax: OUTPUT_MAX });
    assert.throws(() => stream.run(NOTHING, { outputMax: OUTPUT_MAX }), /is running/);
    assert.throws(() => stream.close(), /is running/);
    await running;
    stream.close();
    stream.close();
    assert.throws(() => stream.run(NOTHING, { outputMax: OUTPUT_MAX }), /is closed/);
  });

  it('ends with ERR_FLIST_FORMAT when bytes are broken', async () => {
    for (const kind of ['zstd-decode', 'xz-decode'] as const) {
      const run = (data: Uint8Array) =>
        addon().openStream(kind).run(data, { last: true, outputMax: OUTPUT_MAX });
      await assert.rejects(run(Buffer.from('neither of both')), { code: 'ERR_FLIST_FORMAT' });
      await assert.rejects(run(NOTHING), { code: 'ERR_FLIST_FORMAT' });
    }
  });

  it('is freed when nobody holds it, also in the middle', async () => {
    const packed = (await encoded(compressible(100_000))).subarray(0, 1000);
    const kept: NativeStream[] = [];
    for (let i = 0; i < 300; i++) {
      const stream = addon().openStream(i % 2 === 0 ? 'zstd-decode' : 'zstd-encode', 1);
      await stream.run(packed, { outputMax: OUTPUT_MAX });
      if (i % 100 === 0) kept.push(stream);
    }
    // What is still held goes on.
    for (const stream of kept) await stream.run(NOTHING, { outputMax: OUTPUT_MAX });
  });
});
