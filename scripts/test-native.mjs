// Builds the native part and runs its C++ tests, which need no Node.
//   node scripts/test-native.mjs [--asan | --tsan] [--fuzz | --mounts] [seconds | tier[/name]…]
// Default is the release build; --asan and --tsan build with the sanitizers.
//   --fuzz     instead of the tests every libFuzzer program, with the address sanitizer, for some seconds each (10)
//   --mounts   instead of them mount tests with the sanitized addon in every process (scripts/sanitized.mjs)
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSanitized } from './sanitized.mjs';
import { root, setupSanitizers } from './setup.mjs';

const FUZZ_SECONDS_DEFAULT = 10;
// A fuzz target that needs more has found a way to make memory follow the input's claims.
const FUZZ_MEMORY_MIB = 512;
// Tests of one thread have nothing to show to the thread sanitizer.
const THREADED = '^(chunk_file|driver|driver_lifetime|object_server|pack|session|stall)_test$';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    asan: { type: 'boolean' },
    tsan: { type: 'boolean' },
    fuzz: { type: 'boolean' },
    mounts: { type: 'boolean' },
  },
});
const preset = flags.tsan ? 'tsan' : flags.asan || flags.fuzz ? 'asan' : 'release';
if ((flags.asan && flags.tsan) || (flags.fuzz && preset !== 'asan')) usage();
if (flags.mounts && (flags.fuzz || preset === 'release')) usage();
const buildDir = join(root, 'build/native', preset);

function usage() {
  console.error('test-native: usage: test-native.mjs [--asan | --tsan] [--fuzz | --mounts] […]');
  process.exit(64);
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error !== undefined) {
    console.error(`test-native: ${command} cannot be run: ${result.error.message}`);
    process.exit(69);
  }
  return result.status ?? 70;
}

function runFuzzers(seconds) {
  const programs = readdirSync(buildDir).filter((name) => name.endsWith('_fuzz'));
  for (const name of programs) {
    // New inputs are kept in the first folder; finds that shall stay are in the second.
    const found = join(root, 'build/fuzz', name);
    const kept = join(root, 'native/fuzz/corpus', name);
    mkdirSync(found, { recursive: true });
    const options = [
      `-max_total_time=${seconds}`,
      `-rss_limit_mb=${FUZZ_MEMORY_MIB}`,
      '-verbosity=0',
      `-artifact_prefix=${found}/`,
    ];
    const status = run(join(buildDir, name), [...options, found, kept]);
    if (status !== 0) return status;
  }
  return programs.length === 0 ? 70 : 0;
}

function runTests() {
  // Some wait, some compute.
  const options = ['--output-on-failure', '--no-tests=error', '-j', '2'];
  if (preset === 'tsan') options.push('-R', THREADED);
  return run('ctest', ['--test-dir', buildDir, ...options]);
}

if (preset !== 'release') await setupSanitizers();
// Mount tests use no program of native/test.
const targets = flags.mounts ? ['g8ufs_addon', 'g8ufs-keeper'] : [];
const built = run(process.execPath, [join(root, 'scripts/build-native.mjs'), preset, ...targets]);
if (built !== 0) process.exit(built);
let status;
if (flags.mounts) status = runSanitized(preset, positionals);
else if (flags.fuzz) status = runFuzzers(Number(positionals[0] ?? FUZZ_SECONDS_DEFAULT));
else status = runTests();
console.log(`test-native: ${preset} ${status === 0 ? 'passed' : `failed (${status})`}`);
process.exit(status);
