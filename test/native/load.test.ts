import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CODES, isG8Error } from '../../src/base/errors.ts';
import { addon } from '../../src/native/load.ts';

const LOADER = pathToFileURL(new URL('../../src/native/load.js', import.meta.url).pathname).href;
const TIMEOUT_MS = 60_000;

// Work that is on the pool and in its queue when the environment ends.
const IN_FLIGHT = `
  const { addon } = await import(${JSON.stringify(LOADER)});
  const data = new Uint8Array(1 << 20).map((_, i) => (i * i) >> 7);
  const pending = [];
  for (let i = 0; i < 16; i++) pending.push(addon().zstdCompress(data, 9));
  for (let i = 0; i < 16; i++) pending.push(addon().scanDirectory('/proc/self', new Uint8Array(0)));
`;

/** Runs a module in a child and returns how it ended and what it printed. */
function runChild(source: string): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

function once(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe('addon()', { timeout: TIMEOUT_MS }, () => {
  it('knows exactly the codes of the error table', () => {
    assert.deepEqual(addon().errorCodes, Object.keys(CODES));
  });

  it('returns the same binding when called twice', () => {
    assert.equal(addon(), addon());
  });

  it('loads from a second module loader of the same thread', () => {
    const require = createRequire(import.meta.url);
    const path = Object.keys(require.cache).find((name) => name.endsWith('g8ufs.node'));
    assert.ok(path !== undefined);
    delete require.cache[path];
    const second = require(path) as { errorCodes: string[] };
    assert.deepEqual(second.errorCodes, Object.keys(CODES));
  });

  it('works in several worker threads at the same time', async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(LOADER)}).then(async ({ addon }) => {
        const packed = await addon().zstdCompress(new Uint8Array(100000), 3);
        const whole = { last: true, outputMax: 100001 };
        const decode = (bytes) => addon().openStream('zstd-decode').run(bytes, whole);
        const { output } = await decode(packed);
        const error = await decode(packed.subarray(1)).catch((reason) => reason);
        parentPort.postMessage([output.length, error.code, error.name]);
      });`;
    const workers = [1, 2, 3].map(() => new Worker(source, { eval: true }));
    const messages = await Promise.all(workers.map(once));
    for (const message of messages) {
      assert.deepEqual(message, [100000, 'ERR_FLIST_FORMAT', 'G8Error']);
    }
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('lets a worker thread be terminated with work in flight', async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      (async () => { ${IN_FLIGHT} parentPort.postMessage(pending.length); })();`;
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(source, { eval: true });
      assert.equal(await once(worker), 32);
      await worker.terminate();
    }
    // The environment of this thread is not touched.
    assert.equal((await addon().zstdCompress(new Uint8Array(10), 3)).length > 0, true);
  });

  it('stays in memory when the only worker thread that loaded it has ended', async () => {
    const worker = `import(${JSON.stringify(LOADER)}).then(({ addon }) => addon());`;
    const result = await runChild(`
      import { readFileSync } from 'node:fs';
      import { Worker } from 'node:worker_threads';
      const isLoaded = () => readFileSync('/proc/self/maps', 'latin1').includes('g8ufs.node');
      const before = isLoaded();
      new Worker(${JSON.stringify(worker)}, { eval: true }).once('exit', () => console.log(before, isLoaded()));
    `);
    assert.deepEqual(result, { status: 0, output: 'false true\n' });
  });

  it('lets the process exit with work in flight', async () => {
    const result = await runChild(`${IN_FLIGHT} process.exit(7);`);
    assert.deepEqual(result, { status: 7, output: '' });
  });

  it('lets the process end by itself when the work is done', async () => {
    const result = await runChild(
      `${IN_FLIGHT} Promise.all(pending).then((all) => console.log(all.length));`,
    );
    assert.deepEqual(result, { status: 0, output: '32\n' });
  });

  it('lets the process end by an exception with work in flight', async () => {
    const result = await runChild(`${IN_FLIGHT} throw new Error('expected here');`);
    assert.equal(result.status, 1);
    assert.match(result.output, /expected here/);
  });

  it('keeps inputs alive and its memory bounded when garbage is collected', async () => {
    const source = `
      import v8 from 'node:v8';
      import vm from 'node:vm';
      v8.setFlagsFromString('--expose-gc');
      const gc = vm.runInNewContext('gc');
      const { addon } = await import(${JSON.stringify(LOADER)});
      const round = async () => {
        const pending = [];
        for (let i = 0; i < 40; i++) {
          pending.push(addon().zstdCompress(new Uint8Array(1 << 18).fill(i), 1).then(async (packed) => {
            const stream = addon().openStream('zstd-decode');
            const { output } = await stream.run(packed, { last: true, outputMax: 1 << 19 });
            const isSame = output.length === 1 << 18 && output.every((byte) => byte === i);
            if (!isSame) throw new Error('other bytes');
          }));
          gc();
        }
        await Promise.all(pending);
        gc();
        return process.memoryUsage.rss();
      };
      for (let i = 0; i < 3; i++) await round();
      const before = await round();
      for (let i = 0; i < 20; i++) await round();
      const growth = await round() - before;
      if (growth > 64 << 20) throw new Error('memory grew by ' + growth);`;
    assert.deepEqual(await runChild(source), { status: 0, output: '' });
  });

  it('throws a TypeError for an argument of the wrong type', () => {
    const binding = addon();
    assert.throws(() => binding.blake2b('text' as unknown as Uint8Array, 16), TypeError);
    assert.throws(
      () => binding.blake2b(new Uint16Array(1) as unknown as Uint8Array, 16),
      TypeError,
    );
    assert.throws(() => binding.digestFile(1 as unknown as string), TypeError);
    assert.throws(() => binding.digestFile('a\0b'), TypeError);
    assert.throws(() => binding.decodeChunk(undefined as never), TypeError);
  });

  it('throws a RangeError for a number outside its limits', () => {
    const binding = addon();
    for (const length of [0, 65, 1.5, Number.NaN, -1]) {
      assert.throws(() => binding.blake2b(new Uint8Array(1), length), RangeError);
    }
  });

  it('rejects with the error class of the project, with errno and path', async () => {
    const error = await addon()
      .scanEntry('/nowhere', new Uint8Array([97]))
      .catch((reason: unknown) => reason);
    assert.ok(isG8Error(error, 'ERR_NO_INPUT'));
    assert.equal(error.details['errno'], 'ENOENT');
    assert.equal(error.details['path'], '/nowhere/a');
    assert.match(error.message, /^\/nowhere\/a cannot be opened: /);
  });
});
