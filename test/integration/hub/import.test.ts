/** A data folder of a hub before the catalogue. */
import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createHub } from '../../../src/hub/server.ts';
import { flistOf } from '../../support/flist-package.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const FLIST = flistOf('hello');

async function startHub(t: TestContext, dataDir: string) {
  const hub = await createHub({ logger: false, fsync: false, dataDir });
  t.after(() => hub.close());
  const flists = async () => {
    const list = await (await fetch(`${hub.url}/api/v1/flists`)).json();
    return (list as { flists: { repository: string; name: string; updated: string }[] }).flists;
  };
  return { url: hub.url, flists, close: () => hub.close() };
}

test('flists of a folder are served with their times and texts, and the folder is put aside', async (t) => {
  const dataDir = temporaryDirectory(t);
  const old = join(dataDir, 'flists/bob');
  await mkdir(join(old, 'dir.flist'), { recursive: true });
  await mkdir(join(dataDir, 'flists/.hidden'));
  const updated = new Date('2026-01-02T03:04:05.678Z');
  await writeFile(join(old, 'app.flist'), FLIST);
  await utimes(join(old, 'app.flist'), updated, updated);
  await writeFile(join(old, 'app.flist.sig'), 'signature');
  await writeFile(join(old, 'text.flist'), 'no flist');
  await writeFile(join(old, 'stray'), 'x');
  await symlink('nowhere', join(old, 'dangling.flist'));
  await symlink('app.flist', join(old, 'link.flist'));
  const hub = await startHub(t, dataDir);
  const listed = (await hub.flists()).map(({ repository, name }) => `${repository}/${name}`);
  assert.deepEqual(listed, ['bob/app.flist', 'bob/link.flist']);
  assert.equal((await hub.flists())[0]?.updated, updated.toISOString());
  const body = Buffer.from(await (await fetch(`${hub.url}/bob/link.flist`)).arrayBuffer());
  assert(body.equals(FLIST));
  assert.equal(await (await fetch(`${hub.url}/bob/app.flist.sig`)).text(), 'signature');
  assert.equal((await fetch(`${hub.url}/bob/dir.flist`)).status, 404);
  const names = (await readdir(dataDir)).sort();
  assert.match(names.join(' '), /^admin-token catalogue chunks flists\.imported-\d+ tmp$/);
});

test('an import that was interrupted goes on, and replaces nothing that came later', async (t) => {
  const dataDir = temporaryDirectory(t);
  const old = join(dataDir, 'flists/bob');
  const first = await startHub(t, dataDir);
  const put = (name: string, body: Uint8Array) =>
    fetch(`${first.url}/api/v1/flists/bob/${name}`, { method: 'PUT', body });
  await put('later', flistOf('later'));
  await put('half', FLIST);
  const half = (await first.flists()).find(({ name }) => name === 'half.flist');
  await first.close();
  await mkdir(old, { recursive: true });
  for (const name of ['later', 'half', 'new']) {
    await writeFile(join(old, `${name}.flist`), FLIST);
    await writeFile(join(old, `${name}.flist.profile`), `profile of ${name}`);
  }
  const time = new Date(half?.updated as string);
  await utimes(join(old, 'half.flist'), time, time);
  const { url } = await startHub(t, dataDir);
  const bytes = await (await fetch(`${url}/bob/later.flist`)).arrayBuffer();
  assert(Buffer.from(bytes).equals(flistOf('later')));
  const text = async (name: string) => {
    const response = await fetch(`${url}/bob/${name}.flist.profile`);
    return response.ok ? await response.text() : response.status;
  };
  assert.deepEqual(
    [await text('later'), await text('half'), await text('new')],
    [404, 'profile of half', 'profile of new'],
  );
});
