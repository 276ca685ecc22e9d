/** What the native driver tells of a mount; the addon is in the test's hand. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { DemandSource } from '../../../src/fs/demand.ts';
import type { NativeCalls, NativeDriverOptions } from '../../../src/fs/native-driver.ts';
import { openNativeDriver } from '../../../src/fs/native-driver.ts';
import type { OpenedSession, SessionStats } from '../../../src/native/addon.ts';

/** One session, which nobody may ask when it is closed. */
class OneSession implements NativeCalls {
  isOpen = true;
  isBusy = false;
  reads = 0;

  async openSession(): Promise<OpenedSession> {
    return { session: 1, info: { passthrough: true, device: 7, kept: false } } as OpenedSession;
  }
  async closeSession(): Promise<void> {
    if (this.isBusy) throw new Error('busy');
    this.isOpen = false;
  }
  sessionStats(): SessionStats {
    assert.ok(this.isOpen, 'session is not open');
    return { requests: { read: this.reads, lookup: 2 }, waits: 3 } as unknown as SessionStats;
  }
  sessionOpens() {
    assert.ok(this.isOpen, 'session is not open');
    return [{ nid: 1, complete: true, agoMs: 0 }];
  }
}

test('what a mount has counted is told as well when it has ended meanwhile', async () => {
  const addon = new OneSession();
  const driver = await openNativeDriver(
    addon,
    {} as NativeDriverOptions,
    {} as DemandSource,
    async () => {},
    () => {},
  );
  addon.reads = 4;
  addon.isBusy = true;
  await assert.rejects(driver.close({ lazy: false }), /busy/);
  addon.reads = 5;
  assert.deepEqual(driver.stats(), { requests: 7, waits: 3 });
  assert.equal(driver.opens(true).length, 1);
  addon.isBusy = false;
  await driver.close({ lazy: false });
  assert.deepEqual(driver.stats(), { requests: 7, waits: 3 });
  assert.deepEqual(driver.requests(), { read: 5, lookup: 2 });
  assert.deepEqual(driver.opens(true), []);
  await driver.close({ lazy: true });
});
