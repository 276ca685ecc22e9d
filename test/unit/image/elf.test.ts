import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { bufferSource } from '../../../src/format/index/source.ts';
import { readElf } from '../../../src/image/elf.ts';

const BASE = 0x10000;

/** A little ELF file: header, three segments, dynamic entries, strings. */
function elfFile(needed: readonly string[], runPath?: string): Buffer {
  const file = Buffer.alloc(1024);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(3, 56);
  const segment = (index: number, type: number, offset: number, size: number): void => {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(BASE + offset), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
  };
  const strings = ['', '/lib/ld.so', ...needed, ...(runPath === undefined ? [] : [runPath])];
  const text = Buffer.from(`${strings.join('\0')}\0`);
  file.set(text, 600);
  segment(0, 1, 0, 1024);
  segment(1, 3, 601, 11);
  segment(2, 2, 300, 256);
  const place = (word: string): number => text.indexOf(`\0${word}\0`) + 1;
  const entries = [
    ...needed.map((name) => [1, place(name)]),
    ...(runPath === undefined ? [] : [[29, place(runPath)]]),
    [5, BASE + 600],
    [0, 0],
  ];
  for (const [i, [tag, value]] of entries.entries()) {
    file.writeBigUInt64LE(BigInt(tag as number), 300 + 16 * i);
    file.writeBigUInt64LE(BigInt(value as number), 308 + 16 * i);
  }
  return file;
}

test('readElf() finds the interpreter, libraries and run paths', () => {
  const elf = readElf(bufferSource(elfFile(['libc.so.6', 'libm.so.6'], '$ORIGIN/../lib:/opt')));
  assert.deepEqual(elf, {
    kind: '64le-62',
    interpreter: '/lib/ld.so',
    needed: ['libc.so.6', 'libm.so.6'],
    runPaths: ['$ORIGIN/../lib', '/opt'],
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
    }
    readElf(bufferSource(file.subarray(0, at)));
  }
});
