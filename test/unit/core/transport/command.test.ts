import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  commandDocument,
  parseCommand,
  parseCommandText,
} from '../../../../src/core/transport/command.ts';

const PING =
  '{"id":"546a","command":"core.ping","arguments":{},"queue":null,"max_time":null,"stream":false,"tags":null,"recurring_period":null}';

test('parseCommandText() takes null for everything that was not set', () => {
  assert.deepEqual(parseCommandText(PING), {
    id: '546a',
    command: 'core.ping',
    arguments: {},
    queue: '',
    maxTime: 0,
    maxRestart: 0,
    recurringPeriod: 0,
    stream: false,
    tags: null,
    logLevels: null,
    statsInterval: 0,
  });
});

test('parseCommandText() takes everything that can be set, and commandDocument() tells it again', () => {
  const document = {
    id: 'my-id-1',
    command: 'core.system',
    arguments: { name: 'cat', args: [], dir: '/srv', stdin: 'in put', env: null },
    queue: 'q1',
    stats_interval: 3,
    max_time: 5,
    max_restart: 2,
    recurring_period: 30,
    stream: true,
    log_levels: [1, 2],
    tags: ['t1', 't2'],
  };
  assert.deepEqual(commandDocument(parseCommandText(JSON.stringify(document))), document);
});

test('parseCommandText() takes missing arguments as none', () => {
  assert.deepEqual(parseCommandText('{"id":"a","command":"core.ping"}').arguments, {});
});

for (const [name, source] of [
  ['no JSON', 'core.ping'],
  ['no object', '["core.ping"]'],
  ['no id', '{"command":"core.ping"}'],
  ['an empty id', '{"id":"","command":"core.ping"}'],
  ['an id that is a number', '{"id":5,"command":"core.ping"}'],
  ['arguments that are a list', '{"id":"a","command":"core.ping","arguments":[]}'],
  ['a time with a fraction', '{"id":"a","command":"core.ping","max_time":1.5}'],
  ['a stream that is a number', '{"id":"a","command":"core.ping","stream":1}'],
  ['a tag that is a number', '{"id":"a","command":"core.ping","tags":[1]}'],
  ['a long id', `{"id":"${'a'.repeat(257)}","command":"core.ping"}`],
  [
    'deep arguments',
    `{"id":"a","command":"x","arguments":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
  ],
  ['too many bytes', `{"id":"a","command":"x","arguments":{"a":"${'x'.repeat(9_000_000)}"}}`],
] as const) {
  test(`parseCommandText() refuses ${name}`, () => {
    assert.throws(
      () => parseCommandText(source),
      (error) => isG8Error(error, 'ERR_PROTOCOL'),
    );
  });
}

test('parseCommand() makes an id where one may be missing', () => {
  const command = { command: 'bash', id: null, arguments: { script: 'true', stdin: '' } };
  assert.equal(parseCommand(command, () => 'made').id, 'made');
  assert.equal(parseCommand({ ...command, id: 'given' }, () => 'made').id, 'given');
});

test('parseCommand() never takes what an object has by birth for a field', () => {
  assert.throws(() => parseCommand(JSON.parse('{"__proto__":{"id":"a"},"command":"x"}')));
});
