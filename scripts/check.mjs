// The gate before the tests: format, lint with layer rules, types, promise rules, unused code, package shape.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

const bin = (name) => join(root, 'node_modules/.bin', name);
const STEPS = [
  ['types', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']],
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['promises', bin('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'test', 'benchmarks']],
  ['unused code', bin('knip'), []],
  ['package', bin('publint'), ['--strict']],
  ['words', process.execPath, ['scripts/check-tree.mjs']],
];

await setup({ test: true });
let failed = 0;
for (const [name, command, args] of STEPS) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  const ok = result.status === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`);
  if (ok) continue;
  failed++;
  process.stdout.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  if (result.error) console.log(result.error.message);
}
process.exitCode = failed > 0 ? 1 : 0;
