/** Flists of one generation in the form of another, read back by other means than ours; merging and stacking. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CODEC } from '../../../src/base/codec.ts';
import { addon } from '../../../src/native/load.ts';
import { fixturesDir } from '../../support/fixtures.ts';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { type DecodedEntry, decodeZflist, hasCapnp } from '../../support/zflist-decoder.ts';

const fixtures = fixturesDir();
if (process.env['CI'] === 'true') assert.ok(hasCapnp, 'The tool capnp is missing');
const reason = 'fixtures or the tool capnp are not installed';
const options = { skip: fixtures === undefined || !hasCapnp ? reason : false };
const BLOCK_SIZE = 512 * 1024;

interface Expected {
  entries: Record<
    string,
    {
      type: DecodedEntry['type'];
      pathHex: string;
      size: number;
      mtime: number;
      mode: string;
      uid: number;
      gid: number;
      sha256?: string;
      chunks?: { key: string; decipher: string }[];
      target?: string;
      targetHex?: string;
      original?: { mode: string; major: number; minor: number };
    }
  >;
  metadata: Record<string, string>;
}

async function flist(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['flist', ...args]);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** SHA-256 of files one behind the other, from the chunks of a store, each decoded and verified. */
async function contentOf(files: readonly DecodedEntry[], store: string): Promise<string> {
  const hash = createHash('sha256');
  for (const { size, chunks = [] } of files) {
    for (const [i, { key, decipher }] of chunks.entries()) {
      const name = key.toString('hex');
      const stored = readFileSync(join(store, name.slice(0, 2), name));
      const plainSize = Math.min(BLOCK_SIZE, size - i * BLOCK_SIZE);
      const request = { stored, codec: CODEC.legacyG2, id: key, plainDigest: decipher, plainSize };
      hash.update(await addon().decodeChunk(request));
    }
  }
  return hash.digest('hex');
}

/** Files and links of an image as the recorded views list them. */
async function viewOf(path: string, store: string): Promise<Record<string, unknown>> {
  const view: Record<string, unknown> = {};
  const names = (await flist('find', path)).trimEnd().split('\n');
  const stats = (await flist('stat', path, ...names, '--json')).trimEnd().split('\n');
  const types: Record<string, string> = { file: '0o10', directory: '0o4', symlink: '0o12' };
  for (const [i, name] of names.entries()) {
    const { mode, target, type } = JSON.parse(stats[i] as string);
    view[name === '/' ? '/' : name.slice(1)] = {
      mode: `${types[type]}${mode}`,
      ...(target !== undefined && { target }),
      ...(type === 'file' && { content: await flist('cat', path, name, '-s', store) }),
    };
  }
  return view;
}

test(
  'zflist to ours and back is what zflist has written, to the last chunk',
  options,
  async (t) => {
    const folder = temporaryDirectory(t);
    const [ours, back] = [join(folder, 'ours.flist'), join(folder, 'back.flist')];
    const [zstd, legacy] = [join(folder, 'zstd'), join(folder, 'legacy')];
    const recorded = join(fixtures as string, 'zflist');
    const from = ['--from', join(recorded, 'chunks')];
    await flist(
      'convert',
      join(recorded, 'sample.flist'),
      ours,
      '--recompress',
      '-s',
      zstd,
      ...from,
    );
    assert.equal(JSON.parse(await flist('info', ours, '--json')).generation, 'ours');
    const args = [
      'convert',
      ours,
      back,
      '--compat',
      'zflist',
      '-s',
      legacy,
      '--from',
      zstd,
      '--json',
    ];
    const summary = JSON.parse(await flist(...args));
    assert.deepEqual([summary.lost, summary.newChunks], [[], 51]);

    const expected = JSON.parse(readFileSync(join(recorded, 'expected.json'), 'utf8')) as Expected;
    const { entries, metadata } = await decodeZflist(back);
    assert.deepEqual(metadata, expected.metadata);
    assert.equal(entries.size, Object.keys(expected.entries).length);
    for (const [path, entry] of Object.entries(expected.entries)) {
      const found = entries.get(entry.pathHex) as DecodedEntry;
      assert.ok(found, path);
      const { type, mtime, uid, gid } = found;
      assert.deepEqual(
        [type, mtime, uid, gid],
        [entry.type, entry.mtime, entry.uid, entry.gid],
        path,
      );
      assert.equal(found.mode, Number.parseInt(entry.mode, 8), path);
      if (type !== 'special') assert.equal(found.size, entry.size, path);
      if (type === 'link') {
        assert.equal(
          found.target,
          entry.targetHex ?? Buffer.from(entry.target ?? '').toString('hex'),
        );
      }
      if (type !== 'file') continue;
      const chunks = found.chunks?.map(({ key, decipher }) => [
        key.toString('hex'),
        decipher.toString('hex'),
      ]);
      assert.deepEqual(
        chunks,
        entry.chunks?.map(({ key, decipher }) => [key, decipher]),
        path,
      );
      assert.equal(found.blockSize, 128);
      assert.equal(await contentOf([found], legacy), entry.sha256, path);
    }
    // What zflist stored every special file as is not what it was; here the type is right.
    const device = entries.get(Buffer.from('special/char-big').toString('hex'));
    assert.deepEqual([device?.specialType, device?.specialData], ['chardev', '511,70000']);
  },
);

test('a flist of 2017 becomes one of zflist with the same contents', options, async (t) => {
  const folder = temporaryDirectory(t);
  const [output, legacy] = [join(folder, 'z.flist'), join(folder, 'legacy')];
  const recorded = join(fixtures as string, 'rocksdb');
  const source = join(recorded, 'sample-legacy.flist');
  const from = ['--from', join(recorded, 'chunks')];
  await flist('convert', source, output, '--compat', 'zflist', '-s', legacy, ...from);
  const { entries } = await decodeZflist(output);
  const names = (await flist('find', source, '--type', 'f', '-0')).split('\0').slice(0, -1);
  const files = names.map((name) => {
    const entry = entries.get(Buffer.from(name.slice(1)).toString('hex'));
    assert.equal(entry?.type, 'file', name);
    return entry as DecodedEntry;
  });
  assert.equal([...entries.values()].filter(({ type }) => type === 'file').length, files.length);
  const all = await runCli(['flist', 'cat', source, ...names, '-s', join(recorded, 'chunks')]);
  const digest = createHash('sha256').update(all.stdoutBytes).digest('hex');
  assert.equal(await contentOf(files, legacy), digest);
});

test('what is lost is told, counted, and refused when asked to', options, async (t) => {
  const folder = temporaryDirectory(t);
  const source = join(folder, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'zeros'), new Uint8Array(600_000));
  writeFileSync(join(source, 'old'), 'old');
  linkSync(join(source, 'old'), join(source, 'linked'));
  // Node takes a negative number for the present.
  execFileSync('touch', ['-d', '1969-12-31T23:59:55Z', join(source, 'old')]);
  utimesSync(join(source, 'zeros'), 0, 1);
  utimesSync(source, 0, 2.5);
  const [image, output, store] = ['a.flist', 'z.flist', 'store'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await flist('create', source, image, '-s', store, '--block-size', '4KiB');
  const args = ['flist', 'convert', image, output, '--compat', 'zflist', '-s', store];
  const strict = await runCli([...args, '--strict']);
  assert.equal(strict.code, 73);
  assert.match(strict.stderr, /hard links \(1\)/);
  const { stdout, stderr } = await runCli(args);
  assert.match(stderr, /not in the file: times before 1970 \(1\)\n/);
  assert.match(stdout, /^Flist .*z\.flist/);
  const lost = JSON.parse((await runCli([...args, '--json'])).stdout).lost as { what: string }[];
  assert.deepEqual(lost.map(({ what }) => what).sort(), [
    'fractions of seconds',
    'hard links',
    'times before 1970',
  ]);
  const { entries } = await decodeZflist(output);
  const zeros = entries.get(Buffer.from('zeros').toString('hex')) as DecodedEntry;
  // Historical readers know no holes.
  assert.equal(zeros.chunks?.length, 2);
  assert.equal(
    await contentOf([zeros], store),
    createHash('sha256').update(new Uint8Array(600_000)).digest('hex'),
  );
  const again = join(folder, 'again.flist');
  await flist('convert', image, again, '--compat', 'zflist', '-s', store);
  assert.deepEqual(readFileSync(again), readFileSync(output));
});

test(
  'a flist keeps its chunks when nobody asks for others; g1 has those of 2017',
  options,
  async (t) => {
    const folder = temporaryDirectory(t);
    const [kept, g1, store] = ['kept.flist', 'g1.flist', 'store'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    const recorded = join(fixtures as string, 'zflist/layers');
    const source = join(recorded, 'lower.flist');
    await flist('convert', source, kept);
    assert.equal(await flist('cat', kept, '/both/f', '-s', join(recorded, 'chunks')), 'A\n');
    await flist(
      'convert',
      kept,
      g1,
      '--compat',
      'g1',
      '-s',
      store,
      '--from',
      join(recorded, 'chunks'),
    );
    assert.equal(await flist('cat', g1, '/both/f', '-s', store), 'A\n');
    const broken = await runCli([
      'flist',
      'convert',
      kept,
      g1,
      '--compat',
      'g1',
      '-s',
      join(folder, 'no'),
    ]);
    assert.equal(broken.code, 69);
    assert.equal((await runCli(['flist', 'convert', kept, g1, '--compat', 'g1'])).code, 64);
  },
);

test('merge and stack give the recorded views, without the double name', options, async (t) => {
  const folder = temporaryDirectory(t);
  const recorded = join(fixtures as string, 'zflist/layers');
  const store = join(recorded, 'chunks');
  const [lower, upper] = [join(recorded, 'lower.flist'), join(recorded, 'upper.flist')];
  const { stackedView, mergedView, metadata } = JSON.parse(
    readFileSync(join(recorded, 'expected.json'), 'utf8'),
  );
  const [merged, last, stacked] = ['m', 'l', 's'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await flist('merge', merged, lower, upper);
  await flist('merge', last, lower, upper, '--last-wins');
  await flist('stack', stacked, lower, upper);
  // zflist keeps a file and adds a directory of that name; mounts then show the directory.
  const { filedir: _, 'filedir/in': __, ...others } = mergedView;
  assert.deepEqual(await viewOf(merged, store), {
    ...others,
    filedir: { mode: '0o100644', content: 'A\n' },
  });
  assert.deepEqual(await viewOf(stacked, store), stackedView);
  assert.deepEqual(readFileSync(last), readFileSync(stacked));
  assert.deepEqual(JSON.parse(await flist('metadata', 'list', merged, '--json')), metadata.lower);
  assert.deepEqual(JSON.parse(await flist('metadata', 'list', stacked, '--json')), metadata.upper);
});
