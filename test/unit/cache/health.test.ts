import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
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
    awaitAnswer: async () => {},
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

/** A disk that answers when it is let; `ends` says so. */
function silentDisk(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answers: (() => void)[] = [];
  const events: string[] = [];
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const health = new DiskHealth({
    probe: async () => {},
    awaitAnswer: () => new Promise<void>((resolve) => answers.push(resolve)),
    restore: async () => {},
    now: Date.now,
    onEvent: ({ type }) => void events.push(`${type} ${health.trust}`),
  });
  t.after(() => health.close());
  const pass = async (ms: number): Promise<void> => {
    now += ms;
    t.mock.timers.tick(ms);
    await settle();
  };
  const answer = async (): Promise<void> => {
    for (const each of answers.splice(0)) each();
    await settle();
  };
  return { health, events, pass, answer, answers };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a disk that gives no sign of life in time hangs, until it gives one', async (t) => {
  const { health, events, pass, answer, answers } = silentDisk(t);
  health.doubt();
  health.doubt();
  assert.equal(answers.length, 1, 'one question at a time');
  await pass(1_900);
  await answer();
  await pass(10_000);
  assert.deepEqual(events, [], 'it was only slow');
  health.doubt();
  await pass(2_000);
  assert.deepEqual([events, health.hangs, health.refusesWrites], [['degraded away'], true, true]);
  await pass(6_000);
  await answer();
  assert.deepEqual([events.slice(1), health.trouble], [['recovered all'], undefined]);
});

test('a disk that answers here and not there is left alone for a while', async (t) => {
  const { health, events, pass, answer } = silentDisk(t);
  health.hang();
  await answer();
  assert.equal(health.trust, 'away');
  await pass(5_000);
  await answer();
  assert.deepEqual(events, ['degraded away', 'recovered all']);
});

test('those who wait while a disk hangs do not make it hang longer', async (t) => {
  const { health, events, pass, answer } = silentDisk(t);
  health.hang();
  for (let i = 0; i < 5; i++) {
    await pass(1_000);
    health.hang();
  }
  await answer();
  assert.deepEqual(events, ['degraded away', 'recovered all']);
});

test('a full disk that hung is tried anew when it answers', async (t) => {
  const { health, events, pass, answer } = silentDisk(t);
  health.writeFailed(new G8Error('ERR_CACHE_FULL', 'full'));
  health.hang();
  await pass(5_000);
  await answer();
  assert.deepEqual(events, ['degraded all', 'degraded away', 'recovered all']);
});

test('whileAnswering() waits for what the disk does, and not for a disk that hangs', async (t) => {
  const { health } = silentDisk(t);
  assert.equal(await health.whileAnswering(Promise.resolve(7)), 7);
  await assert.rejects(health.whileAnswering(Promise.reject(new Error('no'))), /no/);
  const stuck = health.whileAnswering(new Promise<number>(() => {}));
  health.hang();
  assert.equal(await stuck, undefined);
});
