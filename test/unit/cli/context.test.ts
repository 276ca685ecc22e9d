import assert from 'node:assert/strict';
import test from 'node:test';
import { createContext, type GlobalFlags, type Terminal } from '../../../src/cli/context.ts';
import { isColorWanted } from '../../../src/cli/ui/color.ts';

function contextWith(flags: GlobalFlags, isTTY: boolean) {
  const stream = { isTTY } as Terminal;
  const { signal } = new AbortController();
  return createContext({ stdout: stream, stderr: stream }, {}, signal, () => flags);
}

for (const [flags, isTTY, expected] of [
  [{}, true, 'bar'],
  [{}, false, 'none'],
  [{ json: true }, true, 'none'],
  [{ quiet: true, progress: 'plain' }, true, 'none'],
  [{ progress: 'plain' }, false, 'plain'],
  [{ progress: 'none' }, true, 'none'],
] as const) {
  test(`createContext() shows progress as ${expected} for ${JSON.stringify(flags)}, terminal ${isTTY}`, () => {
    assert.equal(contextWith(flags, isTTY).progress, expected);
  });
}

test('createContext() is verbose with debug', () => {
  assert.equal(contextWith({ debug: true }, false).verbose, true);
});

for (const [flag, env, isTTY, expected] of [
  [undefined, {}, true, true],
  [undefined, {}, false, false],
  [undefined, { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  [undefined, { NO_COLOR: '' }, true, true],
  [undefined, { TERM: 'dumb' }, true, false],
  [false, {}, true, false],
  ['never', {}, true, false],
  ['always', { NO_COLOR: '1' }, false, true],
] as const) {
  test(`isColorWanted() is ${expected} for ${flag}, ${JSON.stringify(env)}, terminal ${isTTY}`, () => {
    assert.equal(isColorWanted({ isTTY }, flag, env), expected);
  });
}
