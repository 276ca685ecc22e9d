import assert from 'node:assert/strict';
import test from 'node:test';
import { G8Error, isG8Error } from '../../../../src/base/errors.ts';
import { createProgress } from '../../../../src/image/create-progress.ts';
import { type Layer, LayersSource } from '../../../../src/image/source/layers.ts';
import { ImageMaker } from '../../../support/made-image.ts';
import { paxHeader, pieces, TAR_END, tarFile } from '../../../support/tar-blocks.ts';

/** A layer that counts how often it is opened. */
function layer(name: string, ...parts: Uint8Array[]): Layer & { opened: number } {
  const archive = Buffer.concat([...parts, TAR_END]);
  return {
    name,
    size: archive.length,
    isRepeatable: true,
    opened: 0,
    async *open({ onPosition }) {
      this.opened++;
      yield* pieces(archive, 1000);
      onPosition(archive.length);
    },
  };
}

function source(layers: readonly Layer[], whiteouts = layers.length > 1): LayersSource {
  return new LayersSource({ name: 'image', layers, whiteouts });
}

test('one archive is read once', async (t) => {
  const maker = new ImageMaker(t);
  const archive = layer(
    'a.tar',
    tarFile({ name: 'a' }, 'first'),
    tarFile({ name: 'd/b' }, 'second'),
  );
  const made = await maker.create(source([archive]));
  assert.deepEqual(await maker.texts(made.output), { a: 'first', 'd/b': 'second' });
  assert.deepEqual([made.entries, made.files, made.bytes, made.newChunks], [4, 2, 11, 2]);
  assert.equal(archive.opened, 1);
});

test('blocks of a file that spans pieces keep their order', async (t) => {
  const maker = new ImageMaker(t);
  const text = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join('');
  const made = await maker.create(source([layer('a.tar', tarFile({ name: 'a' }, text))]));
  assert.equal((await maker.texts(made.output))['a'], text);
  assert.ok(made.chunks > 10);
});

test('a sparse file has holes where nothing is stored', async (t) => {
  const maker = new ImageMaker(t);
  const size = 20 * 4096 + 5;
  const sparse = [
    paxHeader([
      ['GNU.sparse.map', `100,3,4095,2,${10 * 4096},4`],
      ['GNU.sparse.size', String(size)],
    ]),
    tarFile({ name: 'sparse' }, 'abcdefghi'),
  ];
  const made = await maker.create(source([layer('a.tar', ...sparse)]));
  const expected = Buffer.alloc(size);
  expected.write('abc', 100);
  expected.write('de', 4095);
  expected.write('fghi', 10 * 4096);
  assert.equal((await maker.texts(made.output))['sparse'], expected.toString('latin1'));
  assert.deepEqual([made.chunks, made.holes, made.holeBytes], [3, 18, 17 * 4096 + 5]);
});

test('of layers, only what survives is stored', async (t) => {
  const maker = new ImageMaker(t);
  const lower = layer(
    'lower',
    tarFile({ name: 'kept' }, 'kept'),
    tarFile({ name: 'replaced' }, 'old'),
    tarFile({ name: 'hidden' }, 'hidden'),
    tarFile({ name: 'twice' }, 'once'),
    tarFile({ name: 'twice' }, 'again'),
  );
  const upper = layer(
    'upper',
    tarFile({ name: 'replaced' }, 'new'),
    tarFile({ name: '.wh.hidden' }),
    tarFile({ name: 'link', type: '1', link: 'kept' }),
  );
  const made = await maker.create(source([lower, upper]));
  assert.deepEqual(await maker.texts(made.output), {
    kept: 'kept',
    link: 'kept',
    replaced: 'new',
    twice: 'again',
  });
  assert.equal((await maker.chunkIds()).length, 3);
  assert.deepEqual([lower.opened, upper.opened], [2, 1]);
  const inodes = await maker.inodes(made.output);
  assert.equal(inodes.get('kept'), inodes.get('link'));
});

test('a lower layer of which nothing is left is not read again', async (t) => {
  const maker = new ImageMaker(t);
  const lower = layer('lower', tarFile({ name: 'a' }, 'old'));
  await maker.create(source([lower, layer('upper', tarFile({ name: '.wh..wh..opq' }))]));
  assert.equal(lower.opened, 1);
});

test('what is excluded is not stored, unless a link leads to it', async (t) => {
  const maker = new ImageMaker(t);
  const archive = layer(
    'a.tar',
    tarFile({ name: 'secret/key' }, 'key'),
    tarFile({ name: 'secret/shared' }, 'shared'),
    tarFile({ name: 'kept', type: '1', link: 'secret/shared' }),
  );
  const made = await maker.create(source([archive]), { exclude: ['secret'] });
  assert.deepEqual(await maker.texts(made.output), { kept: 'shared' });
  assert.deepEqual([made.entries, made.chunks, archive.opened], [2, 1, 2]);
});

test('a stream with a link to what is excluded is refused', async (t) => {
  const archive = layer(
    'stdin',
    tarFile({ name: 'x' }, 'x'),
    tarFile({ name: 'y', type: '1', link: 'x' }),
  );
  const once = { ...archive, isRepeatable: false };
  await assert.rejects(new ImageMaker(t).create(source([once]), { exclude: ['x'] }), (error) =>
    isG8Error(error, 'ERR_USAGE'),
  );
});

test('owner and time are replaced everywhere, settings are taken over', async (t) => {
  const maker = new ImageMaker(t);
  const layers = [layer('a.tar', tarFile({ name: 'd/a', mtime: '00000000077\0' }, 'x'))];
  const metadata = new Map([['entrypoint', '["/a"]']]);
  const image = new LayersSource({ name: 'image', layers, whiteouts: false, metadata });
  const made = await maker.create(image, { owner: { uid: 7, gid: 8 }, mtimeSeconds: 9 });
  for (const [path, inode] of await maker.inodes(made.output)) {
    assert.deepEqual([inode.uid, inode.gid, inode.mtimeSeconds], [7, 8, 9], path);
  }
});

test('progress knows how much of the archives has been read', async (t) => {
  const maker = new ImageMaker(t);
  const lower = layer('lower', tarFile({ name: 'a' }, 'a'));
  const upper = layer('upper', tarFile({ name: 'b' }, 'b'));
  const progress = createProgress();
  await maker.create(source([lower, upper]), { progress });
  const { entries, bytes, bytesTotal, position, positionTotal } = progress;
  assert.deepEqual([entries, bytes, bytesTotal], [3, 2, 0]);
  assert.deepEqual([position, positionTotal], [lower.size, lower.size]);
});

test('an archive that is wrong is named', async (t) => {
  const archive = layer('bad.tar', tarFile({ name: '../a' }, 'x'));
  await assert.rejects(new ImageMaker(t).create(source([archive])), {
    code: 'ERR_FLIST_FORMAT',
    message: 'bad.tar: Tar archive is malformed at ../a (byte 0): a path with .. in it',
  });
});

test('a file of absurd size is refused before anything is held for it', async (t) => {
  const sparse = [
    paxHeader([
      ['GNU.sparse.map', ''],
      ['GNU.sparse.size', '900000000000000'],
    ]),
    tarFile({ name: 'sparse' }),
  ];
  await assert.rejects(new ImageMaker(t).create(source([layer('a.tar', ...sparse)])), {
    code: 'ERR_CREATE',
    message: /sparse of a.tar has 900000000000000 bytes, with which .* more than \d+ chunks/,
  });
});

test('a layer that gives other bytes when it is read again is refused', async (t) => {
  const first = layer('lower', tarFile({ name: 'a' }, 'first'));
  const second = layer('lower', tarFile({ name: 'a' }, 'other one'));
  const changing: Layer = {
    ...first,
    open: (options) => (first.opened === 0 ? first.open(options) : second.open(options)),
  };
  await assert.rejects(
    new ImageMaker(t).create(source([changing, layer('upper', tarFile({ name: 'b' }))])),
    (error) => isG8Error(error, 'ERR_IO') && /changed while it was read/.test(error.message),
  );
});

test('a failing store ends the reading, and the source is closed', async (t) => {
  const maker = new ImageMaker(t);
  maker.store.put = () => Promise.reject(new G8Error('ERR_STORE_UNAVAILABLE', 'Store is down'));
  let closed = 0;
  const image = new LayersSource({
    name: 'image',
    layers: [layer('a.tar', tarFile({ name: 'a' }, 'x'))],
    whiteouts: false,
    onClose: async () => {
      closed++;
    },
  });
  await assert.rejects(maker.create(image), (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
  assert.equal(closed, 1);
});

test('an abort ends a stream that gives nothing', async (t) => {
  const controller = new AbortController();
  const silent: Layer = {
    name: 'silent',
    isRepeatable: false,
    async *open({ signal }) {
      yield tarFile({ name: 'a' }, 'x');
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        controller.abort(new G8Error('ERR_ABORTED', 'Interrupted'));
      });
    },
  };
  await assert.rejects(
    new ImageMaker(t).create(source([silent]), { signal: controller.signal }),
    (error) => isG8Error(error, 'ERR_ABORTED'),
  );
});
