import assert from 'node:assert/strict';
import test from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../../src/base/errors.ts';
import { whileStill } from '../../../../src/core/container/while-still.ts';

/** A container whose runtime fails as it is told, each time once. */
class Fickle {
  isStill = false;
  readonly calls: string[] = [];
  readonly #failures: (readonly [call: string, code: ErrorCode, hasEffect: boolean])[];

  constructor(...failures: (readonly [call: string, code: ErrorCode, hasEffect: boolean])[]) {
    this.#failures = failures;
  }

  async pause(): Promise<void> {
    this.#call('pause', true);
  }

  async resume(): Promise<void> {
    this.#call('resume', false);
  }

  isStandingStill(): boolean {
    return this.isStill;
  }

  #call(name: string, isStill: boolean): void {
    this.calls.push(name);
    const index = this.#failures.findIndex(([call]) => call === name);
    const [failure] = index < 0 ? [] : this.#failures.splice(index, 1);
    if (failure === undefined || failure[2]) this.isStill = isStill;
    if (failure !== undefined) throw new G8Error(failure[1], name);
  }
}

test('whileStill() has the container go on, whatever the work comes to', async () => {
  const container = new Fickle();
  assert.equal(await whileStill(container, async () => container.isStill), true);
  const failing = whileStill(container, () => Promise.reject(new G8Error('ERR_IO', 'work')));
  await assert.rejects(failing, /work/);
  assert.deepEqual([container.isStill, container.calls.length], [false, 4]);
});

test('whileStill() undoes a pause that was given up, and no other', async () => {
  const late = new Fickle(['pause', 'ERR_TIMEOUT', true]);
  const work = async () => assert.fail('it does not stand still');
  await assert.rejects(whileStill(late, work), (error) => isG8Error(error, 'ERR_TIMEOUT'));
  assert.deepEqual([late.isStill, late.calls], [false, ['pause', 'resume']]);
  const refused = new Fickle(['pause', 'ERR_IO', false]);
  await assert.rejects(whileStill(refused, work), (error) => isG8Error(error, 'ERR_IO'));
  assert.deepEqual(refused.calls, ['pause']);
});

test('whileStill() tries again to have the container go on', async () => {
  const late = new Fickle(['resume', 'ERR_TIMEOUT', false]);
  assert.equal(await whileStill(late, async () => 1), 1);
  assert.deepEqual([late.isStill, late.calls], [false, ['pause', 'resume', 'resume']]);
  // Done, although nobody has heard of it.
  const done = new Fickle(['resume', 'ERR_TIMEOUT', true]);
  assert.equal(await whileStill(done, async () => 2), 2);
  assert.deepEqual(done.calls, ['pause', 'resume']);
  const never = new Fickle(
    ...Array.from({ length: 3 }, () => ['resume', 'ERR_IO', false] as const),
  );
  await assert.rejects(
    whileStill(never, async () => 3),
    (error) => isG8Error(error, 'ERR_IO'),
  );
});
