// Runs the tests: all tiers, or those named.
//   node scripts/test.mjs [tier[/name]…]     tiers: the folders of test/, in the order below; of a name only
//                                            the files that begin with it, as mount/commands
// G8UFS_PRELOAD: a library that the tests, but not the build before them, have to be started with.
// In CI (CI=true) a skipped test is a failure: a missing device must not pass unnoticed. There, files in which a
// test failed are run once more, alone: what passes then is named as flaky, to be mended, and does not block.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
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
// Of a test and of a file. With a sanitizer everything takes several times as long.
const TIMEOUT_MS = process.env.G8UFS_PRELOAD === undefined ? 300_000 : 1_200_000;
// More failed files than this are no accident of timing.
const MAX_REPEATED = 5;

const compiled = join(root, 'build/ts/test');
const inCi = process.env.CI === 'true';
const tiers = process.argv.length > 2 ? process.argv.slice(2) : TIERS;
// A sanitizer's addon does not load without its library.
const addon = process.env.G8UFS_ADDON;
if (process.env.G8UFS_PRELOAD !== undefined) delete process.env.G8UFS_ADDON;
await setup({ test: true });

const totals = { pass: 0, fail: 0, skipped: 0 };
const failures = [];
const flaky = [];
for (const tier of tiers) await runTier(tier);
if (inCi && totals.skipped > 0) {
  failures.push(`${totals.skipped} skipped tests count as failures in CI`);
  totals.fail += totals.skipped;
  totals.skipped = 0;
}
if (totals.pass + totals.fail === 0) {
  failures.push(`no test found in ${tiers.join(', ')}`);
  totals.fail = 1;
}
// Last, where somebody who sees only the end of the output finds them.
for (const line of flaky) console.log(`flaky: ${line}`);
for (const line of failures) console.log(`failed: ${line}`);
console.log(`${totals.pass} passed, ${totals.fail} failed, ${totals.skipped} skipped`);
process.exitCode = totals.fail > 0 ? 1 : 0;

async function runTier(tier) {
  const files = testFiles(tier);
  if (files.length === 0) return;
  console.log(`\n== ${tier}`);
  const started = Date.now();
  const counts = await runFiles(files, SERIAL.has(tier.split('/')[0]) ? 1 : 2);
  const again = [...new Set(counts.failures.map(({ file }) => file))];
  if (
    inCi &&
    again.length > 0 &&
    again.length <= MAX_REPEATED &&
    again.every((file) => existsSync(file))
  ) {
    console.log(`\n== ${tier}: once more, alone`);
    const repeated = await runFiles(again, 1);
    if (repeated.fail === 0) {
      flaky.push(...counts.failures.map(described));
      counts.pass += counts.fail;
      counts.fail = 0;
      counts.failures = [];
    }
  }
  failures.push(...counts.failures.map(described));
  for (const name of Object.keys(totals)) totals[name] += counts[name];
  console.log(`== ${tier}: ${Math.round((Date.now() - started) / 1000)} s`);
}

// Counts of one run of the runner, and the tests that failed in it.
async function runFiles(files, concurrency) {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-tests-'));
  const list = join(folder, 'failed');
  const args = [
    '--enable-source-maps',
    '--test',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'scripts/failed-tests.mjs')}`,
    `--test-reporter-destination=${list}`,
    `--test-timeout=${TIMEOUT_MS}`,
    `--test-concurrency=${concurrency}`,
    ...files,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, G8UFS_ADDON: addon, LD_PRELOAD: process.env.G8UFS_PRELOAD },
  });
  const counts = { pass: 0, fail: 0, skipped: 0, failures: [] };
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    console.log(line);
    const [, name, number] = line.match(/^\W*(pass|fail|skipped) (\d+)$/) ?? [];
    if (name !== undefined) counts[name] = Number(number);
  });
  const [[code]] = await Promise.all([once(child, 'close'), once(lines, 'close')]);
  counts.failures = readFailures(list);
  rmSync(folder, { recursive: true });
  // The runner itself can fail without counting a test.
  if (code !== 0 && counts.fail === 0) {
    counts.fail = 1;
    counts.failures.push({
      file: files.length === 1 ? files[0] : '',
      name: `the runner ended with ${code}`,
    });
  }
  return counts;
}

function readFailures(list) {
  if (!existsSync(list)) return [];
  return readFileSync(list, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [file, name] = line.split('\t');
      // Through its source map a test says where its source is.
      return { file: file.replace(join(root, 'test'), compiled).replace(/\.ts$/, '.js'), name };
    });
}

function described({ file, name }) {
  return `${relative(compiled, file).replace(/\.js$/, '')}: ${name}`;
}

// Compiled tests whose source is still there: the build folder may hold older ones.
function testFiles(argument) {
  const [tier, ...rest] = argument.split('/');
  const folder = join(root, 'test', tier);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && name.startsWith(rest.join('/')))
    .sort()
    .map((name) => join(compiled, tier, name.replace(/\.ts$/, '.js')));
}
