// Looks at the tracked files as text: nothing large, no leftover markers, no unsolved merge, one decision a number.
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const SIZE_MAX = 256 * 1024;
const LARGE = new Set(['package-lock.json']);
const MARKERS = new RegExp(
  `\\b(${['TO', 'FIX', 'XX'].map((w, i) => w + ['DO', 'ME', 'X'][i]).join('|')})\\b`,
);
// As git writes them, and as a formatter of Markdown leaves them.
const CONFLICT = /^(<{7} |>{7} |={7}$|(> ){7})/m;

const problems = [];
const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
for (const file of files.filter((name) => name !== '' && name !== 'LICENSE')) {
  const status = lstatSync(join(root, file), { throwIfNoEntry: false });
  if (status === undefined || !status.isFile()) continue;
  if (status.size > SIZE_MAX && !LARGE.has(file)) problems.push(`${file}: ${status.size} bytes`);
  const text = readFileSync(join(root, file), 'latin1');
  const marker = MARKERS.exec(text);
  if (CONFLICT.test(text)) problems.push(`${file}: an unsolved merge`);
  if (/^(src|native|bin|scripts)\//.test(file) && marker) problems.push(`${file}: ${marker[0]}`);
}
const decisions = files.filter((name) => name.startsWith('docs/decisions/'));
const numbers = decisions.map((name) => name.slice('docs/decisions/'.length).slice(0, 4));
for (const number of numbers.filter((each, i) => numbers.indexOf(each) !== i)) {
  problems.push(`docs/decisions: two have the number ${number}`);
}
for (const problem of problems) console.log(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
