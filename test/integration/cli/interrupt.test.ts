/** Commands that are interrupted in the middle, and two that want to change one flist. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { appearance } from '../../support/appearance.ts';
import { type Listener, startServer } from '../../support/http-server.ts';
import { runCli, startCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

interface World {
  readonly folder: string;
  /** Where the commands put their temporary files. */
  readonly tmp: string;
  readonly flist: string;
  readonly env: Record<string, string>;
}

/** A flist of one folder with one file, whose chunk is in a store beside it. */
async function makeWorld(context: TestContext): Promise<World> {
  const folder = temporaryDirectory(context);
  const [tmp, tree] = [join(folder, 'tmp'), join(folder, 'tree')];
  mkdirSync(tmp);
  mkdirSync(tree);
  writeFileSync(join(tree, 'file'), 'content\n');
  const flist = join(folder, 'a.flist');
  const env = { TMPDIR: tmp, G8UFS_STORE: `dir://${join(folder, 'store')}` };
  const made = await runCli(['flist', 'create', tree, flist], env);
  assert.equal(made.code, 0, made.stderr);
  return { folder, tmp, flist, env };
}

/** Starts a command that its test ends; a test that fails leaves no process behind. */
function start(
  context: TestContext,
  args: readonly string[],
  env: Record<string, string>,
  stdin: 'ignore' | 'pipe' = 'ignore',
): { child: ChildProcess; ended: Promise<{ code: number | null; stderr: string }> } {
  const child = startCli(args, env, stdin);
  context.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stdout?.resume();
  child.stderr?.on('data', (piece) => {
    stderr += String(piece);
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }));
  return { child, ended };
}

/** A hub that takes a question and never answers; `asked` ends with the first one. */
async function hangingServer(context: TestContext): Promise<{ url: string; asked: Promise<void> }> {
  let onAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    onAsked = resolve;
  });
  const hang: Listener = () => onAsked();
  const { url } = await startServer(context, hang);
  return { url, asked };
}

const INTERRUPTED = /^g8ufs: Interrupted \(ERR_ABORTED\)\n$/;

for (const [name, args] of [
  ['create', ['create', '@tree', '@out/new.flist', '-s', '@hub']],
  ['build', ['build', '@recipe', '@out/new.flist', '-s', '@hub']],
  ['put', ['put', '@flist', '@tree/file', '/new', '-s', '@hub']],
  ['putdir', ['putdir', '@flist', '@tree', '/new', '-s', '@hub']],
  [
    'convert',
    ['convert', '@flist', '@out/new.flist', '--compat', 'zflist', '-s', '@hub', '--from', '@store'],
  ],
  ['export to an archive', ['export', '@flist', '@out/new.tar', '-s', '@hub']],
  ['export to a folder', ['export', '@flist', '@out/new', '-s', '@hub']],
  ['export to a layout', ['export', '@flist', 'oci:@out/new', '-s', '@hub']],
  ['bundle', ['bundle', '@flist', '@out/new.bundle', '-s', '@hub']],
  ['unbundle', ['unbundle', '@bundle', '@out/new.flist', '-s', '@hub']],
  ['cp', ['cp', '@flist', '/file', '@out/new', '-s', '@hub']],
] as const) {
  test(`${name} leaves nothing behind when it is interrupted while a hub hangs`, async (context) => {
    const world = await makeWorld(context);
    const { folder, tmp, flist, env } = world;
    const out = join(folder, 'out');
    mkdirSync(out);
    const recipe = join(folder, 'recipe.yaml');
    writeFileSync(recipe, 'programs: [cat]\n');
    const bundle = join(folder, 'a.bundle');
    assert.equal((await runCli(['flist', 'bundle', flist, bundle], env)).code, 0);
    const before = readFileSync(flist);
    const names = readdirSync(folder);
    const hub = await hangingServer(context);
    const words = { flist, out, recipe, bundle, hub: hub.url, tree: join(folder, 'tree') };
    const places: Record<string, string> = { ...words, store: `dir://${join(folder, 'store')}` };
    const full = args.map((arg) =>
      arg.replace(/@(\w+)/, (_, word: string) => places[word] ?? word),
    );
    const { child, ended } = start(context, ['flist', ...full], { TMPDIR: tmp });
    const first = await Promise.race([hub.asked.then(() => undefined), ended]);
    assert.equal(first, undefined, first?.stderr);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, INTERRUPTED);
    assert.deepEqual(readdirSync(tmp), []);
    assert.deepEqual(readdirSync(out), []);
    assert.deepEqual(readdirSync(folder), names);
    assert.deepEqual(readFileSync(flist), before);
  });
}

test('put that is interrupted before its input has ended gives up the lock and changes nothing', async (context) => {
  const { folder, tmp, flist, env } = await makeWorld(context);
  const before = readFileSync(flist);
  const { child, ended } = start(context, ['flist', 'put', flist, '-', '/new'], env, 'pipe');
  await appearance(tmp, /^g8ufs-/);
  assert.ok(readdirSync(folder).includes('.a.flist.lock'));
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  assert.equal(code, 130, stderr);
  assert.match(stderr, INTERRUPTED);
  assert.deepEqual(readdirSync(folder).sort(), ['a.flist', 'store', 'tmp', 'tree']);
  assert.deepEqual(readdirSync(tmp), []);
  assert.deepEqual(readFileSync(flist), before);
});

test('two processes that change one flist do so one after the other, and both changes stay', async (context) => {
  const { folder, flist, env } = await makeWorld(context);
  const first = start(context, ['flist', 'put', flist, '-', '/first'], env, 'pipe');
  await appearance(folder, /^\.a\.flist\.lock$/);
  const second = start(context, ['flist', 'mkdir', flist, '/second'], env);
  // What it will lock with is there as long as it waits.
  await appearance(folder, /^\.a\.flist\.lock\.[0-9a-f]+$/);
  assert.equal(second.child.exitCode, null);
  first.child.stdin?.end('text\n');
  for (const { ended } of [first, second]) {
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
  }
  const listed = await runCli(['flist', 'find', flist], env);
  assert.deepEqual(listed.stdout.trim().split('\n').sort(), ['/', '/file', '/first', '/second']);
  assert.deepEqual(readdirSync(folder).sort(), ['a.flist', 'store', 'tmp', 'tree']);
});

test('a process that was killed while it changed a flist does not keep the next one out', async (context) => {
  const { folder, flist, env } = await makeWorld(context);
  const killed = start(context, ['flist', 'put', flist, '-', '/first'], env, 'pipe');
  await appearance(folder, /^\.a\.flist\.lock$/);
  killed.child.kill('SIGKILL');
  await killed.ended;
  assert.ok(readdirSync(folder).includes('.a.flist.lock'));
  const next = await runCli(['flist', 'mkdir', flist, '/second'], env);
  assert.equal(next.code, 0, next.stderr);
  assert.ok(!readdirSync(folder).includes('.a.flist.lock'));
});
