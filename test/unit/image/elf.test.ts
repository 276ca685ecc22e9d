import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { bufferSource } from '../../../src/format/index/source.ts';
import { readElf, readElfHead } from '../../../src/image/elf.ts';
import { elfFile } from '../../support/elf-file.ts';

test('readElf() finds the interpreter, libraries and run paths', () => {
  const elf = readElf(bufferSource(elfFile(['libc.so.6', 'libm.so.6'], '$ORIGIN/../lib:/opt')));
  assert.deepEqual(elf, {
    kind: '64le-62',
    interpreter: '/lib/ld.so',
    needed: ['libc.so.6', 'libm.so.6'],
    runPaths: ['$ORIGIN/../lib', '/opt'],
    relocations: undefined,
  });
});

test('readElf() takes a script for no ELF file', () => {
  assert.equal(readElf(bufferSource(Buffer.from('#!/bin/sh\n'.repeat(20)))), undefined);
});

test('readElf() reads the program that runs this test', () => {
  const elf = readElf(bufferSource(readFileSync(process.execPath)));
  assert.ok(elf?.needed.some((name) => /^libc\./.test(name)));
});

test('readElf() survives every single changed byte and every cut', () => {
  const file = elfFile(['libc.so.6'], '/opt');
  for (let at = 0; at < file.length; at++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const changed = Buffer.from(file);
      changed[at] = value;
      readElf(bufferSource(changed));
      readElfHead(bufferSource(changed));
    }
    const cut = bufferSource(file.subarray(0, at));
    readElf(cut);
    readElfHead(cut);
  }
});

test('readElfHead() tells the interpreter and the data within the file', () => {
  const file = elfFile(['libc.so.6']);
  const head = () => readElfHead(bufferSource(file));
  assert.deepEqual(head(), { interpreter: '/lib/ld.so', data: [] });
  const flags = 64 + 4;
  file.writeUInt32LE(6, flags);
  assert.deepEqual(head()?.data, [{ offset: 0, size: 1024 }]);
  file.writeBigUInt64LE(1025n, 64 + 32);
  assert.deepEqual(head()?.data, [], 'a range beyond the end is none');
  assert.equal(readElfHead(bufferSource(Buffer.from('#!/bin/sh\n'.repeat(20)))), undefined);
});

test('readElf() finds the relocations of the program that runs this test within its file', () => {
  const bytes = readFileSync(process.execPath);
  const { relocations } = readElf(bufferSource(bytes)) ?? {};
  assert.ok(relocations !== undefined && relocations.offset + relocations.size <= bytes.length);
});
