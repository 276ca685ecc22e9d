// Runs mount tests with the addon of a sanitizer build in every process that loads it, and its keeper.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

const TIERS_DEFAULT = ['mount/commands', 'mount/failure', 'mount/native-', 'mount/takeover'];

/** The sanitizer's library has to be in the process before everything else, and Node does not bring it. */
const LIBRARIES = {
  asan: ['clang++', '-print-file-name=libclang_rt.asan-x86_64.so'],
  tsan: ['g++', '-print-file-name=libtsan.so'],
};

/**
 * @param {'asan' | 'tsan'} preset
 * @param {string[]} tiers as scripts/test.mjs takes them
 * @returns exit status: failed tests and any report of the sanitizer make it 1
 */
export function runSanitized(preset, tiers) {
  const [compiler, question] = LIBRARIES[preset];
  const library = execFileSync(compiler, [question], { encoding: 'utf8' }).trim();
  // Daemons write to logs that go with their test: reports come here, a file for each process.
  const reports = mkdtempSync(join(tmpdir(), 'g8ufs-reports-'));
  const options = [
    `log_path=${join(reports, preset)}`,
    // Node frees little when it ends, and every call of the addon comes from Node: nothing would tell its leaks
    // from ours. The C++ tests look for leaks.
    'detect_leaks=0',
  ].join(':');
  try {
    const { status } = spawnSync(
      process.execPath,
      ['scripts/test.mjs', ...(tiers.length === 0 ? TIERS_DEFAULT : tiers)],
      {
        cwd: root,
        stdio: 'inherit',
        env: {
          ...process.env,
          G8UFS_PRELOAD: library,
          G8UFS_ADDON: join(root, 'build/native', preset, 'g8ufs.node'),
          G8UFS_KEEPER: join(root, 'build/native', preset, 'g8ufs-keeper'),
          ASAN_OPTIONS: options,
          // A daemon may end before the threads of a mount that has just gone are joined. The units look for those.
          // What is suppressed is known by its stack, which has to be remembered for long enough.
          TSAN_OPTIONS: `${options}:report_thread_leaks=0:history_size=7:suppressions=${join(root, 'scripts/tsan.supp')}`,
          UBSAN_OPTIONS: 'print_stacktrace=1',
        },
      },
    );
    const found = readdirSync(reports);
    for (const name of found) console.log(readFileSync(join(reports, name), 'utf8'));
    return status === 0 && found.length === 0 ? 0 : 1;
  } finally {
    rmSync(reports, { recursive: true });
  }
}
