import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DiskSilence } from '../../../src/fs/disk-silence.ts';
import { DiskWatch } from '../../../src/fs/disk-watch.ts';
import { whileDiskAnswers } from '../../../src/fs/while-disk-answers.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('DiskSilence: a disk is silent that has something to do and has done nothing since the last look', (t) => {
  const dir = temporaryDirectory(t);
  mkdirSync(join(dir, 'cciss!c0d0'));
  const silence = new DiskSilence(['cciss/c0d0', 'gone'], dir);
  /** As Linux writes it: reads, writes, discards and flushes that ended, and what is under way. */
  const look = (reads: number, writes: number, underWay: number, flushes = 0): boolean => {
    const stat = `${reads} 0 0 0 ${writes} 0 0 0 ${underWay} 0 0 0 0 0 0 ${flushes} 0\n`;
    writeFileSync(join(dir, 'cciss!c0d0', 'stat'), stat);
    return silence.look();
  };
  assert.equal(look(5, 5, 1), false, 'nothing to compare with');
  assert.equal(look(5, 5, 1), true);
  assert.equal(look(5, 6, 1), false);
  assert.equal(look(5, 6, 1, 1), false);
  assert.equal(look(5, 6, 0, 1), false, 'idle');
  assert.equal(look(5, 6, 1, 1), false, 'just begun');
  assert.equal(look(5, 6, 2, 1), true);
});

test('DiskWatch tells the cache what the driver, a waiting load or the disk itself shows', (t) => {
  const told: string[] = [];
  let trouble: { reason: 'hanging'; message: string; sinceMs: number } | undefined;
  const shows = { away: false, waits: false, silent: false };
  const watch = new DiskWatch({
    cache: {
      noteSilence: (silence) => void told.push(silence),
      get trouble() {
        return trouble;
      },
    },
    driver: { isDiskAway: () => shows.away },
    slowReads: { waitsForDisk: () => shows.waits },
    silence: { look: () => shows.silent },
  });
  t.after(() => watch.close());
  watch.look();
  shows.waits = true;
  watch.look();
  Object.assign(shows, { waits: false, silent: true });
  watch.look();
  shows.away = true;
  watch.look();
  trouble = { reason: 'hanging', message: 'known', sinceMs: 0 };
  watch.look();
  assert.deepEqual(told, ['doubt', 'doubt', 'hangs']);
});

test('whileDiskAnswers() ends with its work, or without it when the disk hangs', async () => {
  let doubts = 0;
  const cache = { noteSilence: () => void doubts++, trouble: undefined };
  assert.equal(await whileDiskAnswers(cache, Promise.resolve()), true);
  await assert.rejects(whileDiskAnswers(cache, Promise.reject(new Error('no'))), /no/);
  assert.equal(doubts, 0);
  const trouble = { reason: 'hanging', message: 'known', sinceMs: 0 } as const;
  const graceMs = 10;
  const stuck = new Promise<void>(() => {});
  assert.equal(await whileDiskAnswers({ ...cache, trouble }, stuck, graceMs), false);
});
