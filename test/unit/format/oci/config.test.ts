import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../../../src/base/errors.ts';
import { formatConfig, type ImageConfig, parseConfig } from '../../../../src/format/oci/config.ts';
import { configOfMetadata, metadataOfConfig } from '../../../../src/format/oci/metadata.ts';
import { parsePlatform } from '../../../../src/format/oci/platform.ts';

const diffId = `sha256:${'b'.repeat(64)}`;
const amd64 = parsePlatform('linux/amd64');
const parse = (config: unknown, top: object = {}): ImageConfig =>
  parseConfig(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        ...top,
        config,
        rootfs: { type: 'layers', diff_ids: [diffId] },
      }),
    ),
    'C',
  );
const refused = (message: RegExp) => (error: unknown) =>
  isG8Error(error, 'ERR_FLIST_FORMAT') && message.test(error.message)
    ? true
    : assert.fail(String(error));

test('parseConfig() reads what docker writes, nulls included', () => {
  const { run, platform } = parse({
    User: '',
    Env: ['PATH=/bin', 'EMPTY=', 'BARE', 'A=b=c', 'PATH=/usr/bin'],
    Entrypoint: null,
    Cmd: ['sh'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8080': {} },
    Volumes: { '/data': {} },
    Labels: null,
    WorkingDir: '/srv',
    StopSignal: 'SIGQUIT',
    OnBuild: ['ignored'],
  });
  assert.deepEqual(platform, amd64);
  assert.deepEqual(
    [...(run.environ ?? [])],
    [
      ['PATH', '/usr/bin'],
      ['EMPTY', ''],
      ['BARE', ''],
      ['A', 'b=c'],
    ],
  );
  assert.deepEqual([run.user, run.entrypoint, run.labels], [undefined, undefined, undefined]);
  assert.deepEqual(
    new Set(run.ports?.map(({ protocol, port }) => `${protocol}/${port}`)),
    new Set(['tcp/80', 'udp/53', 'tcp/8080']),
  );
});

test('parseConfig() refuses absurd values', () => {
  const cases: [unknown, RegExp][] = [
    [{ Env: ['=x'] }, /variable without a name/],
    [{ Env: ['A\0=x'] }, /NUL/],
    [{ Env: 'PATH=/bin' }, /config\.Env/],
    [{ Env: ['x'.repeat(200_000)] }, /config\.Env\.0/],
    [{ Env: new Array(20_000).fill('A=b') }, /config\.Env/],
    [{ ExposedPorts: { '0/tcp': {} } }, /impossible port 0\/tcp/],
    [{ ExposedPorts: { '99999/tcp': {} } }, /impossible port/],
    [{ ExposedPorts: { http: {} } }, /impossible port/],
    [{ Cmd: [1] }, /config\.Cmd\.0/],
    [{ User: { name: 'root' } }, /config\.User/],
    ['text', /wrong config/],
  ];
  for (const [config, message] of cases) assert.throws(() => parse(config), refused(message));
  assert.throws(() => parse({}, { architecture: '' }), refused(/architecture/));
  const noLayers = { architecture: 'amd64', os: 'linux', rootfs: { type: 'other', diff_ids: [] } };
  assert.throws(() => parseConfig(Buffer.from(JSON.stringify(noLayers)), 'C'), refused(/rootfs/));
});

test('metadataOfConfig() writes the keys of flists', () => {
  const config = parse(
    {
      Entrypoint: ['/init'],
      Cmd: ['a b', '-v'],
      Env: ['A=1'],
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
      User: '1:2',
      Labels: { k: 'v' },
    },
    { created: '2024-01-02T03:04:05Z' },
  );
  const metadata = metadataOfConfig(config, { source: 'oci://h/r:t', digest: diffId });
  assert.deepEqual(Object.fromEntries(metadata), {
    entrypoint: '["/init","a b","-v"]',
    cmd: '["a b","-v"]',
    environ: '{"A":"1"}',
    port: '{"tcp/80":80}',
    volume: '{"/data":{}}',
    user: '1:2',
    labels: '{"k":"v"}',
    platform: 'linux/amd64',
    created: '2024-01-02T03:04:05Z',
    source: 'oci://h/r:t',
    'source-digest': diffId,
  });
});

test('configuration, settings and back are the same, with bytes that do not change', () => {
  const word = fc.string({ maxLength: 12 }).filter((text) => !text.includes('\0'));
  const name = word.filter((text) => text !== '' && !text.includes('=') && text !== '__proto__');
  const some = <T>(item: fc.Arbitrary<T>) =>
    fc.option(fc.array(item, { minLength: 1, maxLength: 4 }), { nil: undefined });
  const map = fc.option(
    fc
      .dictionary(name, word, { minKeys: 1, maxKeys: 4 })
      .map((value) => new Map(Object.entries(value))),
    { nil: undefined },
  );
  const text = fc.option(name, { nil: undefined });
  const ports = fc.uniqueArray(
    fc.record({
      protocol: fc.constantFrom('tcp', 'udp'),
      port: fc.integer({ min: 1, max: 65_535 }),
    }),
    { minLength: 1, maxLength: 3, selector: ({ protocol, port }) => `${protocol}/${port}` },
  );
  const run = fc.record({
    entrypoint: some(word),
    cmd: some(word),
    environ: map,
    labels: map,
    volumes: fc.option(fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    ports: fc.option(ports, { nil: undefined }),
    workdir: text,
    user: text,
    stopsignal: text,
  });
  fc.assert(
    fc.property(run, (value) => {
      const config: ImageConfig = {
        platform: amd64,
        diffIds: [diffId],
        run: value,
        author: undefined,
        created: undefined,
      };
      const first = formatConfig(config);
      const parsed = parseConfig(first, 'C');
      const again = { ...configOfMetadata(metadataOfConfig(parsed), amd64), diffIds: [diffId] };
      assert.deepEqual(Buffer.from(formatConfig(again)), Buffer.from(formatConfig(parsed)));
      assert.deepEqual(parseConfig(formatConfig(again), 'C'), parsed);
    }),
  );
});

test('configOfMetadata() takes what was set by hand and refuses what is no setting', () => {
  const edited = configOfMetadata(
    new Map([
      ['entrypoint', '["/new"]'],
      ['cmd', '["old"]'],
    ]),
    amd64,
  );
  assert.deepEqual([edited.run.entrypoint, edited.run.cmd], [['/new'], undefined]);
  for (const [key, value] of [
    ['entrypoint', '/bin/sh'],
    ['entrypoint', '{"a":1}'],
    ['environ', '["A=1"]'],
    ['port', '{"80":80}'],
    ['labels', '{"a":1}'],
  ] as const) {
    const read = () => configOfMetadata(new Map([[key, value]]), amd64);
    assert.throws(read, refused(new RegExp(`^Setting '${key}' of the flist`)));
  }
});
