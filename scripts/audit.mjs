// Known vulnerabilities of what the package brings along (not of what only its development needs). Without a
// registry that answers this says so and passes: a build must not depend on the network. An answer of npm that is
// neither findings nor that is a failure: nobody knows then what was looked up.
import { spawnSync } from 'node:child_process';
import { root } from './setup.mjs';

const TIMEOUT_MS = 60_000;
/** Below, an advisory is shown and fails nothing: most are about uses that nobody here makes. */
const FAILING = ['high', 'critical'];
/** How npm says that no registry was reached; one that answers with an error has `statusCode`. */
const UNREACHED = /^request to \S+ failed|^network timeout |only-if-cached/;
/** What is shown of an answer that is not understood, in characters. */
const SHOWN = 200;

const { stdout } = spawnSync(
  'npm',
  ['audit', '--omit=dev', '--json', '--fetch-retries=0', `--fetch-timeout=${TIMEOUT_MS / 2}`],
  { cwd: root, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 1 << 26 },
);
report(stdout ?? '');

/** @param text what npm has written: nothing when it is not there or took too long */
function report(text) {
  const answer = parse(text);
  const findings = answer?.vulnerabilities;
  if (typeof findings === 'object' && findings !== null) return reportFindings(findings);
  const isUnreached = typeof answer?.statusCode === 'number' || UNREACHED.test(answer?.message);
  if (text === '' || isUnreached) {
    console.log('audit: the registry cannot be asked; nothing was looked up');
    return;
  }
  console.log(`audit: npm has answered without findings: ${text.slice(0, SHOWN)}`);
  process.exitCode = 1;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reportFindings(findings) {
  const list = Object.values(findings);
  for (const { name, severity, range } of list) console.log(`audit: ${name} ${range}: ${severity}`);
  if (list.length === 0) console.log('audit: nothing is known');
  process.exitCode = list.some(({ severity }) => FAILING.includes(severity)) ? 1 : 0;
}
