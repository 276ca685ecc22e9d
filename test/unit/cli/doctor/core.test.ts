import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupFinding } from '../../../../src/cli/doctor/core.ts';
import { parseMountinfo } from '../../../../src/fs/mountinfo.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const OLD = ['cpu,cpuacct', 'memory', 'pids'].map(
  (controllers, i) => `${i + 40} 29 0:${i + 40} / /c/${i} rw - cgroup cgroup rw,${controllers}`,
);

test('layouts of cgroups are told, with what to change', async (t) => {
  const dir = temporaryDirectory(t);
  const unified = `60 29 0:60 / ${dir} rw - cgroup2 cgroup2 rw`;
  const find = async (controllers: string, ...lines: string[]) => {
    writeFileSync(join(dir, 'cgroup.controllers'), `${controllers}\n`);
    const { state, text, hint } = await cgroupFinding(parseMountinfo(lines.join('\n')));
    assert.equal(hint === undefined, state === 'ok');
    return [state, text];
  };
  assert.deepEqual(await find('', ''), ['warn', 'not mounted']);
  assert.deepEqual(await find('cpuset cpu io memory pids', unified), ['ok', 'version 2']);
  assert.deepEqual(await find('cpu', unified), ['warn', 'version 2 without memory, pids']);
  assert.deepEqual(await find('', unified, ...OLD), [
    'ok',
    'hybrid: limits by version 1, events by version 2',
  ]);
  assert.deepEqual(await find('', ...OLD), ['warn', 'version 1']);
  assert.deepEqual(await find('', ...OLD.slice(1)), ['warn', 'version 1 without cpu']);
});
