/** `g8ufs selftest` on this machine, and what is left when it is interrupted. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { runCli, startCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { amount } from '../support/thorough.ts';

test('selftest holds, and leaves nothing', async (t) => {
  const dir = temporaryDirectory(t);
  // Half a minute more; the faults that it makes have tests of their own.
  const flags = amount(0, 1) === 1 ? ['--chaos'] : [];
  const { code, stdout, stderr } = await runCli(['selftest', ...flags, '--json'], { TMPDIR: dir });
  const { ok, scenarios } = JSON.parse(stdout || '{}');
  assert.deepEqual([code, ok], [0, true], stdout + stderr);
  assert.equal(scenarios.length, amount(1, 7));
  assert.deepEqual(readdirSync(dir), []);
  assert(!readFileSync('/proc/self/mountinfo', 'utf8').includes(dir));
});

test('selftest takes everything away when it is interrupted', async (t) => {
  const dir = temporaryDirectory(t);
  const child = startCli(['selftest', '--chaos'], { TMPDIR: dir });
  const mounted = () => readFileSync('/proc/self/mountinfo', 'utf8').includes(`${dir}/`);
  const closed = once(child, 'close');
  while (!mounted() && child.exitCode === null && child.signalCode === null) await pause(20);
  child.kill('SIGINT');
  const [code] = (await closed) as [number];
  assert.equal(code, 130);
  assert.deepEqual(readdirSync(dir), []);
  assert(!mounted());
});
