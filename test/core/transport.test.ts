/** Queue, flags, results, streams and loggers, by raw commands on a real Redis. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../support/child-server.ts';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import type { RawCoreClient, StreamRecord } from '../support/raw-core-client.ts';

let world: CoreWorld;
let client: RawCoreClient;

before(async () => {
  world = await startCoreWorld({
    settings: { maxJobs: 8, loggerSize: 5 },
  });
  client = world.client;
});
after(() => world.stop());

test('a result is a document of the captured form', async () => {
  const id = await client.start('bash', { script: 'echo out; echo err >&2; exit 3', stdin: '' });
  await client.result(id);
  const [text = ''] = await client.redis.lrange(`result:${id}`, 0, -1);
  const times = /"starttime":(\d{13}),"time":(\d+)/.exec(text);
  assert.equal(
    text,
    `{"id":"${id}","command":"bash","data":"","level":0,"state":"ERROR","code":1003,"starttime":${times?.[1]},"time":${times?.[2]},"tags":null,"container":0,"streams":["out\\n","err\\n"]}`,
  );
});

test('a built-in command has its value in data, and no streams', async () => {
  const result = await client.run('core.ping', {});
  assert.deepEqual(Object.keys(result), [
    ...[
      'id',
      'command',
      'data',
      'level',
      'state',
      'code',
      'starttime',
      'time',
      'tags',
      'container',
    ],
  ]);
  assert.equal(result.level, 20);
});

test('tags come back with the result', async () => {
  assert.deepEqual((await client.run('core.ping', {}, { tags: ['a', 'b'] })).tags, ['a', 'b']);
});

test('missing arguments are none', async () => {
  assert.equal((await client.run('core.ping')).state, 'SUCCESS');
  assert.equal((await client.run('bash')).code, 400);
});

test('an unknown command is UNKNOWN_CMD', async () => {
  const { state, code, data, level, starttime, time } = await client.run('no.such.command', {});
  assert.deepEqual([state, code, data, level, starttime, time], ['UNKNOWN_CMD', 0, '', 0, 0, 0]);
});

test('a flag has no expiry while its job runs, and five minutes afterwards', async () => {
  const id = await client.start('bash', { script: 'exec sleep 40', stdin: '' });
  assert.equal(await client.redis.ttl(`result:${id}:flag`), -1);
  // As the other client looks: the flag stays what it was.
  assert.equal(await client.redis.rpoplpush(`result:${id}:flag`, `result:${id}:flag`), '');
  await client.json('job.kill', { id, signal: 9 });
  await client.result(id);
  for (const key of [`result:${id}:flag`, `result:${id}`]) {
    await until('The expiry', async () => (await client.redis.ttl(key)) > 0);
    const ttl = await client.redis.ttl(key);
    assert.ok(ttl > 290 && ttl <= 300, `${key}: ${ttl}`);
  }
});

test('what makes no sense is dropped without a reply, and the next command runs', async () => {
  for (const text of ['', 'no JSON', '[]', '{}', '{"id":"","command":"core.ping"}', '{"id":7}']) {
    await client.redis.rpush('core:default', text);
  }
  await client.redis.rpush('core:default', '{"id":"bad","command":"core.ping","max_time":"1"}');
  assert.equal((await client.run('core.ping', {})).state, 'SUCCESS');
  assert.equal(await client.redis.exists('result:bad:flag', 'result:bad', 'result::flag'), 0);
});

test('keys of another type do not stop the daemon', async () => {
  // Redis cannot take from this one: what is pushed afterwards waits until it is gone.
  await client.redis.set('core:default', 'not a list');
  await client.redis.set('result:typed', 'not a list');
  await client.redis.del('core:default');
  await client.run('bash', { script: 'true', stdin: '' }, { id: 'after' });
  const id = await client.start('bash', { script: 'true', stdin: '' }, { id: 'typed' });
  await until('Its end', async () => (await client.redis.ttl(`result:${id}:flag`)) > 0);
  assert.equal((await client.run('core.ping', {})).state, 'SUCCESS');
});

test('a command whose id is known does not run again', async () => {
  const more = { id: 'my-id-1' };
  const first = await client.run('bash', { script: 'echo first', stdin: '' }, more);
  await client.send('bash', { script: 'echo second', stdin: '' }, more);
  assert.equal((await client.run('core.ping', {})).state, 'SUCCESS');
  assert.deepEqual(await client.result('my-id-1'), first);
  assert.equal(await client.redis.llen('result:my-id-1'), 1);
});

test('an id of an internal job, or one that is alive, is refused with 409', async () => {
  const id = await client.start('bash', { script: 'exec sleep 40', stdin: '' });
  // A server that has lost its memory lets the same id in again.
  await client.redis.del(`result:${id}:flag`);
  await client.start('bash', { script: 'true', stdin: '' }, { id });
  const { state, code } = await client.result(id);
  assert.deepEqual([state, code], ['ERROR', 409]);
  await client.json('job.kill', { id, signal: 9 });
});

test('the stream of a process has its messages and an end, and expires', async () => {
  const args = { script: 'echo hi; echo "4::op"; echo bad >&2', stdin: '' };
  const id = await client.start('bash', args, { stream: true });
  const texts = await client.stream(id);
  const records = texts.map((text) => JSON.parse(text) as StreamRecord);
  assert.match(
    texts[0] ?? '',
    new RegExp(
      `^\\{"core":0,"command":"${id}","message":\\{"message":"hi\\\\n","epoch":\\d{19},"meta":65537\\}\\}$`,
    ),
  );
  const end = records.pop();
  assert.deepEqual([end?.message.message, end?.message.meta], ['', 65_539]);
  const metas = records.map(({ message }) => [message.message, message.meta]);
  assert.deepEqual(
    metas.sort(),
    [
      ['bad\n', 131_073],
      ['hi\n', 65_537],
      ['op\n', 262_145],
    ].sort(),
  );
  const epochs = texts.map((text) => /"epoch":(\d+)/.exec(text)?.[1] ?? '');
  assert.deepEqual([...new Set(epochs)].sort(), epochs);
  assert.ok(Math.abs(Number(epochs[0]?.slice(0, 13)) - Date.now()) < 60_000);
});

test('the stream of a process that fails ends with a failure', async () => {
  const id = await client.start('bash', { script: 'exit 1', stdin: '' }, { stream: true });
  const last = JSON.parse((await client.stream(id)).at(-1) ?? '') as StreamRecord;
  assert.deepEqual([last.message.message, last.message.meta], ['', 131_077]);
});

test('the stream of a built-in command is its result', async () => {
  const id = await client.start('core.ping', {}, { stream: true });
  const [record] = (await client.stream(id)).map((text) => JSON.parse(text) as StreamRecord);
  assert.equal(record?.message.meta, 1_310_723);
  assert.match(JSON.parse(record?.message.message ?? '') as string, /^PONG/);
  const failing = await client.start('job.list', { id: 'none' }, { stream: true });
  const [failure] = (await client.stream(failing)).map((text) => JSON.parse(text) as StreamRecord);
  assert.equal(failure?.message.meta, 1_310_725);
});

test('a stream keeps its last thousand records for a minute', async () => {
  const script = 'seq 1500 | sed "s/^/1::/"';
  const id = await client.start('bash', { script, stdin: '' }, { stream: true });
  await client.result(id);
  assert.equal(await client.redis.llen(`stream:${id}`), 1000);
  const ttl = await client.redis.ttl(`stream:${id}`);
  assert.ok(ttl > 0 && ttl <= 60);
});

test('a job without a stream has none', async () => {
  const { id } = await client.bash('echo hi');
  assert.equal(await client.redis.exists(`stream:${id}`), 0);
});

test('core.subscribe streams another job up to its end', async () => {
  const args = { script: 'echo one; exec sleep 40', stdin: '' };
  const alive = await client.start('bash', args, { stream: true });
  await client.redis.blpop(`stream:${alive}`, 10);
  const more = { stream: true, id: 'sub-1' };
  await client.start('core.subscribe', { id: alive }, more);
  await client.json('job.kill', { id: alive, signal: 9 });
  const records = (await client.stream('sub-1')).map((text) => JSON.parse(text) as StreamRecord);
  assert.deepEqual(
    records.map(({ command, message }) => [command, message.message, message.meta]),
    [
      ['sub-1', 'one\n', 65_537],
      ['sub-1', '', 131_077],
    ],
  );
});

test('a logger gets the records that are kept and the new ones of its levels', async () => {
  const { id } = await client.bash('echo "4::before"; echo plain');
  const key = await client.json('logger.subscribe', { queue: 'w1', levels: [4] });
  assert.equal(key, 'logger:w1');
  assert.equal(await client.json('logger.subscribe', { queue: 'w1', levels: [] }), key);
  const { id: second } = await client.bash('echo "4::after"; echo plain');
  let records: StreamRecord[] = [];
  await until('The records', async () => {
    const texts = await client.redis.lrange('logger:w1', 0, -1);
    records = texts.map((text) => JSON.parse(text) as StreamRecord);
    return records.some(({ command, message }) => command === second && message.meta & 6);
  });
  // Five at most: what comes last.
  assert.ok(records.length <= 5);
  assert.ok(records.every(({ message }) => message.meta >> 16 === 4 || message.meta & 6));
  assert.ok(records.some(({ message }) => message.message === 'after\n'));
  assert.equal(await client.json('logger.unsubscribe', { queue: key }), null);
  const count = await client.redis.llen('logger:w1');
  await client.bash('echo "4::too late"');
  assert.equal(await client.redis.llen('logger:w1'), count);
  assert.ok(id !== second);
});

test('a logger without a name gets one', async () => {
  const key = (await client.json('logger.subscribe', { queue: '', levels: [9] })) as string;
  assert.match(key, /^logger:.+/);
  await client.json('logger.unsubscribe', { queue: key });
});

test('commands wait in their queue while as many jobs are alive as may be', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 8; count++) {
    ids.push(await client.start('bash', { script: 'exec sleep 40', stdin: '' }, { max_time: 3 }));
  }
  const waiting = await client.send('core.ping', {});
  // The daemon looks at nothing now: the command stays where it is until the jobs' time is up.
  assert.equal(await client.redis.llen('core:default'), 1);
  for (const id of ids) assert.equal((await client.result(id)).state, 'TIMEOUT');
  const flag = `result:${waiting}:flag`;
  assert.equal(await client.redis.brpoplpush(flag, flag, 10), '');
  assert.equal((await client.result(waiting)).state, 'SUCCESS');
});
