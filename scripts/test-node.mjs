// Runs the built tests under another Node version, fetched from the npm registry into build/node/.
//   node scripts/test-node.mjs 22 [tier…]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './setup.mjs';

const [major, ...tiers] = process.argv.slice(2);
if (!/^\d+$/.test(major ?? '')) {
  console.error('usage: node scripts/test-node.mjs MAJOR [tier…]');
  process.exit(64);
}
// The package `node` only forwards to this one by an install script; its binary ships inside the package.
const name = `node-linux-${process.arch}`;
const folder = join(root, 'build/node', major);
const binary = join(folder, 'node_modules', name, 'bin/node');
if (!existsSync(binary)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', '--no-audit', '--no-fund', '--no-save', `${name}@${major}`], {
    cwd: folder,
  });
}
const result = spawnSync(binary, [join(root, 'scripts/test.mjs'), ...tiers], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = result.status ?? 1;
