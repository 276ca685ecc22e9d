/** Guests that are none: everything that a container could put in its place. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CommandError } from '../../../../src/core/command/error.ts';
import { exists, listFolder, lookAt } from '../../../../src/core/guest/files.ts';
import { Guest } from '../../../../src/core/guest/guest.ts';
import { HostPlace } from '../../../../src/core/job/host-place.ts';

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-guest-'));
});
after(() => rmSync(folder, { recursive: true }));

const isUnavailable = (error: unknown): boolean =>
  error instanceof CommandError && error.code === 503;

let count = 0;
/** A place whose guest program is this script. */
function guestOf(script: string): Guest {
  const guestProgram = join(folder, `guest-${++count}`);
  writeFileSync(guestProgram, `#!/bin/sh\n${script}\n`);
  chmodSync(guestProgram, 0o755);
  const place = new HostPlace({ guestProgram, workingDir: folder, env: process.env });
  return new Guest(place, { requestTimeoutMs: 500 });
}

for (const [name, script] of [
  ['ends at once', 'exit 0'],
  ['is silent', 'exec sleep 40'],
  ['claims too much', "printf '\\377\\377\\377\\377'; exec sleep 40"],
  ['talks nonsense', 'cat /bin/sh; exec sleep 40'],
  [
    'answers with too little',
    "printf '\\005\\000\\000\\000\\001\\000\\000\\000\\000'; exec sleep 40",
  ],
  ['talks for ever', 'exec yes'],
] as const) {
  test(`a guest program that ${name} is an error and nothing else`, async () => {
    const guest = guestOf(script);
    await assert.rejects(exists(guest, '/'));
    await guest.stop();
  });
}

test('a guest program that names parts nobody asked for is ended', async () => {
  // Parts of a listing whose fields are not there.
  const guest = guestOf("printf '\\006\\000\\000\\000\\001\\000\\000\\000\\001x'; exec sleep 40");
  await assert.rejects(listFolder(guest, '/'), isUnavailable);
  await guest.stop();
});

test('without a guest program every request is an error', async () => {
  const place = new HostPlace({ guestProgram: '/nowhere', workingDir: folder, env: process.env });
  const guest = new Guest(place);
  await assert.rejects(lookAt(guest, [{ kind: 'content', path: '/' }]));
  await guest.stop();
});
