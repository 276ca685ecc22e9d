import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import {
  formatProfile,
  mergeProfiles,
  PROFILE_SIZE_MAX,
  type Profile,
  ProfileBuilder,
  type ProfileEntry,
  parseProfile,
} from '../../../src/format/profile.ts';

const ROOT = new Uint8Array(32).fill(0xab);
const name = (byte: number) => new Uint8Array(16).fill(byte);
const path = (text: string) => new Uint8Array(Buffer.from(text));

/** `1 /bin/sh 0+128,256+3` */
function entry(text: string): ProfileEntry {
  const [content, file, ranges = ''] = text.split(' ') as [string, string, string];
  return {
    content: name(Number(content)),
    path: path(file),
    ranges: ranges.split(',').map((range) => {
      const [first = 0, count = 0] = range.split('+').map(Number);
      return { first, count };
    }),
  };
}

function profile(...entries: string[]): Profile {
  return { rootDigest: ROOT, entries: entries.map(entry) };
}

function summary({ entries }: Profile): string[] {
  return entries.map(({ content, path: file, ranges }) => {
    const words = ranges.map(({ first, count }) => `${first}+${count}`);
    return `${content[0]} ${Buffer.from(file)} ${words.join(',')}`;
  });
}

const TEXT = `g8ufs profile 1
root ${'ab'.repeat(32)}
${'01'.repeat(16)} 0+128,256+3 /bin/sh
${'02'.repeat(16)} 7+1 /with%20blank%FF
`;

test('formatProfile() and parseProfile() are the reverse of each other', () => {
  const parsed = parseProfile(TEXT);
  assert.deepEqual(parsed.rootDigest, ROOT);
  assert.deepEqual(parsed.entries[1]?.path, new Uint8Array([...path('/with blank'), 0xff]));
  assert.deepEqual(parsed.entries[0]?.ranges, [
    { first: 0, count: 128 },
    { first: 256, count: 3 },
  ]);
  assert.equal(formatProfile(parsed), TEXT);
  const none = profile();
  assert.deepEqual(parseProfile(formatProfile(none)), none);
});

const line = (text: string) => TEXT.replace(/.*bin.sh\n/, `${text}\n`);
const WRONG: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'another file': 'g8ufs signature 1\n',
  'no root digest': TEXT.replace('root', 'rood'),
  'a short root digest': TEXT.replace('abab', 'ab'),
  'no end of the last line': TEXT.slice(0, -1),
  'an empty line': line(''),
  'an entry without ranges': line(`${'01'.repeat(16)}  /bin/sh`),
  'a range without pages': line(`${'01'.repeat(16)} 0+0 /bin/sh`),
  'a number with a zero in front': line(`${'01'.repeat(16)} 00+1 /bin/sh`),
  'a range beyond every file': line(`${'01'.repeat(16)} 1099511627776+1 /bin/sh`),
  'a negative number': line(`${'01'.repeat(16)} -1+1 /bin/sh`),
  'ranges with a comma too many': line(`${'01'.repeat(16)} 0+1, /bin/sh`),
  'a short content name': line(`${'01'.repeat(15)} 0+1 /bin/sh`),
  'a relative path': line(`${'01'.repeat(16)} 0+1 bin/sh`),
  'a path with a NUL': line(`${'01'.repeat(16)} 0+1 /bin%00`),
  'a path escaped otherwise than we do': line(`${'01'.repeat(16)} 0+1 /%62in`),
  'a path that no file can have': line(`${'01'.repeat(16)} 0+1 /${'x'.repeat(4096)}`),
  'a control character': line(`${'01'.repeat(16)} 0+1 /bin\u001b[2J`),
  'too many entries': `${TEXT}${`${'03'.repeat(16)} 0+1 /a\n`.repeat(32_767)}`,
  'too many ranges': line(`${'01'.repeat(16)} ${'0+1,'.repeat(131_072)}1+1 /a`),
  'too much of everything': TEXT + ' '.repeat(PROFILE_SIZE_MAX),
};

for (const [what, text] of Object.entries(WRONG)) {
  test(`parseProfile() refuses ${what}`, () => {
    assert.throws(
      () => parseProfile(text),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  });
}

test('parseProfile() says when a profile is of a later version', () => {
  assert.throws(
    () => parseProfile(TEXT.replace('profile 1', 'profile 12')),
    (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
  );
});

test('ProfileBuilder joins neighbours and drops what is there already', () => {
  const builder = new ProfileBuilder();
  const add = (text: string) => {
    const { content, path: file, ranges } = entry(text);
    for (const range of ranges) assert.equal(builder.add(content, file, range), true);
  };
  add('1 /a 0+4');
  add('1 /a 4+4');
  add('1 /a 20+4');
  add('2 /b 0+1');
  add('1 /a 2+20');
  add('1 /a 0+24');
  add('2 /b 0+1');
  assert.deepEqual(summary(builder.build(ROOT)), ['1 /a 0+8,20+4', '2 /b 0+1', '1 /a 8+12']);
});

test('ProfileBuilder covers each page once, whatever the order', () => {
  const builder = new ProfileBuilder();
  const seen = new Set<number>();
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < 500; i++) {
    const range = { first: random(1000), count: 1 + random(20) };
    for (let page = range.first; page < range.first + range.count; page++) seen.add(page);
    builder.add(name(1), path('/a'), range);
  }
  const [{ ranges } = { ranges: [] }] = builder.build(ROOT).entries;
  const pages = ranges.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, i) => first + i),
  );
  assert.equal(pages.length, seen.size);
  assert.deepEqual(new Set(pages), seen);
});

test('ProfileBuilder says when a profile is full, and what it gives can be read', () => {
  const builder = new ProfileBuilder();
  let count = 0;
  for (;;) {
    const content = new Uint8Array(16);
    new DataView(content.buffer).setUint32(0, count);
    if (!builder.add(content, path(`/${'%'.repeat(400)}`), { first: 0, count: 1 })) break;
    count++;
  }
  const text = formatProfile(builder.build(ROOT));
  assert.ok(text.length <= PROFILE_SIZE_MAX && text.length > PROFILE_SIZE_MAX * 0.9);
  assert.equal(parseProfile(text).entries.length, count);
});

test('mergeProfiles() takes entries in turn and nothing twice', () => {
  const merged = mergeProfiles([
    profile('1 /ld.so 0+10', '2 /libc 0+5', '3 /python 0+9'),
    profile('1 /ld.so 0+10', '4 /bash 0+7', '2 /libc 0+6', '5 /x 1+1'),
  ]);
  assert.deepEqual(summary(merged), [
    '1 /ld.so 0+10',
    '2 /libc 0+5',
    '4 /bash 0+7',
    '3 /python 0+9',
    '2 /libc 5+1',
    '5 /x 1+1',
  ]);
  assert.deepEqual(mergeProfiles([merged, merged]), merged);
});

test('mergeProfiles() refuses to merge nothing', () => {
  assert.throws(
    () => mergeProfiles([]),
    (error) => isG8Error(error, 'ERR_USAGE'),
  );
});
