// Known vulnerabilities of what the package brings along (not of what only its development needs). Without a
// registry that answers this says so and passes: a build must not depend on the network.
import { spawnSync } from 'node:child_process';
import { root } from './setup.mjs';

const TIMEOUT_MS = 60_000;
/** Below, an advisory is shown and fails nothing: most are about uses that nobody here makes. */
const FAILING = ['high', 'critical'];

const { stdout } = spawnSync(
  'npm',
  ['audit', '--omit=dev', '--json', '--fetch-retries=0', `--fetch-timeout=${TIMEOUT_MS / 2}`],
  { cwd: root, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 1 << 26 },
);

/** What npm has found by package; `undefined` when it could not ask. */
function findingsOf(text) {
  try {
    return JSON.parse(text).vulnerabilities;
  } catch {
    return undefined;
  }
}

const findings = findingsOf(stdout);
if (findings === undefined) {
  console.log('audit: the registry cannot be asked; nothing was looked up');
} else {
  const list = Object.values(findings);
  for (const { name, severity, range } of list) console.log(`audit: ${name} ${range}: ${severity}`);
  if (list.length === 0) console.log('audit: nothing is known');
  process.exitCode = list.some(({ severity }) => FAILING.includes(severity)) ? 1 : 0;
}
