/** Services of the host, which the core daemon starts with itself. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { until } from '../support/child-server.ts';
import { startCoreWorld } from '../support/core-world.ts';

test('services of the host run in their order, are listed as jobs, and end with the daemon', async () => {
  const startup = `
    [startup.first]
    name = "bash"
    args = { script = "echo first >>order" }
    running_delay = -1
    [startup.second]
    name = "bash"
    after = ["first"]
    args = { script = "echo {WORD} >>order; exec sleep 600" }
  `;
  const world = await startCoreWorld({
    startup: { path: '/services', text: startup },
    env: { ...process.env, WORD: 'second' },
  });
  try {
    const order = join(world.workingDir, 'order');
    const text = () => {
      try {
        return readFileSync(order, 'utf8');
      } catch {
        return '';
      }
    };
    await until('The second service', async () => text() === 'first\nsecond\n');
    const jobs = (await world.client.json('job.list')) as { cmd: { id: string } }[];
    assert.ok(jobs.some(({ cmd }) => cmd.id === 'second'));
  } finally {
    await world.stop();
  }
});

test('a file of services that makes no sense keeps the daemon from its start', async () => {
  const startup = { path: '/etc/services.toml', text: '[startup.a]\nargs = {}' };
  await assert.rejects(startCoreWorld({ startup }), {
    code: 'ERR_CONFIG',
    message: /^Services file \/etc\/services\.toml: Startup file /,
  });
});
