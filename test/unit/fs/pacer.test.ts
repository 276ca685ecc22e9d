import assert from 'node:assert/strict';
import test from 'node:test';
import { Pacer } from '../../../src/fs/pacer.ts';
import { gate } from '../../support/gate.ts';

const { signal } = new AbortController();

/** A pacer on a clock that only moves when somebody sleeps or the test says so. */
class World {
  nowMs = 0;
  readonly pacer = new Pacer({
    now: () => this.nowMs,
    sleep: async (ms) => {
      this.nowMs += ms;
    },
  });

  /** Reads of that many milliseconds, one behind the other. */
  reads(...durations: number[]): void {
    for (const duration of durations) {
      const end = this.pacer.startRead();
      this.nowMs += duration;
      end();
    }
  }

  /** Reads while a batch runs. */
  async loadedReads(...durations: number[]): Promise<void> {
    await this.pacer.run(async () => this.reads(...durations), signal);
  }

  /** How long a batch has to wait now. */
  async waitMs(): Promise<number> {
    const before = this.nowMs;
    let started = 0;
    await this.pacer.run(async () => {
      started = this.nowMs;
    }, signal);
    return started - before;
  }
}

test('Pacer lets batches run when nobody reads, and while reads are as fast as ever', async () => {
  const world = new World();
  assert.equal(await world.waitMs(), 0);
  world.reads(20, 20, 20);
  await world.loadedReads(20, 30, 40, 45, 45, 45, 45);
  assert.equal(world.pacer.paused, false);
  assert.equal(await world.waitMs(), 0);
});

test('Pacer pauses batches when reads take twice as long, and longer each time', async () => {
  const world = new World();
  world.reads(20, 20, 20);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    await world.loadedReads(60, 60, 60, 60);
    assert.equal(world.pacer.paused, true);
    waits.push(await world.waitMs());
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 8000]);
  assert.equal(world.pacer.pauseCount, 7);
});

test('Pacer begins with a short pause again when the line was quiet for long', async () => {
  const world = new World();
  world.reads(20);
  for (let i = 0; i < 3; i++) {
    await world.loadedReads(60, 60, 60, 60);
    await world.waitMs();
  }
  world.nowMs += 30_000;
  await world.loadedReads(60, 60, 60, 60);
  assert.equal(await world.waitMs(), 250);
});

test('Pacer learns from reads during a pause what a slower line is like', async () => {
  const world = new World();
  world.reads(20);
  await world.loadedReads(60, 60, 60, 60);
  world.reads(60, 60, 60, 60, 60, 60);
  await world.waitMs();
  await world.loadedReads(70, 70, 70, 70);
  assert.equal(world.pacer.paused, false);
});

test('Pacer does not mind small numbers: a few milliseconds are no rise', async () => {
  const world = new World();
  world.reads(1, 1, 1);
  await world.loadedReads(6, 6, 6, 6, 7, 7, 7);
  assert.equal(world.pacer.paused, false);
});

test('Pacer waits to learn what a calm read takes, but not for ever', async () => {
  const world = new World();
  const end = world.pacer.startRead();
  assert.equal(await world.waitMs(), 1000);
  end();
  assert.equal(await world.waitMs(), 0);
});

test('Pacer counts a read as loaded when a batch begins while it waits', async () => {
  const world = new World();
  world.reads(10);
  for (let i = 0; i < 4; i++) {
    const end = world.pacer.startRead();
    await world.pacer.run(async () => {
      world.nowMs += 100;
    }, signal);
    end();
    end();
  }
  assert.equal(world.pacer.paused, true);
});

test('Pacer.run() ends with the error of the batch, and the next is not held back', async () => {
  const world = new World();
  await assert.rejects(
    world.pacer.run(() => Promise.reject(new Error('no')), signal),
    /no/,
  );
  world.reads(10, 10);
  world.reads(100, 100, 100, 100);
  assert.equal(world.pacer.paused, false);
});

test('Pacer.run() ends when it is aborted while it waits', async () => {
  const sleeping = gate();
  const pacer = new Pacer({
    now: () => 0,
    sleep: async (_ms, inner) => {
      sleeping.open();
      await new Promise((_, reject) =>
        inner?.addEventListener('abort', () => reject(inner.reason)),
      );
    },
  });
  pacer.startRead();
  const controller = new AbortController();
  const running = pacer.run(async () => {}, controller.signal);
  await sleeping.opened;
  controller.abort(new Error('gone'));
  await assert.rejects(running, /gone/);
});
