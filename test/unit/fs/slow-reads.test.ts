import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Trail } from '../../../src/base/trail.ts';
import { MissLog } from '../../../src/fs/miss-log.ts';
import { SlowReads } from '../../../src/fs/slow-reads.ts';

type Line = readonly [fields: Readonly<Record<string, unknown>>, message: string];

function world(find: () => Promise<Uint8Array | undefined>) {
  const lines: Line[] = [];
  const write = (fields: Line[0], message: string) => void lines.push([fields, message]);
  const log = { debug: write, info: write, warn: write, error: write };
  const slowReads = new SlowReads({ thresholdMs: 5_000, log });
  return { lines, misses: new MissLog({ mountPoint: '/mnt/a', names: { find }, slowReads }) };
}

/** A read that has waited so long when it is first seen. */
function wanted(waitedMs: number) {
  return { content: 0, block: 3, count: 1, nid: 40, offset: 8192, size: 4096, waitedMs };
}

test('SlowReads tells what a read waits for, and when it is over', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { lines, misses } = world(async () => Buffer.from('/etc/motd'));
  const quick = misses.begin(wanted(0));
  const miss = misses.begin(wanted(6_000));
  const load = new Trail();
  load.enter('network');
  load.chunk = 'ab12';
  load.store = 'http://hub.example/';
  miss.addLoad(load);
  t.mock.timers.tick(1_000);
  t.mock.timers.tick(1_000);
  await nextTurn();
  assert.equal(lines.length, 1, 'once, until it has waited twice as long');
  const [fields, message] = lines[0] as Line;
  assert.equal(message, 'read waits for chunk ab12 from http://hub.example/');
  const { mountPoint, path, offset, size, reason, chunk, store } = fields;
  assert.deepEqual(
    { mountPoint, path, offset, size, reason, chunk, store },
    {
      mountPoint: '/mnt/a',
      path: '/etc/motd',
      offset: 8192,
      size: 4096,
      reason: 'network',
      chunk: 'ab12',
      store: 'http://hub.example/',
    },
  );
  misses.end(miss);
  misses.end(quick);
  await nextTurn();
  assert.deepEqual(
    lines.slice(1).map((line) => line[1]),
    ['slow read has ended'],
  );
  assert.equal(misses.totals.waits.slow, 1);
  assert.equal(misses.totals.waits.count, 2);
});

test('SlowReads names the inode when its path cannot be told', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { lines, misses } = world(() => Promise.reject(new Error('broken index')));
  const miss = misses.begin(wanted(60_000));
  t.mock.timers.tick(1_000);
  await nextTurn();
  const [fields, message] = lines[0] as Line;
  assert.equal(fields['path'], 'inode 40');
  assert.equal(message, 'read waits for the disk of the cache');
  misses.end(miss);
});
