/** What `flist create` takes: archives in every packing, streams, other flists, folders again. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { type CliResult, runCli, startCli } from '../../support/run-cli.ts';
import { TAR_END, tarFile } from '../../support/tar-blocks.ts';

let work = '';
const at = (name: string): string => join(work, name);
const store = (): string => `dir://${at('store')}`;

interface Summary {
  readonly rootDigest: string;
  readonly entries: number;
  readonly newChunks: number;
  readonly reusedFiles: number;
}

function create(source: string, ...flags: string[]): Promise<CliResult> {
  return runCli(['flist', 'create', source, at('out.flist'), '-s', store(), '--json', ...flags]);
}

async function created(source: string, ...flags: string[]): Promise<Summary> {
  const { code, stdout, stderr } = await create(source, ...flags);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Summary;
}

before(async () => {
  work = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  mkdirSync(at('root/etc'), { recursive: true });
  writeFileSync(at('root/etc/hello'), 'hello\n');
  writeFileSync(at('root/large'), Buffer.alloc(3_000_000, 'some text that repeats\n'));
  writeFileSync(at('root/skipped.tmp'), 'skipped');
  execFileSync('tar', ['--format=pax', '-C', at('root'), '-cf', at('plain.tar'), '.']);
  for (const [program, suffix] of [
    ['gzip', 'gz'],
    ['zstd', 'zst'],
    ['xz', 'xz'],
  ] as const) {
    const packed = execFileSync(program, ['-qc', at('plain.tar')], { maxBuffer: 1 << 26 });
    writeFileSync(at(`archive-${suffix}`), packed);
  }
});

after(() => rmSync(work, { recursive: true, force: true }));

test('flist create gives one image of a folder and of its archive in every packing', async () => {
  const { rootDigest } = await created(at('root'));
  for (const name of ['plain.tar', 'archive-gz', 'archive-zst', 'archive-xz']) {
    const made = await created(at(name));
    assert.deepEqual([made.rootDigest, made.newChunks, made.entries], [rootDigest, 0, 5], name);
  }
  assert.equal((await created(`tar:${at('archive-xz')}`)).rootDigest, rootDigest);
  assert.equal((await created(`dir:${at('root')}`)).rootDigest, rootDigest);
});

test('flist create takes an archive from standard input', async () => {
  const { rootDigest } = await created(at('root'));
  for (const name of ['plain.tar', 'archive-zst']) {
    const child = startCli(
      ['flist', 'create', '-', at('in.flist'), '-s', store(), '--json'],
      {},
      'pipe',
    );
    child.stdin?.end(readFileSync(at(name)));
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
    });
    assert.deepEqual(await once(child, 'close'), [0, null]);
    assert.equal((JSON.parse(text) as Summary).rootDigest, rootDigest);
  }
});

test('flist create ends when its input ends too early or is interrupted', async () => {
  const args = ['flist', 'create', '-', at('cut.flist'), '-s', store()];
  const cut = startCli(args, {}, 'pipe');
  cut.stdin?.end(readFileSync(at('plain.tar')).subarray(0, 1_000_000));
  assert.deepEqual(await once(cut, 'close'), [65, null]);
  const waiting = startCli(args, {}, 'pipe');
  waiting.stdin?.write(readFileSync(at('plain.tar')).subarray(0, 1_000_000));
  await once(waiting.stdin as NonNullable<typeof waiting.stdin>, 'drain');
  waiting.kill('SIGINT');
  assert.deepEqual(await once(waiting, 'close'), [130, null]);
});

test('flist create takes another flist, and chunks from where it has them', async () => {
  const { rootDigest } = await created(at('root'));
  const other = ['-s', `dir://${at('other')}`, '--source-store', store()];
  const args = ['flist', 'create', at('out.flist'), at('copy.flist'), '--json', ...other];
  const copied = JSON.parse((await runCli(args)).stdout) as Summary;
  assert.equal(copied.rootDigest, rootDigest);
  assert.ok(copied.newChunks > 0);
  const cat = await runCli([
    'flist',
    'cat',
    at('copy.flist'),
    '/etc/hello',
    '-s',
    `dir://${at('other')}`,
  ]);
  assert.equal(cat.stdout, 'hello\n');
  const missing = await create(at('out.flist'), '-s', `dir://${at('third')}`);
  assert.deepEqual([missing.code, missing.stderr.includes('--source-store')], [78, true]);
  const piped = startCli(['flist', 'create', '-', at('x.flist'), '-s', store()], {}, 'pipe');
  piped.stdin?.end(readFileSync(at('out.flist')));
  assert.deepEqual(await once(piped, 'close'), [64, null]);
});

test('flist create leaves out, replaces owners and times in archives too', async () => {
  const flags = ['-x', '*.tmp', '--owner', '5:6', '--mtime', '7'];
  const folder = await created(at('root'), ...flags);
  const archive = await created(at('archive-gz'), ...flags);
  assert.equal(folder.entries, 4);
  assert.deepEqual(archive, { ...folder, output: at('out.flist'), ...timeOf(archive) });
});

test('flist create with a parent reads what has changed', async () => {
  await created(at('root'));
  const parent = at('parent.flist');
  writeFileSync(parent, readFileSync(at('out.flist')));
  assert.equal((await created(at('root'), '--parent', parent)).reusedFiles, 3);
  appendFileSync(at('root/skipped.tmp'), '!');
  const again = await created(at('root'), '--parent', parent);
  assert.deepEqual([again.reusedFiles, again.newChunks], [2, 1]);
  assert.equal(again.rootDigest, (await created(at('root'))).rootDigest);
});

test('flist create refuses flags that do not go with the source', async () => {
  for (const flags of [['--parent', at('out.flist')], ['--one-file-system']]) {
    const { code, stderr } = await create(at('plain.tar'), ...flags);
    assert.deepEqual([code, /for folders/.test(stderr)], [64, true]);
  }
});

test('flist create says what is wrong with an archive', async () => {
  const gzip = readFileSync(at('archive-gz'));
  const broken = Buffer.from(readFileSync(at('archive-zst')));
  broken.fill(0, 100, 200);
  for (const [bytes, message] of [
    [Buffer.from('no archive at all'), /is no folder, tar archive or flist: .*cut off/],
    [new Uint8Array(0), /it is empty/],
    [Buffer.concat([tarFile({ name: 'a' }), tarFile({ name: '../b' }), TAR_END]), /at \.\.\/b/],
    [gzip.subarray(0, gzip.length / 2), /cut off|unexpected end/i],
    [broken, /zstd/i],
  ] as const) {
    writeFileSync(at('bad'), bytes);
    const { code, stderr } = await create(at('bad'));
    const { message: said } = JSON.parse(stderr) as { message: string };
    assert.equal(code, 65, said);
    assert.match(said, message);
  }
});

function timeOf(summary: Summary): Partial<Summary> {
  return { seconds: (summary as unknown as { seconds: number }).seconds } as Partial<Summary>;
}
