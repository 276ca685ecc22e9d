/** The session of docs/tour.md goes as the page says. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../support/mount-world.ts';

const TOUR = fileURLToPath(new URL('../../../../scripts/tour.mjs', import.meta.url));

test('the commands of docs/tour.md print what the page says', async () => {
  const { code, stdout, stderr } = await run(process.execPath, TOUR);
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(code, 0);
});
