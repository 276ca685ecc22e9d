// Builds the native part: configure once, then build what changed.
//   node scripts/build-native.mjs [preset [target…]]     preset: release (default), debug, asan, tsan
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [preset = 'release', ...targets] = process.argv.slice(2);
const buildDir = join(root, 'build/native', preset);

function run(command, args) {
  const result = spawnSync(command, args, { cwd: join(root, 'native'), encoding: 'utf8' });
  if (result.error !== undefined) {
    console.error(`build-native: ${command} cannot be run: ${result.error.message}`);
    process.exit(69);
  }
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr);
    console.error(`build-native: ${command} ${args.join(' ')} failed`);
    process.exit(70);
  }
}

if (!existsSync(join(buildDir, 'build.ninja'))) run('cmake', ['--preset', preset]);
run('cmake', ['--build', buildDir, ...(targets.length > 0 ? ['--target', ...targets] : [])]);
