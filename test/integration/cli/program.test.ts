/** The program itself: streams, exit codes, signals. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli, startCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const PROGRAM = fileURLToPath(new URL('../../support/g8ufs.js', import.meta.url));

test('g8ufs --version prints the version to stdout', async () => {
  const { code, stdout, stderr } = await runCli(['--version']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  assert.deepEqual([code, stderr], [0, '']);
});

test('help of a group is an answer: on stdout, with status 0', async () => {
  for (const [words, title] of [
    [['flist', 'help'], 'Usage: g8ufs flist [options] [command]'],
    [['flist', 'help', 'ls'], 'Usage: g8ufs flist ls'],
    [['cache', 'help', 'gc'], 'Usage: g8ufs cache gc'],
  ] as const) {
    const { code, stdout, stderr } = await runCli(words);
    assert.deepEqual([code, stderr], [0, ''], words.join(' '));
    assert.ok(stdout.startsWith(title), stdout);
  }
});

test('g8ufs without a command prints its help to stderr and ends with 64', async () => {
  const { code, stdout, stderr } = await runCli([]);
  assert.match(stderr, /^Usage: g8ufs /);
  assert.deepEqual([code, stdout], [64, '']);
});

for (const [args, message] of [
  [['flits'], /^g8ufs: Unknown command 'flits' \(Did you mean flist\?\) \(ERR_USAGE\)\n$/],
  [['flist', 'lss'], /^g8ufs: Unknown command 'lss' \(Did you mean ls\?\) \(ERR_USAGE\)\n$/],
  [['flist', 'create'], /^g8ufs: Missing required argument 'source' \(ERR_USAGE\)\n$/],
  [['config', 'show', 'more'], /^g8ufs: Too many arguments for 'show'.* \(ERR_USAGE\)\n$/],
  [['config', 'show', '--jsn'], /^g8ufs: Unknown option '--jsn' \(Did you mean .*\(ERR_USAGE\)\n$/],
  [
    ['--progress', 'loud', 'config', 'show'],
    /^g8ufs: Option '--progress <how>' .*\(ERR_USAGE\)\n$/,
  ],
] as const) {
  test(`g8ufs ${args.join(' ')} is a usage error in one line`, async () => {
    const { code, stdout, stderr } = await runCli(args);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout], [64, '']);
  });
}

test('g8ufs prints a final error as JSON with --json, wherever the flag stands', async () => {
  for (const args of [
    ['--json', 'flist', 'info', '/no/such.flist'],
    ['flist', 'info', '/no/such.flist', '--json'],
  ]) {
    const { code, stderr } = await runCli(args);
    const { type, code: word, exitCode } = JSON.parse(stderr);
    assert.deepEqual([code, type, word, exitCode], [66, 'error', 'ERR_NO_INPUT', 66]);
  }
});

test('g8ufs prints the chain of causes with --debug', async () => {
  const { stderr } = await runCli(['flist', 'info', '/no/such.flist', '--debug']);
  assert.match(stderr, /^g8ufs: .*\(ERR_NO_INPUT\)\n.*\n\s+at /);
});

test('g8ufs config show tells where a value comes from', async () => {
  const { stdout } = await runCli(['config', 'show', '--json'], { G8UFS_CACHE_SIZE: '2GiB' });
  const { cacheSize } = JSON.parse(stdout);
  assert.deepEqual([cacheSize.value, cacheSize.origin], [2 * 1024 ** 3, 'environment']);
});

test('g8ufs ends with 78 for a broken configuration', async () => {
  const { code, stderr } = await runCli(['config', 'show'], { G8UFS_DEADLINE: 'soon' });
  assert.equal(code, 78);
  assert.match(stderr, /^g8ufs: G8UFS_DEADLINE is 'soon'.*\(ERR_CONFIG\)\n$/);
});

test('g8ufs ends quietly with 0 when nobody reads its output any more', async (t) => {
  const { flist } = await makeFlist(t, 3000);
  const child = spawn(
    'bash',
    ['-c', '"$0" "$@" | head -n 1 >/dev/null; exit $PIPESTATUS', process.execPath, PROGRAM].concat([
      'flist',
      'ls',
      '-R',
      '--json',
      flist,
    ]),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const [code] = await once(child, 'close');
  assert.deepEqual([code, stderr], [0, '']);
});

for (const [signal, exitCode, word] of [
  ['SIGINT', 130, 'Interrupted'],
  ['SIGTERM', 143, 'Terminated'],
] as const) {
  test(`g8ufs ends with ${exitCode} and leaves nothing behind after ${signal}`, async (t) => {
    const folder = temporaryDirectory(t);
    mkdirSync(join(folder, 'source'));
    writeFileSync(join(folder, 'source/file'), 'content');
    const { url, asked } = await hangingServer(t);
    const args = ['flist', 'create', join(folder, 'source'), join(folder, 'out.flist')];
    const child = startCli([...args, '--store', url]);
    let stderr = '';
    child.stderr?.on('data', (data) => {
      stderr += data;
    });
    await asked;
    child.kill(signal);
    const [code] = await once(child, 'close');
    assert.deepEqual([code, stderr], [exitCode, `g8ufs: ${word} (ERR_ABORTED)\n`]);
    assert.deepEqual(readdirSync(folder), ['source']);
  });
}

/** A store that takes requests and never answers. */
async function hangingServer(context: TestContext): Promise<{ url: string; asked: Promise<void> }> {
  const server = createServer();
  const asked = once(server, 'request').then(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function makeFlist(context: TestContext, fileCount: number): Promise<{ flist: string }> {
  const folder = temporaryDirectory(context);
  const source = join(folder, 'source');
  mkdirSync(source);
  for (let i = 0; i < fileCount; i++) writeFileSync(join(source, `a-name-of-some-length-${i}`), '');
  const flist = join(folder, 'out.flist');
  const { code, stderr } = await runCli([
    'flist',
    'create',
    source,
    flist,
    '-s',
    join(folder, 'st'),
  ]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(existsSync(flist));
  return { flist };
}
