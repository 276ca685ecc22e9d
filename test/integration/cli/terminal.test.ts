/** What is asked for at a terminal: a real one, made by `script`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UsersHub } from '../../support/hub-users.ts';
import { PROGRAM } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const PASSWORD = 'correct horse';
const TIMEOUT_MS = 120_000;

async function start(t: TestContext) {
  const hub = await UsersHub.start(temporaryDirectory(t));
  t.after(() => hub.hub.close());
  await hub.user('alice', { password: PASSWORD });
  const credentials = join(temporaryDirectory(t), 'credentials.json');
  return { hub, credentials };
}

/** Types `answer` when the prompt is there. @returns all that the terminal showed, and how the program ended */
async function atTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  [prompt, answer]: readonly [prompt: string, answer: string],
): Promise<{ code: number; shown: string }> {
  const words = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', words, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TERM: 'dumb', ...env },
    timeout: TIMEOUT_MS,
  });
  let shown = '';
  let isAnswered = false;
  child.stdout.on('data', (text) => {
    shown += text;
    if (isAnswered || !shown.includes(prompt)) return;
    isAnswered = true;
    child.stdin.write(answer);
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, shown };
}

test('a password is asked for at the terminal, and not shown', async (t) => {
  const { hub, credentials } = await start(t);
  const env = { G8UFS_HUB: hub.url, G8UFS_CREDENTIALS: credentials };
  const prompt = ['Password of alice: ', `${PASSWORD}\r`] as const;
  const { code, shown } = await atTerminal(['login', '--user', 'alice'], env, prompt);
  assert.equal(code, 0, shown);
  assert.equal(shown, `Password of alice: \r\n${hub.url}: logged in as alice, scope publish\r\n`);
  assert.match(readFileSync(credentials, 'utf8'), /g8_/);
});

test('Ctrl-C at the prompt ends the program, which keeps nothing', async (t) => {
  const { hub, credentials } = await start(t);
  const env = { G8UFS_HUB: hub.url, G8UFS_CREDENTIALS: credentials };
  const { code, shown } = await atTerminal(['login'], env, ['Token: ', 'secret\x03']);
  assert.equal(code, 130, shown);
  assert(!shown.includes('secret'), shown);
  assert(!existsSync(credentials));
});
