/** Flists of the historical tools, mounted with their own chunks served over HTTP. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fixturesDir } from '../support/fixtures.ts';
import { MountWorld, run } from '../support/mount-world.ts';

const fixtures = fixturesDir();
const skip = fixtures === undefined ? 'the recorded flists are not here' : false;

interface Expected {
  readonly entries: Record<
    string,
    { type: string; size: number; sha256?: string; pathHex?: string }
  >;
}

for (const [generation, folder, flist] of [
  ['G1', 'rocksdb', 'sample-legacy.flist'],
  ['G3', 'zflist', 'sample.flist'],
] as const) {
  test(`mount of a ${generation} flist shows every file with its digest`, {
    skip,
  }, async (context) => {
    const world = new MountWorld(context);
    const source = join(fixtures as string, folder);
    for (const id of readdirSync(join(source, 'chunks'))) {
      const target = join(world.hubData, 'chunks', id.slice(0, 2));
      mkdirSync(target, { recursive: true });
      copyFileSync(join(source, 'chunks', id), join(target, id));
    }
    await world.startHub();
    const mnt = await world.mount(join(source, flist), '--store', world.hubUrl);
    const expected = JSON.parse(readFileSync(join(source, 'expected.json'), 'utf8')) as Expected;

    // In one child: perl reads what it is told, by the bytes of each path.
    const script =
      'use Digest::SHA; while (<STDIN>) { chomp; my $p = pack("H*", $_); my $d = Digest::SHA->new(256);' +
      'print "$_ ", (eval { $d->addfile("$ARGV[0]/$p", "b")->hexdigest } // "unreadable"), "\\n" }';
    const files = Object.entries(expected.entries).filter(
      ([, entry]) => entry.sha256 !== undefined,
    );
    const wanted = files.map(
      ([path, entry]) =>
        `${entry.pathHex ?? Buffer.from(path.replace(/^\//, '')).toString('hex')} ${entry.sha256}`,
    );
    const list = wanted.map((line) => line.split(' ')[0]).join('\n');
    const seen = await run('sh', '-c', `printf '%s\\n' "$0" | perl -e '${script}' '${mnt}'`, list);
    assert.deepEqual(seen.stdout.trim().split('\n').sort(), wanted.sort(), seen.stderr);
    assert.ok(files.length > 20);
    await world.unmount(mnt);
  });
}

test('the metadata of the 2017 Ubuntu flist is walked through a mount', {
  skip,
}, async (context) => {
  const world = new MountWorld(context);
  const mnt = await world.mount(join(fixtures as string, 'rocksdb/ubuntu1604-2017.flist'));
  const seen = await run('find', mnt, '-printf', '%y\n');
  const counts = new Map<string, number>();
  for (const type of seen.stdout.trim().split('\n')) counts.set(type, (counts.get(type) ?? 0) + 1);
  assert.equal(counts.get('d'), 1084);
  assert.equal(counts.get('f'), 8970);
  assert.equal(counts.get('l'), 1811);
  assert.equal(seen.stdout.trim().split('\n').length, 1084 + 8970 + 1811 + 79);
  await world.unmount(mnt);
});
