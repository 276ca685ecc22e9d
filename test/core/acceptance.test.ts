/** What existing clients test first, on the host: lines 1 to 4 of the protocol's acceptance list. */
import assert from 'node:assert/strict';
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

interface ListedProcess {
  readonly pid: number;
  readonly cmdline: string;
}
interface ListedJob {
  readonly pid: number;
  readonly cmd: {
    readonly id: string;
    readonly command: string;
    readonly arguments: { readonly name?: string };
  };
}

test('core.ping answers PONG', async () => {
  const answer = await client.json('core.ping');
  assert.equal((answer as string).slice(0, 4), 'PONG');
});

test('what a program makes, a script finds; the result can be had again', async () => {
  assert.equal((await client.system('mkdir acceptance')).state, 'SUCCESS');
  const id = await client.start('bash', { script: 'ls | grep acceptance', stdin: '' });
  const result = await client.result(id);
  assert.deepEqual([result.state, result.streams], ['SUCCESS', ['acceptance\n', '']]);
  assert.deepEqual(await client.result(id), result);
});

test('a script is found among the processes by what it runs, and can be killed there', async () => {
  const id = await client.start('bash', { script: 'sleep 40', stdin: '' });
  const find = async (): Promise<ListedProcess | undefined> => {
    const list = (await client.json('process.list', { pid: null })) as ListedProcess[];
    return list.find(({ cmdline }) => cmdline === 'sleep 40');
  };
  let found: ListedProcess | undefined;
  await until('The process', async () => {
    found = await find();
    return found !== undefined;
  });
  assert.equal(await client.json('process.kill', { pid: found?.pid, signal: 15 }), null);
  // Whether the shell has become the program or waited for it is the shell's own choice.
  assert.equal((await client.result(id)).state, 'ERROR');
  assert.notEqual((await find())?.pid, found?.pid);
});

test('a program is found among the jobs by its name, and can be killed there', async () => {
  const args = { name: 'sleep', args: ['40'], dir: '', stdin: '', env: null };
  const id = await client.start('core.system', args);
  let job: ListedJob | undefined;
  await until('Its process', async () => {
    const list = (await client.json('job.list', { id: null })) as ListedJob[];
    job = list.find(({ cmd }) => cmd.command === 'core.system' && cmd.arguments.name === 'sleep');
    return (job?.pid ?? 0) > 0;
  });
  assert.equal(job?.cmd.id, id);
  assert.equal(await client.json('job.kill', { id, signal: 15 }), true);
  assert.equal((await client.result(id)).code, 999);
  const after = (await client.json('job.list', { id: null })) as ListedJob[];
  assert.ok(after.every(({ cmd }) => cmd.id !== id));
  assert.equal(await client.json('job.kill', { id, signal: 15 }), false);
  assert.equal((await client.run('job.list', { id })).state, 'ERROR');
});

test('process.kill refuses the first process', async () => {
  assert.equal((await client.run('process.kill', { pid: 1, signal: 15 })).state, 'ERROR');
  assert.equal((await client.run('process.kill', { pid: -1, signal: 15 })).state, 'ERROR');
});

test('core.state sums up what is used', async () => {
  const state = (await client.json('core.state')) as Record<string, number>;
  assert.ok((state['rss'] ?? 0) > 1e6 && (state['cpu'] ?? -1) >= 0);
});
