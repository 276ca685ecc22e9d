/** What a mount of the native driver shows: metadata, complete files, and what lies on top of it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFSOCK } from '../../src/format/tree.ts';
import type { Need } from '../../src/native/addon.ts';
import { directory, inode, latin1 } from '../support/index-trees.ts';
import { BLOCK_SIZE, bytesOf, fileOf, MountedImage } from '../support/mounted-image.ts';

const skip =
  existsSync('/dev/fuse') && process.getuid?.() === 0 ? false : 'needs root and /dev/fuse';
const options = { skip, timeout: 60_000 };

const EMPTY = new Uint8Array(0);

/** `system.posix_acl_access` with one named user: u::rw-, u:1234:r--, g::---, m::r--, o::---. */
function aclOf(user: number): Uint8Array {
  const entries = [
    [1, 6, 0xffffffff],
    [2, 4, user],
    [4, 0, 0xffffffff],
    [16, 4, 0xffffffff],
    [32, 0, 0xffffffff],
  ] as const;
  const acl = Buffer.alloc(4 + 8 * entries.length);
  acl.writeUInt32LE(2, 0);
  for (const [i, [tag, permissions, id]] of entries.entries()) {
    acl.writeUInt16LE(tag, 4 + 8 * i);
    acl.writeUInt16LE(permissions, 6 + 8 * i);
    acl.writeUInt32LE(id, 8 + 8 * i);
  }
  return acl;
}

test('mount shows every type with its attributes', options, async (context) => {
  const shared = fileOf(bytesOf(9000), { permissions: 0o4755, uid: 7, gid: 8 });
  const image = await MountedImage.open(
    context,
    directory({
      'first name': shared,
      'second name': shared,
      block: inode(S_IFBLK, { rdevMajor: 8, rdevMinor: 300 }),
      char: inode(S_IFCHR, { rdevMajor: 1, rdevMinor: 3, permissions: 0o666 }),
      empty: fileOf(EMPTY, { mtimeSeconds: -1, mtimeNanoseconds: 5 }),
      fifo: inode(S_IFIFO),
      link: inode(S_IFLNK, { target: latin1('first name'), permissions: 0o777 }),
      socket: inode(S_IFSOCK),
      'not-utf8-\xff': fileOf(EMPTY),
      sub: directory({ sub: directory({}) }, { permissions: 0o1777 }),
    }),
  );
  const format = '%n|%F|%a|%u|%g|%h|%s|%b|%t,%T|%Y';
  const { stdout } = await image.shell(`cd $M; stat -c '${format}' -- * | sort`);
  assert.equal(
    stdout,
    [
      'block|block special file|644|0|0|1|0|0|8,12c|1600000000',
      'char|character special file|666|0|0|1|0|0|1,3|1600000000',
      'empty|regular empty file|644|0|0|1|0|0|0,0|-1',
      'fifo|fifo|644|0|0|1|0|0|0,0|1600000000',
      'first name|regular file|4755|7|8|2|9000|18|0,0|1600000000',
      'link|symbolic link|777|0|0|1|10|0|0,0|1600000000',
      'not-utf8-\xff|regular empty file|644|0|0|1|0|0|0,0|1600000000',
      'second name|regular file|4755|7|8|2|9000|18|0,0|1600000000',
      'socket|socket|644|0|0|1|0|0|0,0|1600000000',
      'sub|directory|1777|0|0|3|42|8|0,0|1600000000',
      '',
    ].join('\n'),
  );
  const inodes = await image.shell(`cd $M; ls -i first* second* | cut -d' ' -f1 | uniq | wc -l`);
  assert.equal(inodes.stdout.trim(), '1');
  assert.equal((await image.shell('readlink $M/link')).stdout, 'first name\n');
  assert.equal((await image.shell(`stat -c '%y' $M/empty`)).stdout.includes('.000000005'), true);
  // A device of the image works: containers need them.
  assert.equal((await image.shell('echo x > $M/char && echo written')).stdout, 'written\n');
});

test('mount agrees with itself in readdir and stat', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({ a: fileOf(EMPTY), b: directory({ c: fileOf(EMPTY) }) }),
  );
  const listed = await image.shell(`cd $M; ls -ai1 . b | sed 's/^ *//'`);
  const stated = await image.shell(
    `cd $M; echo .:; stat -c '%i %n' . ; stat -c '%i ..' "$M/.."; stat -c '%i %n' a b; echo; echo b:; cd b; stat -c '%i %n' . .. c`,
  );
  const parent = /^\d+ \.\.$/m;
  assert.equal(listed.stdout.replace(parent, ''), stated.stdout.replace(parent, ''));
});

test('mount tells its true size', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({ a: fileOf(bytesOf(5 * BLOCK_SIZE)), b: fileOf(EMPTY) }),
  );
  const { stdout } = await image.shell(`stat -f -c '%b %f %a %c %d %l %s' $M`);
  assert.equal(stdout, '5 0 0 3 0 255 4096\n');
});

test('mount shows xattrs but none of overlayfs', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({
      file: fileOf(bytesOf(10), {
        xattrs: {
          'security.capability': latin1('\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0'),
          'trusted.overlay.opaque': 'y',
          'trusted.secret': 's',
          'user.note': 'hello',
          'user.overlay.opaque': 'y',
        },
      }),
    }),
  );
  const asRoot = await image.shell('getfattr -m - $M/file 2>/dev/null | grep -v ^#');
  assert.deepEqual(asRoot.stdout.trim().split('\n'), [
    'security.capability',
    'trusted.secret',
    'user.note',
  ]);
  const asNobody = await image.shell(
    'chmod 755 $(dirname $M); setpriv --reuid 65534 getfattr -m - $M/file 2>/dev/null | grep -v ^#',
  );
  assert.deepEqual(asNobody.stdout.trim().split('\n'), ['security.capability', 'user.note']);
  const value = await image.shell('getfattr --only-values -n user.note $M/file');
  assert.equal(value.stdout, 'hello');
  const absent = await image.shell('getfattr -n user.overlay.opaque $M/file');
  assert.match(absent.stderr, /No such attribute/);
  assert.match((await image.shell('getcap $M/file')).stdout, /cap_net_bind_service/);
});

test('mount without xattrs is asked for them once', options, async (context) => {
  const names = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, fileOf(EMPTY)]));
  const image = await MountedImage.open(context, directory(names));
  await image.shell('getfattr -d -m - $M/* ; ls -l $M');
  const { requests } = image.stats();
  assert.equal((requests['getxattr'] ?? 0) + (requests['listxattr'] ?? 0) <= 2, true);
});

test('mount enforces and shows ACLs', options, async (context) => {
  const bytes = bytesOf(100);
  const acl = { 'system.posix_acl_access': aclOf(1234) };
  const image = await MountedImage.open(
    context,
    directory({ file: fileOf(bytes, { permissions: 0o640, xattrs: acl }) }),
  );
  await image.shell('chmod 755 $(dirname $M)');
  const facl = await image.shell('getfacl -cnp $M/file');
  assert.match(facl.stdout, /^user:1234:r--$/m);
  const read = (user: number) =>
    image.shell(`setpriv --reuid ${user} --regid ${user} --clear-groups cat $M/file | wc -c`);
  assert.equal((await read(1234)).stdout.trim(), '100');
  assert.equal((await read(1235)).stdout.trim(), '0');
  const copied = await image.shell(
    'C=$(dirname $M)/copy; rsync -aA $M/ $C/ && getfacl -cnp $C/file',
  );
  assert.equal(copied.stdout, facl.stdout);
});

test('complete files are passed through', options, async (context) => {
  const bytes = bytesOf(300_000, 2);
  const image = await MountedImage.open(
    context,
    directory({ a: fileOf(bytes), b: fileOf(bytes, { permissions: 0o600 }) }),
  );
  image.writeComplete(0);
  const { stdout } = await image.run('cat', [join(image.mountPoint, 'a')]);
  assert.equal(Buffer.from(stdout, 'latin1').equals(bytes), true);
  await image.shell('cmp $M/a $M/b && cat $M/a $M/a $M/b > /dev/null');
  const stats = image.stats();
  assert.equal(stats.requests['read'], undefined);
  assert.equal(stats.passthroughOpens, 6);
  assert.equal(stats.cachedOpens, 0);
  assert.deepEqual(image.needs, []);
});

test('a passed-through file is looked at again at each open', options, async (context) => {
  const bytes = bytesOf(20_000, 12);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    wholeBlocksMax: 0,
  });
  image.writeComplete(0);
  await image.shell('cat $M/a $M/a > /dev/null');
  assert.deepEqual([image.stats().passthroughOpens, image.needs.length], [2, 0]);
  // Written to since it was registered: its seal is broken.
  const path = image.writeComplete(0, { seal: false });
  await image.shell('cat $M/a > /dev/null');
  assert.equal(image.stats().passthroughOpens, 2);
  // The broken seal and the blocks, in any order.
  await image.needsCame(2);
  assert.ok(image.needs.some(({ count }) => count === 0));
  // Another file in its place: what was registered must not be read for it.
  rmSync(path);
  image.writeComplete(0);
  await image.shell('cat $M/a > /dev/null');
  const other = bytesOf(20_000, 13);
  rmSync(path);
  writeFileSync(path, other);
  utimesSync(path, 1, 1);
  const { stdout } = await image.run('cat', [join(image.mountPoint, 'a')]);
  assert.equal(Buffer.from(stdout, 'latin1').equals(other), true);
  // Gone: it is asked for again.
  rmSync(path);
  await image.shell('cat $M/a > /dev/null');
  assert.equal(image.stats().cachedOpens, 2);
});

test('a file without its seal is not trusted', options, async (context) => {
  const bytes = bytesOf(BLOCK_SIZE, 3);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    wholeBlocksMax: 0,
  });
  image.writeComplete(0, { seal: false });
  const { stdout } = await image.run('cat', [join(image.mountPoint, 'a')]);
  assert.equal(Buffer.from(stdout, 'latin1').equals(bytes), true);
  const { session, content, block, count } = image.needs[0] as Need;
  assert.deepEqual([session, content, block, count], [image.session, 0, 0, 0]);
});

test('writing is refused', options, async (context) => {
  const image = await MountedImage.open(context, directory({ a: fileOf(EMPTY) }));
  for (const command of ['touch $M/b', 'echo x >> $M/a', 'rm $M/a', 'mkdir $M/d', 'chmod 1 $M/a']) {
    assert.match((await image.shell(command)).stderr, /Read-only file system/);
  }
});

test('holes are told by lseek', options, async (context) => {
  const bytes = bytesOf(6 * BLOCK_SIZE, 4);
  bytes.fill(0, BLOCK_SIZE, 3 * BLOCK_SIZE);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }));
  image.writeComplete(0);
  const script = `open F, '<', $ARGV[0]; print join ' ', map { sysseek(F, $_->[0], $_->[1]) }
    [0, 4], [${BLOCK_SIZE}, 3], [0, 3], [${4 * BLOCK_SIZE}, 4]`;
  const { stdout } = await image.run('perl', ['-e', script, join(image.mountPoint, 'a')]);
  assert.equal(stdout, `${BLOCK_SIZE} ${3 * BLOCK_SIZE} 0 but true ${6 * BLOCK_SIZE}`);
});

test('programs run from the mount', options, async (context) => {
  const bytes = new Uint8Array(readFileSync('/bin/echo'));
  for (const complete of [true, false]) {
    const image = await MountedImage.open(
      context,
      directory({ echo: fileOf(bytes, { permissions: 0o755 }) }),
    );
    if (complete) image.writeComplete(0);
    // Never started by this process: it would wait for a program that waits for its answer.
    const result = await image.shell('$M/echo it runs');
    assert.equal(result.stdout, 'it runs\n');
    assert.equal(image.stats().passthroughOpens > 0, complete);
  }
});

test('a directory of 100 000 entries is listed whole', options, async (context) => {
  const file = fileOf(EMPTY);
  const names = new Map(Array.from({ length: 100_000 }, (_, i) => [`entry-${i}`, file]));
  const image = await MountedImage.open(context, directory(names));
  const listed = await image.shell('ls -f $M | sort | uniq | wc -l');
  assert.equal(listed.stdout.trim(), '100002');
  const stated = await image.shell('find $M -type f -links 100000 | wc -l');
  assert.equal(stated.stdout.trim(), '100000');
  assert.equal((await image.shell('ls $M/entry-99999 $M/entry-100000')).code, 2);
});

test('an overlay on top reads, writes and copies up', options, async (context) => {
  const big = bytesOf(200_000, 5);
  const image = await MountedImage.open(
    context,
    directory({ dir: directory({ big: fileOf(big), small: fileOf(bytesOf(10, 6)) }) }),
  );
  image.writeComplete(image.rowOf(big));
  const { stdout, stderr } = await image.shell(`
    O=$(dirname $M)/overlay; mkdir -p $O/upper $O/work $O/merged
    mount -t overlay overlay -o lowerdir=$M,upperdir=$O/upper,workdir=$O/work $O/merged || exit 1
    trap 'umount $O/merged' EXIT
    cd $O/merged
    cmp dir/big $M/dir/big && echo same
    before=$(stat -c %i dir/small)
    echo more >> dir/small && wc -c < dir/small
    [ $before = $(stat -c %i dir/small) ] && echo same inode
    wc -c < $M/dir/small
    rm dir/big && ls dir
    mv dir/small dir/renamed && ls dir
    cd /`);
  assert.equal(stdout, 'same\n15\nsame inode\n10\nsmall\nrenamed\n', stderr);
});

test('open mode none serves everything without OPEN', options, async (context) => {
  const whole = bytesOf(50_000, 7);
  const partial = bytesOf(50_000, 8);
  const image = await MountedImage.open(
    context,
    directory({ partial: fileOf(partial), whole: fileOf(whole), empty: fileOf(EMPTY) }),
    { openMode: 'none' },
  );
  assert.equal(image.info.openMode, 'none');
  assert.equal(image.info.passthrough, false);
  image.writeComplete(image.rowOf(whole));
  for (const [name, bytes] of [
    ['partial', partial],
    ['whole', whole],
    ['empty', EMPTY],
  ] as const) {
    for (let i = 0; i < 3; i++) {
      const { stdout } = await image.run('cat', [join(image.mountPoint, name)]);
      assert.equal(Buffer.from(stdout, 'latin1').equals(bytes), true);
    }
  }
  const { requests } = image.stats();
  assert.equal(requests['open'], 1);
  assert.equal(requests['flush'] ?? 0, 1);
  assert.equal(requests['release'], undefined);
  rmSync(join(image.folder, 'files'), { recursive: true });
});
