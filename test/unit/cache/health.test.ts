import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G8Error } from '../../../src/base/errors.ts';
import { DiskHealth, type HealthEvent } from '../../../src/cache/health.ts';

test('a broken disk that is full as well is broken until what was not synced is dropped', async (t) => {
  let disk: G8Error | undefined = new G8Error('ERR_IO', 'broken');
  let restored = 0;
  const events: HealthEvent['type'][] = [];
  const health = new DiskHealth({
    probe: async () => {
      if (disk !== undefined) throw disk;
    },
    restore: async () => void restored++,
    now: Date.now,
    onEvent: ({ type }) => void events.push(type),
  });
  t.after(() => health.close());
  await health.probe();
  assert.equal(health.trust, 'nothing');
  health.writeFailed(new G8Error('ERR_CACHE_FULL', 'full'));
  disk = new G8Error('ERR_CACHE_FULL', 'full');
  await health.probe();
  assert.deepEqual([health.trust, health.trouble?.reason, restored], ['nothing', 'broken', 0]);
  disk = undefined;
  await health.probe();
  assert.deepEqual([health.trust, restored, events], ['all', 1, ['degraded', 'recovered']]);
});
