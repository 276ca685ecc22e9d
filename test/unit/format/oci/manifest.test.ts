import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  checkLayoutFile,
  formatIndex,
  formatManifest,
  parseManifest,
} from '../../../../src/format/oci/manifest.ts';
import { checkLayerType, MEDIA_TYPE } from '../../../../src/format/oci/media-type.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const config = { mediaType: MEDIA_TYPE.config, digest, size: 2 };
const layer = { mediaType: MEDIA_TYPE.layerGzip, digest, size: 3 };
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const refused = (message: RegExp) => (error: unknown) =>
  isG8Error(error, 'ERR_FLIST_FORMAT') && message.test(error.message)
    ? true
    : assert.fail(String(error));

test('parseManifest() reads what formatManifest() and formatIndex() write', () => {
  const manifest = parseManifest(formatManifest(config, [layer]), undefined, 'M');
  assert.ok(manifest.kind === 'manifest');
  assert.equal(manifest.layers[0]?.digest, digest);
  const entry = { ...config, mediaType: MEDIA_TYPE.manifest, refName: 'v1' };
  const platform = { os: 'linux', architecture: 'arm64' };
  const index = parseManifest(formatIndex([{ ...entry, platform }]), undefined, 'I');
  assert.ok(index.kind === 'index');
  assert.deepEqual(index.manifests, [{ ...entry, platform }]);
});

test("parseManifest() knows docker's documents, and those without a type by their parts", () => {
  const list = { schemaVersion: 2, mediaType: MEDIA_TYPE.dockerList, manifests: [] };
  assert.equal(parseManifest(bytes(list), undefined, 'M').kind, 'index');
  const plain = { schemaVersion: 2, config, layers: [] };
  assert.equal(parseManifest(bytes(plain), undefined, 'M').kind, 'manifest');
  assert.equal(parseManifest(bytes(plain), MEDIA_TYPE.dockerManifest, 'M').kind, 'manifest');
});

test('parseManifest() refuses a document that is two things at once', () => {
  const both = { schemaVersion: 2, manifests: [], config, layers: [] };
  assert.throws(() => parseManifest(bytes(both), undefined, 'M'), refused(/index at once/));
  const lie = { schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: [] };
  assert.throws(() => parseManifest(bytes(lie), MEDIA_TYPE.index, 'M'), refused(/says it is/));
});

test('parseManifest() refuses old, unknown and broken documents', () => {
  const cases: [unknown, RegExp][] = [
    [{ schemaVersion: 1, fsLayers: [] }, /docker's schema 1/],
    [{ schemaVersion: 2, mediaType: 'text/plain' }, /unknown media type text\/plain/],
    [{ schemaVersion: 2 }, /no image manifest/],
    [[], /wrong form/],
    [null, /wrong form/],
    [{ schemaVersion: 2, config, layers: [{ ...layer, size: -1 }] }, /wrong layers\.0\.size/],
    [{ schemaVersion: 2, config, layers: [{ ...layer, size: 1e300 }] }, /wrong layers\.0\.size/],
    [{ schemaVersion: 2, config, layers: [{ ...layer, digest: 'md5:00' }] }, /layers\.0\.digest/],
    [{ schemaVersion: 2, config, layers: [{ ...layer, digest: `${digest}0` }] }, /0\.digest/],
    [
      { schemaVersion: 2, config: { ...config, digest: '../../etc' }, layers: [] },
      /config\.digest/,
    ],
    [{ schemaVersion: 2, manifests: new Array(5000).fill(config) }, /wrong manifests/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => parseManifest(bytes(value), undefined, 'M'), refused(message));
  }
  assert.throws(() => parseManifest(Buffer.from('{'), undefined, 'M'), refused(/no JSON/));
  assert.throws(
    () => parseManifest(Buffer.from([0x22, 0xff, 0x22]), undefined, 'M'),
    refused(/no JSON/),
  );
  const huge = Buffer.alloc(5 * 1024 * 1024, ' ');
  assert.throws(() => parseManifest(huge, undefined, 'M'), refused(/larger than/));
});

test('checkLayerType() says what is wrong with a layer', () => {
  checkLayerType('application/vnd.docker.image.rootfs.diff.tar.gzip', 'L');
  const foreign = [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ];
  for (const type of foreign) assert.throws(() => checkLayerType(type, 'L'), refused(/foreign/));
  assert.throws(
    () => checkLayerType(`${MEDIA_TYPE.layerGzip}+encrypted`, 'L'),
    refused(/encrypted/),
  );
  assert.throws(() => checkLayerType('a\x1b[2Jb', 'L'), refused(/unknown media type a\?\[2Jb/));
});

test('checkLayoutFile() takes version 1', () => {
  checkLayoutFile(bytes({ imageLayoutVersion: '1.0.0' }), 'L');
  assert.throws(
    () => checkLayoutFile(bytes({ imageLayoutVersion: '2.0.0' }), 'L'),
    refused(/2\.0\.0/),
  );
  assert.throws(() => checkLayoutFile(bytes({}), 'L'), refused(/imageLayoutVersion/));
});
