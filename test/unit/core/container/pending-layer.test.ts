import assert from 'node:assert/strict';
import test from 'node:test';
import { parseContainerArguments } from '../../../../src/core/container/parse-arguments.ts';
import { settlePending } from '../../../../src/core/container/pending-layer.ts';
import { ownIdentity } from '../../../../src/core/container/process-identity.ts';
import type { ContainerRecord } from '../../../../src/core/container/record.ts';
import { parseMountinfo } from '../../../../src/fs/mountinfo.ts';

const FIRST = { number: 1, source: '/first' };
const SECOND = { number: 2, source: '/second' };
const POINT = '/c/roots/2';
const OUTSIDE = parseMountinfo(
  ['1 0 8:1 / / rw - ext4 /dev/a rw', `5 1 0:50 / ${POINT} rw - overlay o rw`].join('\n'),
);

function recordWith(pending: ContainerRecord['pending']): ContainerRecord {
  const defaults = { tags: null, storage: '', bridge: 'core0' };
  return {
    id: 7,
    state: 'running',
    arguments: parseContainerArguments({ root: '/a' }, defaults),
    created: '2026-01-01T00:00:00.000Z',
    owner: ownIdentity(),
    init: ownIdentity(),
    command: null,
    layer: FIRST,
    pending,
    mountPoints: ['/c/rootfs', '/c/roots/1', POINT],
    cacheDir: '/cache',
  };
}

function layerAfter(inside: readonly string[], outside = OUTSIDE): ContainerRecord['layer'] {
  const record = settlePending(
    recordWith(SECOND),
    POINT,
    parseMountinfo(inside.join('\n')),
    outside,
  );
  assert.equal('pending' in record, false);
  // Never used again, whatever became of it.
  assert.ok(record.mountPoints.includes(POINT));
  return record.layer;
}

test('settlePending() believes where the processes have their root', () => {
  assert.deepEqual(
    layerAfter(['9 3 0:50 / / rw - overlay o rw', '10 9 0:4 / /proc rw - proc p rw']),
    SECOND,
  );
  assert.deepEqual(
    layerAfter(['9 3 0:40 / / rw - overlay o rw', '10 9 0:4 / /proc rw - proc p rw']),
    FIRST,
  );
});

test('settlePending() is not deceived by what lies on the root, or by a mount that is gone', () => {
  const below = '9 3 0:40 / / rw - overlay o rw';
  assert.deepEqual(layerAfter([below, '11 9 0:50 / / rw - overlay o rw']), FIRST);
  assert.deepEqual(layerAfter(['9 3 0:50 / / rw - overlay o rw'], OUTSIDE.slice(0, 1)), FIRST);
  assert.deepEqual(layerAfter([], OUTSIDE.slice(0, 1)), FIRST);
});
