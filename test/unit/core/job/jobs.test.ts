import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../../../support/child-server.ts';
import { type HostJobs, startHostJobs } from '../../../support/host-jobs.ts';

let host: HostJobs;
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-jobs-'));
  host = startHostJobs(folder);
});

after(async () => {
  await host.stop();
  rmSync(folder, { recursive: true });
});

const bash = (script: string, stdin = '') => ({ command: 'bash', arguments: { script, stdin } });
const system = (name: string, args: string[] = [], more: Record<string, unknown> = {}) => ({
  command: 'core.system',
  arguments: { name, args, dir: '', stdin: '', env: null, ...more },
});

test('a process that succeeds is SUCCESS with its streams', async () => {
  const { outcome, core } = await host.run(bash('echo out; echo err >&2'));
  assert.deepEqual(outcome, {
    state: 'SUCCESS',
    code: 0,
    data: '',
    level: 0,
    streams: ['out\n', 'err\n'],
  });
  assert.equal(core, 0);
});

test('an exit status is 1000 and itself, a signal 999', async () => {
  assert.equal((await host.run(bash('exit 3'))).outcome.code, 1003);
  const { state, code } = (await host.run(bash('kill -9 $$'))).outcome;
  assert.deepEqual([state, code], ['ERROR', 999]);
});

test('a program that does not exist is 404 with raw text and no streams', async () => {
  const { outcome } = await host.run(system('no-such-program'));
  const { state, code, level, streams } = outcome;
  assert.deepEqual([state, code, level, streams], ['ERROR', 404, 0, undefined]);
  assert.match(outcome.data, /no-such-program/);
});

test('an argument of the wrong type is 400', async () => {
  const { outcome } = await host.run({ command: 'core.system', arguments: { name: 5 } });
  assert.deepEqual([outcome.state, outcome.code, outcome.level], ['ERROR', 400, 20]);
});

test('a process gets its input, folder and environment', async () => {
  const cat = await host.run(system('cat', [], { stdin: 'in put' }));
  assert.equal(cat.outcome.streams?.[0], 'in put');
  const pwd = await host.run(system('pwd', [], { dir: '/srv' }));
  assert.equal(pwd.outcome.streams?.[0], '/srv\n');
  const env = await host.run(system('sh', ['-c', 'echo $A $HOME'], { env: { A: 'b' } }));
  assert.equal(env.outcome.streams?.[0], `b ${process.env['HOME']}\n`);
});

test('a process without input reads nothing', async () => {
  assert.deepEqual((await host.run(bash('cat'))).outcome.streams, ['', '']);
});

test('relative paths begin in the folder of the place', async () => {
  await host.run(system('mkdir', ['x']));
  assert.equal((await host.run(bash('ls | grep x'))).outcome.streams?.[0], 'x\n');
});

test('messages with levels become the result, and only plain ones the streams', async () => {
  const { outcome } = await host.run(
    bash('echo 20::1; echo plain; echo "9::bad"; echo "20::{\\"a\\":2}"; echo "4::for operators"'),
  );
  assert.equal(outcome.data, '{"a":2}\n');
  assert.equal(outcome.level, 20);
  assert.equal(outcome.critical, 'bad\n');
  assert.equal(outcome.streams?.[0], 'plain\n');
});

test('a job ends when nobody holds its output any more', async () => {
  const gate = join(folder, 'gate');
  host.submit({ id: 'held', ...bash(`mkfifo ${gate}; cat ${gate} & echo started`) });
  await until('Starting', async () =>
    host.sink.messages.some(({ id, message }) => id === 'held' && message.text === 'started\n'),
  );
  await host.run(bash(`ls /proc/self/fd >/dev/null`));
  assert.deepEqual(host.sink.results('held'), []);
  await host.run(bash(`echo late > ${gate}`));
  assert.match((await host.sink.result('held')).outcome.streams?.[0] ?? '', /late/);
});

test('a job whose time is up is killed with its group', async () => {
  const { outcome, durationMs } = await host.run({ max_time: 1, ...bash('sleep 40 & sleep 40') });
  assert.deepEqual([outcome.state, outcome.code], ['TIMEOUT', 999]);
  assert.ok(durationMs >= 990 && durationMs < 20_000);
});

test('a failing job runs as often as it may', async () => {
  const counter = join(folder, 'restarts');
  const { outcome } = await host.run({
    max_restart: 2,
    ...bash(`echo run >> ${counter}; exit 1`),
  });
  assert.equal(outcome.code, 1001);
  assert.equal(readFileSync(counter, 'utf8'), 'run\nrun\n');
});

test('a job that succeeds in its second run is a success', async () => {
  const mark = join(folder, 'mark');
  const { outcome } = await host.run({
    max_restart: 5,
    ...bash(`test -e ${mark} || { touch ${mark}; exit 1; }`),
  });
  assert.equal(outcome.state, 'SUCCESS');
});

test('a recurring job publishes nothing until it is unscheduled', async () => {
  const counter = join(folder, 'recurring');
  host.submit({ id: 'recurring', recurring_period: 1, ...bash(`echo run >> ${counter}; exit 1`) });
  await until('Two runs', async () => readFileOr(counter) === 'run\nrun\n');
  assert.deepEqual(host.sink.results('recurring'), []);
  assert.equal(host.jobs.unschedule('recurring'), true);
  assert.equal((await host.sink.result('recurring')).outcome.code, 1001);
  assert.equal(host.jobs.unschedule('recurring'), false);
});

test('a kill does not unschedule', async () => {
  const counter = join(folder, 'killed');
  host.submit({ id: 'again', recurring_period: 1, ...bash(`echo >> ${counter}; exec sleep 40`) });
  await until('Starting', async () => readFileOr(counter) === '\n');
  assert.equal(host.jobs.kill('again', 15), true);
  await until('The second run', async () => readFileOr(counter) === '\n\n');
  host.jobs.unschedule('again');
  host.jobs.kill('again', 15);
  const { state, code } = (await host.sink.result('again')).outcome;
  assert.deepEqual([state, code], ['ERROR', 999]);
});

test('jobs of one queue run one after the other', async () => {
  const log = join(folder, 'queue');
  const step = (name: string) => ({
    queue: 'q',
    ...bash(`echo begin ${name} >> ${log}; sleep 0.1; echo end ${name} >> ${log}`),
  });
  await Promise.all(['a', 'b', 'c'].map((name) => host.run(step(name))));
  const wanted = ['a', 'b', 'c'].map((name) => `begin ${name}\nend ${name}\n`).join('');
  assert.equal(readFileSync(log, 'utf8'), wanted);
});

test('a job that is killed while it waits in its queue does not run', async () => {
  const mark = join(folder, 'never');
  host.submit({ id: 'first', queue: 'k', ...bash('exec sleep 40') });
  host.submit({ id: 'second', queue: 'k', ...bash(`touch ${mark}`) });
  host.jobs.kill('second', 15);
  await until('Starting', async () => ((await host.jobs.list('first'))[0]?.starttime ?? 0) > 0);
  await until('Killing', async () => {
    host.jobs.kill('first', 15);
    return host.sink.results('first').length > 0;
  });
  assert.equal((await host.sink.result('second')).outcome.code, 999);
  assert.equal(readFileOr(mark), undefined);
});

test('an id that is alive is refused with 409', async () => {
  host.submit({ id: 'twice', ...bash('exec sleep 40') });
  host.submit({ id: 'twice', ...bash('true') });
  const { outcome } = await host.sink.result('twice');
  assert.deepEqual([outcome.state, outcome.code], ['ERROR', 409]);
  await until('Ending', async () => {
    host.jobs.kill('twice', 9);
    return host.sink.results('twice').length === 2;
  });
});

test('an unknown command is UNKNOWN_CMD with nothing in it', async () => {
  const result = await host.run({ command: 'no.such.command' });
  assert.deepEqual(result.outcome, { state: 'UNKNOWN_CMD', code: 0, data: '', level: 0 });
  assert.deepEqual([result.startedAt, result.durationMs], [0, 0]);
});

test('a mistake in the daemon ends the job and nothing else', async () => {
  host.registry.add({
    mistake: {
      isPidShown: true,
      plan: () => ({ argv: null, env: {}, cwd: '', stdin: '' }) as never,
    },
  });
  const { outcome } = await host.run({ command: 'mistake' });
  assert.deepEqual([outcome.state, outcome.code], ['ERROR', 500]);
});

test('list() tells what a whole group uses, and hides the process id of a shell', async () => {
  host.submit({ id: 'used', ...system('sh', ['-c', 'sleep 40 & exec sleep 40']) });
  host.submit({ id: 'hidden', ...bash('exec sleep 40') });
  let found = await host.jobs.list('used');
  await until('Two processes', async () => {
    found = await host.jobs.list('used');
    return (found[0]?.vms ?? 0) > 0;
  });
  const [status] = found;
  assert.equal(status?.cmd['command'], 'core.system');
  assert.ok((status?.pid ?? 0) > 0 && (status?.rss ?? 0) > 0);
  assert.equal((await host.jobs.list('hidden'))[0]?.pid, 0);
  host.jobs.killAll();
  assert.equal((await host.sink.result('used')).outcome.code, 999);
  assert.equal((await host.sink.result('hidden')).outcome.code, 999);
});

test('subscribe repeats the last messages, follows, and ends with its target', async () => {
  const gate = join(folder, 'follow');
  host.submit({ id: 'target', ...bash(`mkfifo ${gate}; seq 12 | sed -u 's/^/1::/'; cat ${gate}`) });
  const texts = (id: string): string[] =>
    host.sink.messages.filter((each) => each.id === id).map(({ message }) => message.text);
  await until('Twelve lines', async () => texts('target').includes('12\n'));
  host.submit({ id: 'follower', command: 'core.subscribe', arguments: { id: 'target' } });
  await until('The backlog', async () => texts('follower').length === 10);
  await host.run(bash(`echo more > ${gate}`));
  const { outcome } = await host.sink.result('follower');
  assert.equal(outcome.state, 'SUCCESS');
  const lines = Array.from({ length: 10 }, (_, i) => `${i + 3}\n`);
  assert.deepEqual(texts('follower'), [...lines, 'more\n', '', 'null']);
});

test('subscribe to nothing is an error', async () => {
  const { outcome } = await host.run({ command: 'core.subscribe', arguments: { id: 'none' } });
  assert.deepEqual([outcome.state, outcome.level], ['ERROR', 20]);
});

test('room for jobs is what is left of the maximum', async () => {
  assert.equal(host.slots.count, 0);
  host.submit({ id: 'one', ...bash('exec sleep 40') });
  assert.equal(host.slots.count, 1);
  await until('Ending', async () => {
    host.jobs.kill('one', 9);
    return host.slots.count === 0;
  });
});

test('stop() ends what ignores SIGTERM', async () => {
  const own = startHostJobs(folder);
  own.submit({ id: 'stubborn', ...bash('trap "" TERM; echo ready; while :; do sleep 1; done') });
  await until('Starting', async () =>
    own.sink.messages.some(({ message }) => /ready/.test(message.text)),
  );
  await own.stop();
  assert.equal(own.sink.results('stubborn')[0]?.outcome.code, 999);
});

test('stop() waits for nobody who has left the group with the output', async () => {
  const own = startHostJobs(folder);
  const pidFile = join(folder, 'left');
  own.submit({
    id: 'left',
    ...bash(`setsid sh -c 'echo $$ > ${pidFile}; exec sleep 40' & sleep 40`),
  });
  await until('Starting', async () => (readFileOr(pidFile) ?? '') !== '');
  await own.stop();
  assert.equal(own.sink.results('left')[0]?.outcome.code, 999);
  process.kill(Number(readFileOr(pidFile)), 'SIGKILL');
});

test('a recurring job that is killed before it ran is back after its period', async () => {
  const mark = join(folder, 'back');
  host.submit({ id: 'ahead', queue: 'r', ...bash('exec sleep 40') });
  host.submit({ id: 'behind', queue: 'r', recurring_period: 1, ...bash(`echo >> ${mark}`) });
  host.jobs.kill('behind', 15);
  await until('Ending', async () => {
    host.jobs.kill('ahead', 9);
    return host.sink.results('ahead').length > 0;
  });
  await until('Its run', async () => readFileOr(mark) !== undefined);
  host.jobs.unschedule('behind');
  assert.equal((await host.sink.result('behind')).outcome.state, 'SUCCESS');
});

function readFileOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
