import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from '../../../../src/core/transport/command.ts';
import {
  failureOutcome,
  formatResult,
  successOutcome,
} from '../../../../src/core/transport/result.ts';

const run = { core: 0, startedAt: 1_795_426_645_303, durationMs: 4 };

test('formatResult() writes a process as the protocol has it', () => {
  const command = parseCommand({ id: 'a2', command: 'bash' });
  const outcome = {
    state: 'ERROR',
    code: 1003,
    data: '',
    level: 0,
    streams: ['out\n', 'err\n'],
  } as const;
  assert.equal(
    formatResult({ command, outcome, ...run }),
    '{"id":"a2","command":"bash","data":"","level":0,"state":"ERROR","code":1003,"starttime":1795426645303,"time":4,"tags":null,"container":0,"streams":["out\\n","err\\n"]}',
  );
});

test('formatResult() writes a built-in command without streams', () => {
  const command = parseCommand({ id: 'a3', command: 'corex.create', tags: ['q'] });
  assert.equal(
    formatResult({ command, outcome: successOutcome(4), ...run }),
    '{"id":"a3","command":"corex.create","data":"4","level":20,"state":"SUCCESS","code":0,"starttime":1795426645303,"time":4,"tags":["q"],"container":0}',
  );
});

test('successOutcome() has text for no value too', () => {
  assert.equal(successOutcome(undefined).data, 'null');
});

test('failureOutcome() tells its text as a JSON string', () => {
  const { state, code, data, level } = failureOutcome({ code: 500, message: "no '1'" });
  assert.deepEqual([state, code, data, level], ['ERROR', 500, `"no '1'"`, 20]);
});
