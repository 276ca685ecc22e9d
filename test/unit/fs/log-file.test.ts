import assert from 'node:assert/strict';
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { continuedLog, openLog } from '../../../src/fs/log-file.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const TOO_LARGE = 9 * 1024 * 1024;

test('a daemon that its keeper starts goes on in the log of its predecessor', (context) => {
  const cache = temporaryDirectory(context);
  const given = openLog(cache);
  assert.equal(continuedLog(cache, given), given);
  closeSync(given);
});

for (const [what, change] of [
  ['was renamed', (path: string) => renameSync(path, `${path}.1`)],
  ['was removed', (path: string) => rmSync(path)],
  ['is too large', (path: string) => truncateSync(path, TOO_LARGE)],
] as const) {
  test(`a daemon whose keeper has a log that ${what} begins another one`, (context) => {
    const cache = temporaryDirectory(context);
    const path = join(cache, 'run/daemon.log');
    const given = openLog(cache);
    change(path);
    const fd = continuedLog(cache, given);
    writeSync(fd, 'said\n');
    assert.notEqual(fd, given);
    assert.equal(readFileSync(path, 'utf8'), 'said\n');
    closeSync(fd);
    closeSync(given);
  });
}

test('output that is no file stays', (context) => {
  const cache = temporaryDirectory(context);
  const given = openSync('/dev/null', 'a');
  assert.equal(continuedLog(cache, given), given);
  closeSync(given);
});
