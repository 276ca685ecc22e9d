/**
 * Containers, one after the other: each runs programs of its root, digests files of it and writes beside them
 * (`report.ts` tells how this begins and ends).
 *
 *   node container-reader.js ROOT FOLDER
 *
 * ROOT is writable, an overlay over a mount; FOLDER takes what the runtime keeps.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../harness.ts';
import { Reporter } from './report.ts';

/** Of one container: some seconds, so that most kills meet one that runs, and some one that starts. */
const STEPS = 15;
/** Between two steps. */
const REST_MS = 200;
/** Every step says `ok`, or what is wrong, and when it has rested. It ends by itself, whatever becomes of who has started it. */
const SCRIPT = `
cd /
step=0
while [ $step -lt ${STEPS} ]; do
  said=$(shuf -n 2 sums | sha256sum -c 2>&1)
  case $? in
    0) echo ok ;;
    *) echo "wrong" $said ;;
  esac
  echo "$step $$" > written
  if [ "$(cat written)" = "$step $$" ]; then echo ok; else echo "failed to write"; fi
  sleep ${REST_MS / 1000}
  echo rested
  step=$((step + 1))
done
echo end
`;

const [root = '', folder = ''] = process.argv.slice(2);
const bundle = join(folder, 'bundle');
mkdirSync(bundle);
await run('runc', ['spec', '--bundle', bundle]);
const path = join(bundle, 'config.json');
const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>;
Object.assign(config['process'] as object, { terminal: false, args: ['/bin/sh', '-c', SCRIPT] });
config['root'] = { path: root, readonly: false };
writeFileSync(path, JSON.stringify(config));

const reporter = new Reporter(`containers ${root}`);
for (let count = 0; !reporter.isOver; count++) await runContainer(`g8ufs-${process.pid}-${count}`);
reporter.end();

async function runContainer(name: string): Promise<void> {
  const args = ['--root', join(folder, 'state'), 'run', '--bundle', bundle, name];
  const child = spawn('runc', args, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-1000);
  });
  // A start takes long by itself: what counts as a wait begins with the first step.
  let before: number | undefined;
  let isWhole = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const now = Date.now();
    if (line === 'end') isWhole = true;
    else if (line.startsWith('wrong') && !/No such|can't open|error/.test(line))
      reporter.wrong(line);
    else if (line !== 'ok' && line !== 'rested') reporter.failed(line);
    if (before !== undefined) {
      // Nobody waits while it rests; but the program that does so has to be started.
      const ms = Math.max(0, now - before - (line === 'rested' ? REST_MS : 0));
      reporter.done(now - ms, ms);
    }
    before = now;
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0 || !isWhole) reporter.failed(`container ended with ${code ?? signal}: ${said}`);
}
