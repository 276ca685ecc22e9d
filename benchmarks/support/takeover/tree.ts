/** What the takeover suite reads: files of random bytes, modules, files of fio, and the programs of a container. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../harness.ts';
import { fioArguments, type SoakSizes } from '../soak-tree.ts';

export interface TreeSize {
  /** Of 100 kB on average. */
  readonly files: number;
  /** Of 4 MB and more. */
  readonly large: number;
}

export const MODULES = 40;
export const FIO_SIZES: SoakSizes = { fioFiles: 4, fioMiBEach: 4, smallFiles: 0 };
const PROGRAMS = ['sh', 'cat', 'shuf', 'sha256sum', 'sleep'];

export async function makeTree(source: string, { files, large }: TreeSize): Promise<void> {
  for (const name of ['files', 'fio', 'bin', 'dev', 'proc', 'sys']) {
    mkdirSync(join(source, name), { recursive: true });
  }
  const sums: string[] = [];
  const write = (name: string, bytes: Buffer): void => {
    writeFileSync(join(source, 'files', name), bytes);
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  files/${name}\n`);
  };
  for (let i = 0; i < files; i++) write(`f${i}`, randomBytes(500 + ((i * 7919) % 200_000)));
  for (let i = 0; i < large; i++) write(`large${i}`, randomBytes(4_000_000 + i * 1_000_000));
  for (let i = 0; i < MODULES; i++) {
    const text = `VALUE = "module_${i}"\n# ${'x'.repeat(i * 500)}\n`;
    writeFileSync(join(source, `module_${i}.py`), text);
  }
  writeFileSync(join(source, 'sums'), sums.join(''));
  copyFileSync('/bin/busybox', join(source, 'bin/busybox'));
  for (const name of PROGRAMS) symlinkSync('busybox', join(source, 'bin', name));
  const fio = fioArguments(join(source, 'fio'), FIO_SIZES);
  await run('fio', [...fio, '--rw=write', '--do_verify=0']);
}
