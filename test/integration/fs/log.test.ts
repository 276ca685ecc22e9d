/** The daemon's log, as it comes out of a process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

const MODULE = new URL('../../../src/fs/log.js', import.meta.url).href;
const EARLY_MAX = 100;

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly pid: number;
  readonly [field: string]: unknown;
}

/** Lines that a process logs which runs `script`; `log` is a logger of that level. */
function logged(level: string, script: string): Line[] {
  const program = `
    import { createLogger } from ${JSON.stringify(MODULE)};
    const log = createLogger(${JSON.stringify(level)});
    ${script}
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.deepEqual([child.status, child.stdout], [0, '']);
  return child.stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Waits until the library is loaded: the second import is served after the first. */
const LOADED = "await import('pino'); await new Promise(setImmediate);";

test('createLogger() writes early events in order, before later ones', () => {
  const lines = logged(
    'info',
    `log.info({}, '1'); log.warn({}, '2'); log.error({}, '3'); ${LOADED} log.info({}, '4');`,
  );
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['1', '2', '3', '4'],
  );
});

for (const [level, expected] of [
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
] as const) {
  for (const [when, before] of [
    ['early', ''],
    ['late', `log.error({}, 'first'); ${LOADED}`],
  ] as const) {
    test(`createLogger() of level ${level} writes ${expected.length} of 4 levels ${when}`, () => {
      const each = ['debug', 'info', 'warn', 'error'].map((name) => `log.${name}({}, '${name}');`);
      const lines = logged(level, before + each.join(' '));
      assert.deepEqual(
        lines.map(({ msg }) => msg).filter((msg) => msg !== 'first'),
        expected,
      );
    });
  }
}

test('createLogger() writes fields and errors', () => {
  const [line] = logged('info', `log.error({ mountPoint: '/a', err: new Error('why') }, 'what');`);
  assert.deepEqual([line?.['mountPoint'], line?.msg], ['/a', 'what']);
  assert.match(JSON.stringify(line?.['err']), /why/);
  assert.equal(typeof line?.pid, 'number');
});

test('createLogger() keeps a bounded number of early events', () => {
  const script = `for (let i = 0; i < 1000; i++) log.info({}, String(i));`;
  const lines = logged('info', script);
  assert.deepEqual([lines.length, lines.at(-1)?.msg], [EARLY_MAX, String(EARLY_MAX - 1)]);
});

test('createLogger() keeps its early places for events of its level', () => {
  const script = `for (let i = 0; i < 1000; i++) log.debug({}, 'detail'); log.error({}, 'bad');`;
  assert.deepEqual(
    logged('info', script).map(({ msg }) => msg),
    ['bad'],
  );
});

test('createLogger() loads nothing while there is nothing to write', () => {
  const lines = logged(
    'info',
    `log.debug({}, 'x'); await new Promise((resolve) => setTimeout(resolve, 50));
     const { createRequire } = await import('node:module');
     const cache = Object.keys(createRequire(${JSON.stringify(MODULE)}).cache);
     if (cache.some((path) => path.includes('/pino/'))) process.exitCode = 9;`,
  );
  assert.deepEqual(lines, []);
});
