// The main job on an embedded default: a hub, an image of this machine's own programs, a mount, a command run in
// it, and what that cost. Leaves nothing behind.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

const CLI = join(root, 'bin/g8ufs.js');
const isRoot = process.getuid() === 0;

await setup();
const work = mkdtempSync(join(tmpdir(), 'g8ufs-demo-'));
const [data, cache, mnt] = ['hub', 'cache', 'mnt'].map((name) => join(work, name));
const flist = join(work, 'sample.flist');
let hub;
let mounted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    cleanUp();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
try {
  await main();
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  cleanUp();
}

async function main() {
  mkdirSync(mnt);
  hub = spawn(
    process.execPath,
    [CLI, 'hub', 'serve', '--data', data, '--listen', '127.0.0.1:0', '--json'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const url = await hubUrl(hub);
  console.log(`Hub serves at ${url}`);

  const built = g8ufs('flist', 'build', join(root, 'flists/sample.yaml'), flist, '--store', url);
  g8ufs('push', flist, `${url}/demo/sample`);
  console.log(`Image built from this machine's programs and published as ${url}/demo/sample.flist`);

  const source = `${url}/demo/sample.flist`;
  const mount = g8ufs('mount', source, mnt, '--cache', cache);
  mounted = true;
  console.log(`Mounted at ${mnt}`);

  const first = runInside();
  const fetched = g8ufs('cache', 'status', '--cache', cache);
  const second = runInside();
  console.log(`\n  $ ${first.shown}\n${first.output.replace(/^/gm, '  ')}`);

  g8ufs('umount', mnt);
  mounted = false;
  const share = (100 * fetched.fetchedBytes) / built.storedBytes;
  const rows = [
    ['Image', `${size(built.bytes)} in ${built.entries} entries`],
    ['Flist', size(built.flistSize)],
    ['Stored at the hub', `${size(built.storedBytes)} in ${built.chunks} chunks`],
    ['Mounted after', `${mount.elapsedMs} ms, with an empty cache`],
    [
      'Fetched to run the command',
      `${size(fetched.fetchedBytes)}, ${share.toFixed(1)} % of the stored image`,
    ],
    ['First run', `${first.elapsedMs} ms to its end`],
    ['Second run', `${second.elapsedMs} ms`],
  ];
  console.log(`\n${rows.map(([name, value]) => `  ${name.padEnd(28)}${value}`).join('\n')}`);
  console.log('\nNow try: node bin/g8ufs.js --help, and docs/tour.md');
}

/** Runs a command with the mount as its root: the interpreter that the image has, else the shell. */
function runInside() {
  // No redirection: the image's /dev is empty.
  const python = "import json, platform; print(json.dumps({'python': platform.python_version()}))";
  const script =
    `[ -x /usr/bin/python3 ] && exec /usr/bin/python3 -c "${python}"; ` +
    `[ -x /usr/bin/perl ] && exec /usr/bin/perl -e 'print qq(perl $^V\n)'; exec ls /`;
  const shown = `chroot ${mnt} /bin/sh -c 'python3 …'`;
  const enter = isRoot ? ['chroot'] : ['unshare', '--user', '--map-root-user', 'chroot'];
  const start = process.hrtime.bigint();
  const [program, ...args] = [...enter, mnt, '/bin/sh', '-c', script];
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    timeout: 60_000,
  });
  const elapsedMs = Math.round(Number(process.hrtime.bigint() - start) / 1e6);
  if (result.status !== 0)
    throw new Error(`the command in the image failed: ${result.error?.message ?? result.stderr}`);
  return { shown, output: result.stdout.trimEnd(), elapsedMs };
}

function g8ufs(...args) {
  const result = spawnSync(process.execPath, [CLI, ...args, '--json'], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`g8ufs ${args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout.trim() === '' ? undefined : JSON.parse(result.stdout);
}

function hubUrl(child) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (piece) => {
      text += piece;
      const url = /"url":\s*"([^"]+)"/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`the hub ended with status ${code}`)));
  });
}

function size(bytes) {
  return bytes < 1024 * 1024
    ? `${(bytes / 1024).toFixed(1)} KiB`
    : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function cleanUp() {
  if (mounted) spawnSync(process.execPath, [CLI, 'umount', '--lazy', mnt]);
  mounted = false;
  hub?.kill('SIGTERM');
  rmSync(work, { recursive: true, force: true });
}
