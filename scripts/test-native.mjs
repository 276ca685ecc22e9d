// Builds the native part and runs its C++ tests, which need no Node.
//   node scripts/test-native.mjs [--asan | --tsan | --fuzz [seconds]]
// Default is the release build. --fuzz runs every libFuzzer program for some seconds each (10).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, setupFuzzers } from './setup.mjs';

const PRESETS = { '--asan': 'asan', '--tsan': 'tsan', '--fuzz': 'fuzz' };
const FUZZ_SECONDS_DEFAULT = 10;
// A fuzz target that needs more has found a way to make memory follow the input's claims.
const FUZZ_MEMORY_MIB = 512;

const [flag, argument] = process.argv.slice(2);
if (flag !== undefined && PRESETS[flag] === undefined) {
  console.error('test-native: usage: test-native.mjs [--asan | --tsan | --fuzz [seconds]]');
  process.exit(64);
}
const preset = flag === undefined ? 'release' : PRESETS[flag];
const buildDir = join(root, 'build/native', preset);

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
  // Sanitizers end a program at the first report.
  return run('ctest', ['--test-dir', buildDir, '--output-on-failure', '--no-tests=error']);
}

if (flag === '--fuzz') setupFuzzers();
const built = run(process.execPath, [join(root, 'scripts/build-native.mjs'), preset]);
if (built !== 0) process.exit(built);
const status =
  flag === '--fuzz' ? runFuzzers(Number(argument ?? FUZZ_SECONDS_DEFAULT)) : runTests();
console.log(`test-native: ${preset} ${status === 0 ? 'passed' : `failed (${status})`}`);
process.exit(status);
