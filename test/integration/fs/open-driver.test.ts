import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import type { ContentCache } from '../../../src/cache/cache.ts';
import type { Demand } from '../../../src/fs/demand.ts';
import { openDriver } from '../../../src/fs/open-driver.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Files below a folder that this process has open. */
function openFiles(dir: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The descriptor that listed the folder is closed by now.
        return '';
      }
    })
    .filter((path) => path.startsWith(dir));
}

for (const [name, files, code] of [
  ['lacks a file', ['mount.contents'], 'ERR_NO_INPUT'],
  ['is damaged', ['mount.contents', 'mount.chunks'], 'ERR_FLIST_FORMAT'],
] as const) {
  test(`openDriver() leaves no file open when the index ${name}`, async (t) => {
    const indexDir = temporaryDirectory(t);
    for (const file of files) writeFileSync(join(indexDir, file), new Uint8Array(4096));
    const options = {
      mountPoint: '/mnt/a',
      shownAt: '/mnt/a',
      magicXattrs: 'auto',
      indexDir,
      source: 'a.flist',
      allowOther: false,
      openMode: 'auto',
      deadlineMs: 1000,
      recordTouches: false,
      cache: {} as ContentCache,
      demand: {} as Demand,
      store: new MemoryStore(),
      onEnd: () => {},
    } as const;
    await assert.rejects(openDriver('native', options), (error) => isG8Error(error, code));
    assert.deepEqual(openFiles(indexDir), []);
  });
}
