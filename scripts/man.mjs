// Writes the manual pages, docs/man/*.1, from the tree of commands: npm run man
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

await setup();
const { manual } = await import(join(root, 'dist/cli/describe/manual.js'));
const folder = join(root, 'docs/man');
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) rmSync(join(folder, name));
for (const [name, page] of await manual()) writeFileSync(join(folder, name), page);
