import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Finding } from '../../../../src/cli/doctor/finding.ts';
import {
  clockFindings,
  fuseFindings,
  kernelFindings,
  limitFindings,
  nodeFindings,
  rootFindings,
} from '../../../../src/cli/doctor/host.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

function statesOf(findings: readonly Finding[]): string[] {
  for (const { state, hint } of findings) assert.equal(hint === undefined, state === 'ok');
  return findings.map(({ state }) => state);
}

test('kernels are told by what they can do', () => {
  for (const [release, state] of [
    ['4.19.0-26-amd64', 'fail'],
    ['5.10.0', 'warn'],
    ['6.8.0-generic', 'warn'],
    ['6.9.1', 'warn'],
    ['6.12.0', 'ok'],
    ['7.0.0-rc1', 'ok'],
    ['nonsense', 'fail'],
  ] as const) {
    assert.deepEqual(statesOf(kernelFindings(release)), [state], release);
  }
  assert.deepEqual(statesOf(nodeFindings('20.18.3')), ['fail']);
  assert.deepEqual(statesOf(nodeFindings('22.1.0')), ['ok']);
  assert.deepEqual(statesOf(clockFindings(new Date(0))), ['warn']);
});

test('the device and, for users, the helper of FUSE are looked for', async (t) => {
  const dir = temporaryDirectory(t);
  const device = join(dir, 'fuse');
  assert.deepEqual(statesOf(await fuseFindings(0, '', device)), ['fail']);
  writeFileSync(device, '');
  assert.deepEqual(statesOf(await fuseFindings(0, '', device)), ['ok']);
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'fusermount3'), '');
  chmodSync(join(bin, 'fusermount3'), 0o755);
  // It is there, and cannot mount.
  assert.deepEqual(statesOf(await fuseFindings(1000, bin, device)), ['ok', 'warn']);
});

test('root is told what its daemon lacks', async (t) => {
  const fileSystems = join(temporaryDirectory(t), 'filesystems');
  writeFileSync(fileSystems, 'nodev\tproc\n\text4\n');
  const free = [process.execPath, []] as const;
  assert.deepEqual(statesOf(await rootFindings(free, fileSystems)), ['warn', 'warn']);
  writeFileSync(fileSystems, 'nodev\tproc\nnodev\toverlay\n');
  const confined = ['/usr/bin/setpriv', []] as const;
  assert.deepEqual(statesOf(await rootFindings(confined, fileSystems)), ['ok', 'ok']);
});

test('limits that end mounts are told', async (t) => {
  const dir = temporaryDirectory(t);
  const limits = join(dir, 'limits');
  const write = (soft: string, hard: string) =>
    writeFileSync(
      limits,
      `Limit    Soft Limit  Hard Limit  Units\nMax open files   ${soft}   ${hard}   files\n`,
    );
  write('1024', '1024');
  assert.deepEqual(statesOf(await limitFindings(limits, dir)), ['warn']);
  write('1024', '524288');
  assert.deepEqual(statesOf(await limitFindings(limits, dir)), ['ok']);
  writeFileSync(join(dir, 'max_request_timeout'), '10\n');
  writeFileSync(join(dir, 'default_request_timeout'), '0\n');
  const found = await limitFindings(limits, dir);
  assert.deepEqual(statesOf(found), ['ok', 'warn']);
  assert.match(found[1]?.hint ?? '', /sysctl fs\.fuse\.max_request_timeout=0/);
});
