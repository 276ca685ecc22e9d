// Runs one benchmark suite: node benchmarks/run.mjs SUITE [--quick] [--only ROW] [--minutes N] [--kills N]
// [--upgrades N] [--uptime SECONDS] [--rounds N] [--json FILE]
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, setup } from '../scripts/setup.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    minutes: { type: 'string' },
    kills: { type: 'string' },
    upgrades: { type: 'string' },
    uptime: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
});
const suites = readdirSync(join(import.meta.dirname, 'suites'))
  .filter((name) => name.endsWith('.bench.ts'))
  .map((name) => name.slice(0, -'.bench.ts'.length));
const [suite] = positionals;
if (suite === undefined || !suites.includes(suite)) {
  console.log(
    `Suites: ${suites.join(', ')}\nUsage: npm run bench -- SUITE [--quick] [--only ROW] [--minutes N] [--kills N] [--upgrades N] [--uptime SECONDS] [--rounds N] [--json FILE]`,
  );
  process.exit(suite === undefined ? 0 : 64);
}

const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
if (minutes !== undefined && !(minutes > 0)) {
  console.error(`bench: --minutes ${values.minutes} is no time`);
  process.exit(64);
}

const numbers = [values.kills, values.upgrades, values.uptime, values.rounds];
const [kills, upgrades, uptime, rounds] = numbers.map((text) =>
  text === undefined ? undefined : Number(text),
);
if ([kills, upgrades, uptime, rounds].some((count) => count !== undefined && !(count >= 0))) {
  console.error('bench: --kills, --upgrades, --uptime and --rounds are numbers');
  process.exit(64);
}

await setup({ test: true });
// A daemon ends with its last mount, unless a suite says that it shall wait for another.
process.env.G8UFS_LINGER ??= '0s';
// Given more authorities, as on some machines, Node 20 reads and parses all of them at each start: 60 to 90 ms that are not ours.
delete process.env.NODE_EXTRA_CA_CERTS;
const { runSuite } = await import(join(root, 'build/ts/benchmarks/suites', `${suite}.bench.js`));
// `text`: a suite's own table, for people; everything else is figures.
const { text, ...result } = await runSuite({
  quick: values.quick,
  only: values.only,
  minutes,
  kills,
  upgrades,
  uptime,
  rounds,
});
const report = { suite, node: process.version, date: new Date().toISOString(), ...result };
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
if (text !== undefined) console.log(text);
for (const [name, value] of text === undefined ? Object.entries(result) : []) {
  console.log(`${name.padEnd(44)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
}
