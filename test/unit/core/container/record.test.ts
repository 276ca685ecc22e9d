import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parseContainerArguments } from '../../../../src/core/container/parse-arguments.ts';
import { ownIdentity } from '../../../../src/core/container/process-identity.ts';
import {
  type ContainerRecord,
  readRecord,
  writeRecord,
} from '../../../../src/core/container/record.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('readRecord() gives what writeRecord() was given', async (context) => {
  const folder = temporaryDirectory(context);
  const record: ContainerRecord = {
    id: 7,
    state: 'running',
    arguments: parseContainerArguments(
      { root: '/a' },
      { tags: ['x'], storage: '', bridge: 'core0' },
    ),
    created: '2026-01-01T00:00:00.000Z',
    owner: ownIdentity(),
    init: null,
    command: ['true'],
    layer: { number: 1, source: '/b' },
    pending: { number: 2, source: '/c' },
    mountPoints: ['/a'],
    cacheDir: '/c',
  };
  await writeRecord(folder, record);
  assert.deepEqual(await readRecord(folder), record);
  assert.deepEqual(readdirSync(folder), ['record.json']);
});

test('readRecord() finds nothing in what is no record', async (context) => {
  const folder = temporaryDirectory(context);
  assert.equal(await readRecord(folder), undefined);
  for (const text of ['', '{"id":1', '{"id":"1"}', 'null']) {
    writeFileSync(join(folder, 'record.json'), text);
    assert.equal(await readRecord(folder), undefined, text);
  }
});
