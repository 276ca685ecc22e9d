/** A mount that requires a signature shows what was signed, or nothing. */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { collectFlist, packFlist } from '../../src/format/flist/package.ts';
import { MountWorld, run } from '../support/mount-world.ts';
import { runChild } from '../support/run-cli.ts';

async function signedWorld(context: TestContext) {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), 'signed content\n');
  await world.startHub();
  const flist = world.path('image.flist');
  const create = ['flist', 'create', source, flist, '--store', world.hubUrl];
  await world.json(...create, '--compress', 'none');
  const key = world.path('release');
  await world.json('flist', 'keygen', key);
  await world.json('flist', 'sign', flist, '--key', `${key}.key`);
  return { world, flist, key, require: ['--require-signature', `${key}.pub`] };
}

async function assertRefused(
  world: MountWorld,
  flist: string,
  options: readonly string[],
  reason: RegExp,
): Promise<void> {
  const mnt = world.folder('refused');
  const result = await world.cli('mount', flist, mnt, '--cache', world.cache, ...options);
  assert.equal(result.code, 77, `${result.stdout}${result.stderr}`);
  assert.match(result.stderr, /^g8ufs: .* is refused: .* \(ERR_PERMISSION\)\n$/);
  assert.match(result.stderr, reason);
  assert.deepEqual(readdirSync(mnt), []);
  assert.equal((await run('mountpoint', '-q', mnt)).code, 32);
}

test('mount shows an image that the wanted key has signed, from a file and from a hub', async (context) => {
  const { world, flist, require } = await signedWorld(context);
  const mnt = await world.mount(flist, ...require);
  assert.equal((await run('cat', join(mnt, 'file'))).stdout, 'signed content\n');

  const { url, signed } = await world.json<{ url: string; signed: boolean }>(
    ...['push', flist, `${world.hubUrl}/demo/image`],
  );
  assert.equal(signed, true);
  const remote = await world.mount(url, ...require);
  assert.equal((await run('cat', join(remote, 'file'))).stdout, 'signed content\n');
  await world.unmount(remote);
  await world.unmount(mnt);
});

test('mount needs no hub for a signature that it has seen, and no other key gets by with it', async (context) => {
  const { world, flist, require } = await signedWorld(context);
  const other = world.path('other');
  await world.json('flist', 'keygen', other);
  const { url } = await world.json<{ url: string }>(
    ...['push', flist, `${world.hubUrl}/demo/image`],
  );
  const first = await world.mount(url, ...require);
  assert.equal((await run('cat', join(first, 'file'))).stdout, 'signed content\n');
  await world.unmount(first);
  await world.stopHub();
  const again = await world.mount(url, ...require);
  assert.equal((await run('cat', join(again, 'file'))).stdout, 'signed content\n');
  await world.unmount(again);

  const [image = ''] = readdirSync(join(world.cache, 'flists')).filter(
    (name) => name !== 'sources',
  );
  const kept = join(world.cache, 'flists', image, 'image.sig');
  const text = readFileSync(kept, 'utf8');
  const refused = world.folder('refused');
  const attempt = async (key: string) =>
    await world.cli('mount', url, refused, '--cache', world.cache, '--require-signature', key);
  assert.equal((await attempt(`${other}.pub`)).code, 69);
  writeFileSync(kept, text.replace(/ed25519 ..../, 'ed25519 AAAA'));
  assert.equal((await attempt(require[1] as string)).code, 69);
  writeFileSync(kept, 'no signature');
  assert.equal((await attempt(require[1] as string)).code, 69);
  assert.equal((await run('mountpoint', '-q', refused)).code, 32);
});

test('mount refuses an image without a signature, and one of another key', async (context) => {
  const { world, flist, require } = await signedWorld(context);
  const other = world.path('other');
  await world.json('flist', 'keygen', other);
  await assertRefused(world, flist, ['--require-signature', `${other}.pub`], /none of the wanted/);
  const { url } = await world.json<{ url: string }>(
    ...['push', flist, `${world.hubUrl}/demo/signed`],
  );
  rmSync(`${flist}.sig`);
  await assertRefused(world, flist, require, /is not signed/);
  const unsigned = await world.json<{ url: string }>(
    ...['push', flist, `${world.hubUrl}/demo/unsigned`],
  );
  await assertRefused(world, unsigned.url, require, /is not signed/);
  await world.unmount(await world.mount(url, ...require));
});

test('mount refuses an image in which a name, a digest or the metadata was changed', async (context) => {
  const { world, flist, require } = await signedWorld(context);
  const sound = readFileSync(flist);
  const offset = (text: string, from = 0) => {
    const at = sound.indexOf(text, from);
    assert.ok(at >= 0, text);
    return at;
  };
  const contents = offset('G8UFSCON');
  for (const [at, reason] of [
    [offset('file'), /not the image/],
    [contents + 128 + 4 * 3, /not the image/],
  ] as const) {
    const forged = world.path('forged.flist');
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(forged, bytes);
    copyFileSync(`${flist}.sig`, `${forged}.sig`);
    await assertRefused(world, forged, require, reason);
  }
  const other = world.path('metadata.flist');
  copyFileSync(`${flist}.sig`, `${other}.sig`);
  const members = await collectFlist(Readable.from([sound]));
  members.set('metadata.json', Buffer.from('{"entrypoint": "[\\"/bin/evil\\"]"}'));
  const packed = [...members].map(([name, data]) => ({ name, size: data.length, data: [data] }));
  await writeFile(other, packFlist(packed));
  await assertRefused(world, other, require, /other metadata/);
});

test('mount refuses a signature file that was changed or is none', async (context) => {
  const { world, flist, require } = await signedWorld(context);
  const text = readFileSync(`${flist}.sig`, 'utf8');
  for (const [forged, reason] of [
    [text.replace(/root ../, 'root 00'), /not the image/],
    [text.replace(/ed25519 ..../, 'ed25519 AAAA'), /wrong signature/],
    ['no signature', /signature file is none/],
    ['', /empty or too large|is none/],
  ] as const) {
    writeFileSync(`${flist}.sig`, forged);
    await assertRefused(world, flist, require, reason);
  }
});

test('mount takes the wanted keys from the configuration too', async (context) => {
  const { world, flist, key } = await signedWorld(context);
  const config = world.path('g8ufs.yaml');
  writeFileSync(config, `requireSignature: ["${key}.pub"]\n`);
  rmSync(`${flist}.sig`);
  const mnt = world.folder('refused');
  const program = fileURLToPath(new URL('../support/g8ufs.js', import.meta.url));
  const result = await run(
    'env',
    `G8UFS_CONFIG=${config}`,
    `G8UFS_RUN_DIR=${world.path('run')}`,
    ...[process.execPath, program, 'mount', flist, mnt, '--cache', world.cache],
  );
  assert.equal(result.code, 77, result.stderr);
});

test('a policy holds for whoever mounts, and the daemon has no more rights than it needs', async (context) => {
  const { world, flist, key } = await signedWorld(context);
  const policy = world.path('policy.json');
  const rule = { sources: [flist], demand: { signedBy: [`${key}.pub`] } };
  writeFileSync(policy, JSON.stringify({ version: 1, rules: [rule], otherwise: 'refuse' }));
  const env = { G8UFS_RUN_DIR: world.path('run'), G8UFS_POLICY: policy };
  const mount = async (source: string, mnt: string) =>
    await runChild(['mount', source, mnt, '--cache', world.cache], env);
  const mnt = world.folder('mnt');
  assert.equal((await mount(flist, mnt)).code, 0);
  assert.equal((await run('cat', join(mnt, 'file'))).stdout, 'signed content\n');
  assert.match(readFileSync(`/proc/${world.daemonPid()}/status`, 'utf8'), /^NoNewPrivs:\t1$/m);

  const copy = world.path('copy.flist');
  copyFileSync(flist, copy);
  copyFileSync(`${flist}.sig`, `${copy}.sig`);
  const other = await mount(copy, world.folder('other'));
  assert.equal(other.code, 77);
  assert.match(other.stderr, /Policy .* does not allow .*copy\.flist at .*\(ERR_PERMISSION\)\n$/);
  rmSync(`${flist}.sig`);
  const unsigned = await mount(flist, world.folder('unsigned'));
  assert.equal(unsigned.code, 77);
  assert.match(unsigned.stderr, /image\.flist is refused: it is not signed/);
  await world.unmount(mnt);
});
