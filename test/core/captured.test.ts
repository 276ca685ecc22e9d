/** The commands that were captured from an existing client, byte for byte, and what has to be seen in Redis. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../support/child-server.ts';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import type { RawCoreClient } from '../support/raw-core-client.ts';

let world: CoreWorld;
let client: RawCoreClient;

before(async () => {
  world = await startCoreWorld();
  client = world.client;
});
after(() => world.stop());

/** Pushes a line, waits for its flag as clients do, and has its result as text. */
async function exchange(line: string): Promise<string> {
  const { id } = JSON.parse(line) as { id: string };
  await client.redis.rpush('core:default', line);
  const flag = `result:${id}:flag`;
  assert.equal(await client.redis.brpoplpush(flag, flag, 10), '');
  await client.result(id);
  return (await client.redis.lindex(`result:${id}`, 0)) ?? '';
}

/** With its times taken out. */
const timeless = (text: string): string =>
  text.replace(/"starttime":\d{13},"time":\d+/, '"starttime":T,"time":T');

test('a ping', async () => {
  const text = await exchange(
    '{"id":"546a448e","command":"core.ping","arguments":{},"queue":null,"max_time":null,"stream":false,"tags":null,"recurring_period":null}',
  );
  assert.match(
    timeless(text),
    /^\{"id":"546a448e","command":"core.ping","data":"\\"PONG [^"]+\\"","level":20,"state":"SUCCESS","code":0,"starttime":T,"time":T,"tags":null,"container":0\}$/,
  );
});

test('a program with arguments and an environment', async () => {
  const text = await exchange(
    '{"id":"e56733f9","command":"core.system","arguments":{"name":"echo","args":["hello world","x"],"dir":"","stdin":"","env":{"A":"b"}},"queue":null,"max_time":null,"stream":false,"tags":null,"recurring_period":null}',
  );
  assert.equal(
    timeless(text),
    '{"id":"e56733f9","command":"core.system","data":"","level":0,"state":"SUCCESS","code":0,"starttime":T,"time":T,"tags":null,"container":0,"streams":["hello world x\\n",""]}',
  );
});

test('a program with a folder, input, a queue, a time and tags', async () => {
  const text = await exchange(
    '{"id":"my-id-1","command":"core.system","arguments":{"name":"cat","args":[],"dir":"/srv","stdin":"in put","env":null},"queue":"q1","max_time":5,"stream":false,"tags":["t1","t2"],"recurring_period":null}',
  );
  assert.equal(
    timeless(text),
    '{"id":"my-id-1","command":"core.system","data":"","level":0,"state":"SUCCESS","code":0,"starttime":T,"time":T,"tags":["t1","t2"],"container":0,"streams":["in put",""]}',
  );
});

test('a script that comes again every thirty seconds, until it is unscheduled', async () => {
  await client.redis.rpush(
    'core:default',
    '{"id":"500e124a","command":"bash","arguments":{"script":"true","stdin":""},"queue":null,"max_time":null,"stream":false,"tags":null,"recurring_period":30}',
  );
  await until('Its first run', async () => {
    const list = (await client.json('job.list', { id: null })) as { cmd: { id: string } }[];
    return list.some(({ cmd }) => cmd.id === '500e124a');
  });
  assert.equal(await client.redis.llen('result:500e124a'), 0);
  assert.equal(await client.json('job.unschedule', { id: '500e124a' }), true);
  assert.equal((await client.result('500e124a')).state, 'SUCCESS');
});

test('a script whose output is streamed: every write to Redis, in its order', async () => {
  const monitor = await client.redis.monitor();
  const seen: string[] = [];
  monitor.on('monitor', (_time: string, words: string[]) => {
    const line = words.join(' ');
    if (line.includes('2a03')) seen.push(line);
  });
  await client.redis.rpush(
    'core:default',
    '{"id":"2a03","command":"bash","arguments":{"script":"echo hi","stdin":""},"queue":null,"max_time":null,"stream":true,"tags":null,"recurring_period":null}',
  );
  await until('The end', async () => seen.some((line) => /^expire result:2a03 300$/i.test(line)));
  monitor.disconnect();
  const writes = seen.slice(1).map((line) =>
    timeless(line)
      // The monitor escapes what it prints.
      .replaceAll('\\\\', '\\')
      .replace(/^\S+/, (name) => name.toUpperCase())
      .replace(/"epoch":\d{19}/, '"epoch":E'),
  );
  assert.deepEqual(writes, [
    'EXISTS result:2a03:flag',
    'RPUSH result:2a03:flag ',
    'RPUSH stream:2a03 {"core":0,"command":"2a03","message":{"message":"hi\\n","epoch":E,"meta":65537}}',
    'LTRIM stream:2a03 -1000 -1',
    'EXPIRE stream:2a03 60',
    'RPUSH stream:2a03 {"core":0,"command":"2a03","message":{"message":"","epoch":E,"meta":65539}}',
    'LTRIM stream:2a03 -1000 -1',
    'EXPIRE stream:2a03 60',
    'EXPIRE result:2a03:flag 300',
    'RPUSH result:2a03 {"id":"2a03","command":"bash","data":"","level":0,"state":"SUCCESS","code":0,"starttime":T,"time":T,"tags":null,"container":0,"streams":["hi\\n",""]}',
    'EXPIRE result:2a03 300',
  ]);
});

test('a command that nobody knows', async () => {
  const text = await exchange(
    '{"id":"a7","command":"no.such.command","arguments":{},"queue":null,"max_time":null,"stream":false,"tags":null,"recurring_period":null}',
  );
  assert.equal(
    text,
    '{"id":"a7","command":"no.such.command","data":"","level":0,"state":"UNKNOWN_CMD","code":0,"starttime":0,"time":0,"tags":null,"container":0}',
  );
});

test('the captured arguments of files, facts, jobs and logs', async () => {
  const here = (name: string) => join(world.workingDir, name);
  mkdirSync(here('a'));
  const block = `${'QUFB'.repeat(19)}\nQUFB\n`;
  const run = async (command: string, args: string): Promise<unknown> =>
    client.json(command, JSON.parse(args.replaceAll('/srv/', `${world.workingDir}/`)));
  const fd = await run('filesystem.open', '{"file":"/srv/up.bin","mode":"w","perm":420}');
  assert.equal(await run('filesystem.write', JSON.stringify({ fd, block })), null);
  assert.equal(await run('filesystem.close', JSON.stringify({ fd })), null);
  const down = await run('filesystem.open', '{"file":"/srv/up.bin","mode":"r","perm":420}');
  assert.equal(await run('filesystem.read', JSON.stringify({ fd: down })), 'QUFB'.repeat(20));
  assert.equal(await run('filesystem.read', JSON.stringify({ fd: down })), '');
  assert.equal(
    await run('filesystem.chmod', '{"path":"/srv/a","mode":493,"recursive":true}'),
    null,
  );
  assert.equal(
    await run(
      'filesystem.chown',
      '{"path":"/srv/a","user":"root","group":"root","recursive":false}',
    ),
    null,
  );
  assert.equal(await run('filesystem.move', '{"path":"/srv/a","destination":"/srv/b"}'), null);
  assert.equal(((await run('info.os', '{}')) as { os: string }).os, 'linux');
  assert.ok(Array.isArray(await run('job.list', '{"id":null}')));
  assert.equal(await run('job.kill', '{"id":"abc","signal":15}'), false);
  assert.ok(Array.isArray(await run('process.list', '{"pid":null}')));
  assert.equal(await run('logger.subscribe', '{"queue":"w1","levels":[1,2]}'), 'logger:w1');
});
