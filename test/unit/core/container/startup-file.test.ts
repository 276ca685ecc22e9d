import assert from 'node:assert/strict';
import test from 'node:test';
import { parseStartupFile } from '../../../../src/core/container/startup-file.ts';

const VARIABLES = { env: { NAME: 'n', OFF: '0' }, kernel: 'quiet zone=eu\n' };
const parse = (text: string) => parseStartupFile(text, VARIABLES);

test('parseStartupFile() fills in defaults and leaves out steps of a machine', () => {
  const [service] = parse('[startup.web]\nname = "bash"\nafter = ["init", "db"]');
  assert.deepEqual(service, {
    key: 'web',
    name: 'bash',
    args: {},
    after: ['db'],
    runningDelayS: 2,
    runningMatch: undefined,
    recurringPeriod: 0,
    maxRestart: 0,
    isProtected: false,
    tags: null,
  });
  assert.deepEqual(parse(''), []);
});

test('parseStartupFile() replaces variables and drops what its condition excludes', () => {
  const [service] = parse(`[startup.x]
name = "core.system"
[startup.x.args]
name = "{NAME}-{zone}-{unknown}"
"quiet|args" = ["{NAME}"]
"not(quiet)|dir" = "/a"
"OFF|stdin" = "a"
"and(NAME,or(absent,zone))|env" = { K = "{NAME}" }`);
  assert.deepEqual(service?.args, { name: 'n-eu-{unknown}', args: ['n'], env: { K: 'n' } });
});

test('parseStartupFile() takes only services whose condition holds on the command line of the kernel', () => {
  const text = (condition: string) => `[startup.x]\nname = "bash"\ncondition = "${condition}"`;
  for (const condition of ['', 'quiet', 'not(absent)', 'and(quiet, zone)', 'or(absent,quiet)']) {
    assert.equal(parse(text(condition)).length, 1, condition);
  }
  for (const condition of ['absent', 'not(quiet)', 'NAME']) {
    assert.equal(parse(text(condition)).length, 0, condition);
  }
});

test('parseStartupFile() refuses what it cannot understand or trust', () => {
  const cases: [string, RegExp][] = [
    ['[startup', /no TOML/],
    ['[startup.x]', /startup\.x\.name/],
    ['[startup.x]\nname = 1', /startup\.x\.name/],
    ['[startup.x]\nname = "a"\nmax_restart = -1', /max_restart/],
    ['[startup.x]\nname = "a"\ncondition = "and(a"', /condition/],
    ['[startup.x]\nname = "a"\ncondition = "a b"', /condition/],
    ['[startup.x]\nname = "a"\ncondition = "xor(a,b)"', /condition/],
    [`[startup.x]\nname = "a"\ncondition = "${'not('.repeat(40)}a${')'.repeat(40)}"`, /condition/],
    ['[startup.x]\nname = "a"\nrunning_match = "("', /pattern/],
    ['[startup.x]\nname = "a"\nrunning_match = "(a+)+$"', /repeats too much/],
    ['[startup.x]\nname = "a"\nrunning_match = "a*a*a*a*b"', /repeats too much/],
    ["[startup.x]\nname = 'a'\nrunning_match = '(a)\\1'", /repeats too much/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parse(text), { code: 'ERR_USAGE', message }, text);
  }
});
