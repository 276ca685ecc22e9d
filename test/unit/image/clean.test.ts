import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { ALWAYS_CLEANED, CLEANING, limitTimes, removeMatching } from '../../../src/image/clean.ts';
import { compileExcludes } from '../../../src/image/glob.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('removeMatching() takes what the sets name and keeps licences', async (t) => {
  const root = temporaryDirectory(t);
  const kept = ['usr/share/doc/a/copyright', 'usr/bin/a', 'var/log/a/.keep', 'var/cache/apt/.'];
  const gone = [
    'usr/share/doc/a/changelog.gz',
    'usr/share/doc/a/README',
    'usr/share/man/man1/a.1',
    'usr/share/locale/de/a.mo',
    'var/log/a/b.log',
    'var/log/btmp',
    'var/cache/apt/pkgcache.bin',
    'var/lib/apt/lists/b',
    'tmp/x',
    'etc/machine-id',
    'etc/resolv.conf',
  ];
  for (const path of [...kept, ...gone]) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    if (!path.endsWith('.')) writeFileSync(join(root, path), '');
  }
  const { docs, locales, logs, caches } = CLEANING;
  const sets = [...ALWAYS_CLEANED, ...docs, ...locales, ...logs, ...caches];
  await removeMatching(root, compileExcludes(sets));
  assert.deepEqual(
    kept.filter((path) => !existsSync(join(root, path))),
    [],
  );
  assert.deepEqual(
    gone.filter((path) => existsSync(join(root, path))),
    [],
  );
});

test('limitTimes() makes nothing older, and follows no link', async (t) => {
  const root = temporaryDirectory(t);
  const outside = join(temporaryDirectory(t), 'outside');
  writeFileSync(outside, '');
  utimesSync(outside, 5000, 5000);
  writeFileSync(join(root, 'old'), '');
  utimesSync(join(root, 'old'), 10, 10);
  writeFileSync(join(root, 'new'), '');
  symlinkSync(outside, join(root, 'link'));
  await limitTimes(root, 1000);
  const seconds = (path: string): number => lstatSync(path).mtimeMs / 1000;
  assert.deepEqual(
    ['old', 'new', 'link', '.'].map((name) => seconds(join(root, name))),
    [10, 1000, 1000, 1000],
  );
  assert.equal(seconds(outside), 5000);
});
