import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { isSameTag, parseArchiveManifest } from '../../../../src/format/oci/docker-archive.ts';

test('parseArchiveManifest() reads images, with and without names', () => {
  const text =
    '[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]},{"Config":"d","RepoTags":null,"Layers":null}]';
  assert.deepEqual(parseArchiveManifest(Buffer.from(text), 'M'), [
    { config: 'c.json', tags: ['a:1'], layers: ['l/layer.tar'] },
    { config: 'd', tags: [], layers: [] },
  ]);
  for (const bad of ['{}', '[{}]', '[{"Config":""}]', '[{"Config":"c","Layers":"x"}]']) {
    const read = () => parseArchiveManifest(Buffer.from(bad), 'M');
    assert.throws(read, (error) => isG8Error(error, 'ERR_FLIST_FORMAT'), bad);
  }
});

test('isSameTag() understands short names as docker does', () => {
  assert.ok(isSameTag('debian', 'docker.io/library/debian:latest'));
  assert.ok(isSameTag('team/app:1', 'docker.io/team/app:1'));
  assert.ok(isSameTag('localhost:5000/app', 'localhost:5000/app:latest'));
  assert.ok(!isSameTag('debian:11', 'debian'));
  assert.ok(!isSameTag('localhost/app', 'app'));
});
