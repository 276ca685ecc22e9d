// Runs the tests: all tiers, or those named.
//   node scripts/test.mjs [tier[/name]…]     tiers: the folders of test/, in the order below; of a name only
//                                            the files that begin with it, as mount/commands
// G8UFS_PRELOAD: a library that the tests, but not the build before them, have to be started with.
// In CI (CI=true) a skipped test is a failure: a missing device must not pass unnoticed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

const TIERS = [
  'unit',
  'contract',
  'golden',
  'property',
  'integration',
  'native',
  'mount',
  'core',
  'gate',
  'recipes',
];
// Files of tiers that measure processes run alone: the machine may have two cores. Mounts wait a lot.
const SERIAL = new Set(['native', 'gate', 'recipes']);
const TIMEOUT_MS = 300_000;

const tiers = process.argv.length > 2 ? process.argv.slice(2) : TIERS;
await setup({ test: true });

const totals = { pass: 0, fail: 0, skipped: 0 };
for (const tier of tiers) await runTier(tier);
if (process.env.CI === 'true' && totals.skipped > 0) {
  console.log(`${totals.skipped} skipped tests count as failures in CI`);
  totals.fail += totals.skipped;
  totals.skipped = 0;
}
if (totals.pass + totals.fail === 0) {
  console.log(`No test found in ${tiers.join(', ')}`);
  totals.fail = 1;
}
console.log(`${totals.pass} passed, ${totals.fail} failed, ${totals.skipped} skipped`);
process.exitCode = totals.fail > 0 ? 1 : 0;

async function runTier(tier) {
  const files = testFiles(tier);
  if (files.length === 0) return;
  console.log(`\n== ${tier}`);
  const started = Date.now();
  const args = [
    '--enable-source-maps',
    '--test',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-timeout=${TIMEOUT_MS}`,
    `--test-concurrency=${SERIAL.has(tier.split('/')[0]) ? 1 : 2}`,
    ...files,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LD_PRELOAD: process.env.G8UFS_PRELOAD },
  });
  let tail = '';
  child.stdout.on('data', (data) => {
    process.stdout.write(data);
    tail = (tail + data).slice(-4000);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  console.log(`== ${tier}: ${Math.round((Date.now() - started) / 1000)} s`);
  const counts = { pass: 0, fail: 0, skipped: 0 };
  for (const name of Object.keys(counts)) {
    counts[name] = Number(tail.match(new RegExp(`^\\W*${name} (\\d+)$`, 'm'))?.[1] ?? 0);
    totals[name] += counts[name];
  }
  // The runner itself can fail without counting a test.
  if (code !== 0 && counts.fail === 0) totals.fail++;
}

// Compiled tests whose source is still there: the build folder may hold older ones.
function testFiles(argument) {
  const [tier, ...rest] = argument.split('/');
  const folder = join(root, 'test', tier);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && name.startsWith(rest.join('/')))
    .sort()
    .map((name) => join(root, 'build/ts/test', tier, name.replace(/\.ts$/, '.js')));
}
