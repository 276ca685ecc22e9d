/** What a failed build says; builds themselves are in test/mount/recipes.test.ts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { failureOfBuild } from '../../../src/image/debian.ts';

for (const [lines, code, message] of [
  [
    ['E: Unable to locate package nosuch', 'E: apt download failed', 'E: mmdebstrap failed to run'],
    'ERR_NO_INPUT',
    /^Not in this suite: Unable to locate package nosuch$/,
  ],
  [
    [
      'I: running apt-get update...',
      "E: The repository 'http://a b Release' does not have a Release file.",
    ],
    'ERR_NO_INPUT',
    /^No such suite: /,
  ],
  [
    ['E: Failed to fetch http://a/InRelease  Could not resolve', 'E: Some index files failed'],
    'ERR_STORE_UNAVAILABLE',
    /^The Debian mirror does not answer: Failed to fetch/,
  ],
  [
    ['unshare: failed to execute mmdebstrap: No such file or directory'],
    'ERR_CONFIG',
    /apt-get install mmdebstrap$/,
  ],
  [["E: The repository 'http://a b InRelease' is not signed."], 'ERR_CREATE', /is not signed/],
  [[], 'ERR_CREATE', /it said nothing$/],
] as const) {
  test(`failureOfBuild() is ${code} for '${lines[0] ?? ''}'`, () => {
    const failure = failureOfBuild(lines);
    assert.equal(failure.code, code);
    assert.match(failure.message, message);
  });
}
