/**
 * Linux and erofs-utils as oracles of the mount index: the kernel mounts the image and shows the
 * tree it was made from, `fsck.erofs` accepts it, and overlayfs finds file contents through it.
 *
 * Needs root, the erofs and overlay file systems, erofs-utils, attr and perl. Reading the mounts in
 * this process is safe: the kernel serves them, not we.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC } from '../../src/base/codec.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import { redirectPath } from '../../src/format/index/xattr.ts';
import { type Inode, S_IFDIR, S_IFLNK, S_IFMT } from '../../src/format/tree.ts';
import {
  assertSame,
  contentOf,
  type Description,
  describeTree,
  directory,
  file,
  latin1,
  sampleTree,
} from '../support/index-trees.ts';

/** System call numbers of mount(2), which perl does not name. */
const MOUNT_CALL: Readonly<Record<string, number>> = { x64: 165, arm64: 40 };
const MS_RDONLY = 1;
const COMMAND_TIMEOUT_MS = 60_000;

const missing = findMissing();
if (missing !== undefined && process.env['CI'] === 'true') {
  throw new Error(`The mount index oracles need ${missing}`);
}
const skip = missing === undefined ? false : `needs ${missing}`;

function findMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  if (MOUNT_CALL[process.arch] === undefined) return 'x64 or arm64';
  const kinds = readFileSync('/proc/filesystems', 'utf8');
  for (const name of ['erofs', 'overlay']) {
    // A module shows up only once it is loaded.
    if (!new RegExp(`\\b${name}$`, 'm').test(kinds) && !loadModule(name)) return `${name} (kernel)`;
  }
  const folders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin'];
  const commands = ['fsck.erofs', 'dump.erofs', 'getfattr', 'perl', 'mount', 'umount'];
  return commands.find((name) => !folders.some((folder) => existsSync(join(folder, name))));
}

function loadModule(name: string): boolean {
  try {
    run('modprobe', [name]);
    return true;
  } catch {
    return false;
  }
}

function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, {
    encoding: 'latin1',
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** What fsck.erofs says: its exit status is 0 for a bad checksum as well. */
function check(image: string): string {
  const { stdout, stderr } = spawnSync('fsck.erofs', ['-d3', image], {
    encoding: 'latin1',
    timeout: COMMAND_TIMEOUT_MS,
  });
  return stdout + stderr;
}

/** mount(2) itself: the `mount` command would attach a loop device to an image. */
function mountDirectly(source: string, target: string, type: string, data: string): void {
  const script =
    'syscall($ARGV[0] + 0, $ARGV[1], $ARGV[2], $ARGV[3], $ARGV[4] + 0, $ARGV[5]) == 0' +
    ' or die "mount: $!\\n"';
  const call = String(MOUNT_CALL[process.arch]);
  run('perl', ['-e', script, call, source, target, type, String(MS_RDONLY), data]);
}

/** Mounts an image file: directly where the kernel can, else through a loop device. */
function mountImage(image: string, target: string): void {
  try {
    mountDirectly(image, target, 'erofs', '');
  } catch {
    run('mount', ['-t', 'erofs', '-o', 'loop,ro', image, target]);
  }
}

function writeImage(path: string, root: Inode): void {
  const descriptor = openSync(path, 'w');
  for (const piece of buildMountIndex(root).erofs()) writeSync(descriptor, piece);
  closeSync(descriptor);
}

/** A temporary directory with mount points that are gone when the suite is over. */
class Workspace {
  readonly path = mkdtempSync(join(tmpdir(), 'g8ufs-erofs-'));
  readonly #mounts: string[] = [];

  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes the image of a tree and mounts it. */
  mount(name: string, root: Inode): string {
    writeImage(this.file(`${name}.erofs`), root);
    const target = this.#mountPoint(name);
    mountImage(this.file(`${name}.erofs`), target);
    this.#mounts.push(target);
    return target;
  }

  /** Lays the metadata of one mount over a directory of content objects. */
  overlay(name: string, metadata: string, objects: string): string {
    const target = this.#mountPoint(name);
    mountDirectly('overlay', target, 'overlay', `lowerdir=${metadata}::${objects},metacopy=on`);
    this.#mounts.push(target);
    return target;
  }

  close(): void {
    const failures: unknown[] = [];
    for (const target of this.#mounts.reverse()) {
      try {
        run('umount', ['-l', target]);
      } catch (error) {
        failures.push(error);
      }
    }
    // Never remove files while something may be mounted below.
    if (failures.length > 0) throw new AggregateError(failures, 'Mounts are left behind');
    rmSync(this.path, { recursive: true });
  }

  #mountPoint(name: string): string {
    const target = this.file(name);
    mkdirSync(target);
    return target;
  }
}

/** Every name below a mounted directory, as {@link describeTree} gives it, without contents. */
function describeMounted(mounted: string): Description[] {
  const xattrs = readXattrs(mounted);
  const first = new Map<bigint, string>();
  const descriptions: Description[] = [];
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const real = Buffer.concat([Buffer.from(mounted), latin1(path)]);
    const stat = lstatSync(real, { bigint: true });
    const mode = Number(stat.mode);
    if ((mode & S_IFMT) === S_IFDIR) {
      const names = readdirSync(real, { encoding: 'buffer' }).sort(Buffer.compare).reverse();
      for (const name of names) pending.push(`${path}/${name.toString('latin1')}`);
    }
    const linkOf = first.get(stat.ino);
    if (linkOf === undefined) first.set(stat.ino, path || '/');
    const isLink = (mode & S_IFMT) === S_IFLNK;
    const found = xattrs.get(path);
    descriptions.push({
      path: path || '/',
      mode: mode.toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      nlink: Number(stat.nlink),
      mtime: formatTime(stat.mtimeNs),
      ...(stat.isFile() ? { size: Number(stat.size) } : {}),
      ...(stat.isCharacterDevice() || stat.isBlockDevice()
        ? { rdev: formatDevice(stat.rdev) }
        : {}),
      ...(isLink ? { target: readlinkSync(real, { encoding: 'buffer' }).toString('latin1') } : {}),
      ...(found ? { xattrs: found } : {}),
      ...(linkOf ? { linkOf } : {}),
    });
  }
  return descriptions;
}

function formatTime(nanoseconds: bigint): string {
  const rest = BigInt.asUintN(
    64,
    ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n,
  );
  return `${(nanoseconds - rest) / 1_000_000_000n}.${String(rest).padStart(9, '0')}`;
}

/** glibc's device number: the kernel's 32 bits with more room above. */
function formatDevice(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/** Extended attributes by path below a mounted directory, values in hex. */
function readXattrs(mounted: string): Map<string, Record<string, string>> {
  const script = 'chdir shift or die; exec qw(getfattr -R -P -h -d -m - -e hex .)';
  const found = new Map<string, Record<string, string>>();
  let current: Record<string, string> = {};
  for (const line of run('perl', ['-e', script, mounted]).split('\n')) {
    const header = /^# file: (.*)$/.exec(line)?.[1];
    const pair = /^([^=]+)(?:=0x([0-9a-f]*))?$/.exec(line);
    if (header !== undefined) {
      current = {};
      found.set(header === '.' ? '' : `/${unquote(header)}`, current);
    } else if (pair !== null) {
      current[unquote(pair[1] as string)] = pair[2] ?? '';
    }
  }
  return found;
}

/** Undoes getfattr's octal escapes. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3}|\\)/g, (_, code: string) => {
    return code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8));
  });
}

/** What a plain EROFS mount shows instead: no contents, and the attributes for overlayfs. */
function asStored(descriptions: readonly Description[]): Description[] {
  return descriptions.map(({ content, xattrs, ...rest }) => {
    const stored: Record<string, string> = {};
    for (const [name, value] of Object.entries(xattrs ?? {})) {
      stored[name.replace(/^trusted\.overlay\./, 'trusted.overlay.overlay.')] = value;
    }
    if (content !== undefined) {
      const redirect = redirectPath(new Uint8Array(Buffer.from(content, 'hex')));
      stored['trusted.overlay.metacopy'] = '';
      stored['trusted.overlay.redirect'] = toHex(latin1(redirect));
    }
    return { ...rest, ...(Object.keys(stored).length > 0 ? { xattrs: stored } : {}) };
  });
}

describe('mount index', { skip }, () => {
  let work: Workspace;
  before(() => {
    work = new Workspace();
  });
  after(() => work.close());

  test('shows the sample tree when the kernel mounts it', () => {
    const root = sampleTree();
    const mounted = work.mount('sample', root);
    assertSame(describeMounted(mounted), asStored(describeTree(root)));
  });

  test('is accepted by fsck.erofs', () => {
    const image = work.file('checked.erofs');
    writeImage(image, sampleTree());
    assert.match(check(image), /No errors found/);
  });

  test('is refused by fsck.erofs when a byte of the superblock changed', () => {
    const image = work.file('broken.erofs');
    writeImage(image, sampleTree());
    const bytes = readFileSync(image);
    bytes[1024 + 64] = 1;
    writeFileSync(image, bytes);
    assert.match(check(image), /failed to verify superblock checksum/);
  });

  test('tells dump.erofs its inode count and features', () => {
    const image = work.file('dumped.erofs');
    const root = sampleTree();
    writeImage(image, root);
    const text = run('dump.erofs', ['-s', image]);
    assert.match(text, new RegExp(`inode count:\\s+${buildMountIndex(root).counts.inodes}\\n`));
    assert.match(text, /features:\s+sb_csum mtime chunked_file/);
  });

  test('reads the holes of the largest files as zeros', () => {
    const size = 2 ** 43 + 5000;
    const root = directory({
      huge: file('', size, { content: { ...contentOf('', 1), ...hugeContent(size) } }),
    });
    const mounted = work.mount('huge', root);
    const script =
      'open F, "<", shift or die; seek F, 2**43 + 4000, 0; print length(do { local $/; <F> })';
    assert.equal(run('perl', ['-e', script, join(mounted, 'huge')]), '1000');
  });

  test('finds every entry of a directory of 100 000', () => {
    const entries = new Map<string, Inode>();
    for (let i = 0; i < 100_000; i++) entries.set(`entry-${i}`, file('', 0, { uid: i }));
    const mounted = work.mount('large', directory(entries));
    assert.equal(readdirSync(mounted).length, 100_000);
    for (const i of [0, 9, 4711, 99_999]) {
      assert.equal(lstatSync(join(mounted, `entry-${i}`)).uid, i);
    }
    assert.equal(existsSync(join(mounted, 'entry-100000')), false);
  });

  test('lets a process descend deeper than PATH_MAX', () => {
    const depth = 1000;
    let root = directory({});
    for (let i = 0; i < depth; i++) root = directory({ 'ten-bytes.': root });
    const mounted = work.mount('deep', root);
    const script = 'chdir shift or die; $n++ while chdir "ten-bytes."; print $n';
    assert.equal(run('perl', ['-e', script, mounted]), String(depth));
  });

  test('shows file contents when overlayfs lays it over content objects', () => {
    const data = latin1('bytes of an object\n');
    const digest = blake2b(data, 32);
    const chunk = { codec: CODEC.zstd, id: digest, plainDigest: digest, storedSize: data.length };
    const content = contentOf('', data.length, [chunk]);
    const root = directory({
      folder: directory({
        file: file('', data.length, {
          content,
          permissions: 0o640,
          uid: 7,
          xattrs: { 'user.note': 'own', 'trusted.overlay.note': 'escaped' },
        }),
        other: file('', data.length, { content }),
        empty: file('', 0),
      }),
    });
    const objects = work.file('objects');
    const object = join(objects, redirectPath(digest));
    mkdirSync(join(object, '..'), { recursive: true });
    writeFileSync(object, data);
    const merged = work.overlay('merged', work.mount('metadata', root), objects);

    const path = join(merged, 'folder/file');
    assert.equal(readFileSync(path, 'latin1'), 'bytes of an object\n');
    assert.equal(readFileSync(join(merged, 'folder/other'), 'latin1'), 'bytes of an object\n');
    assert.equal(readFileSync(join(merged, 'folder/empty'), 'latin1'), '');
    const stat = lstatSync(path);
    assert.deepEqual([stat.mode & 0o7777, stat.uid, stat.size], [0o640, 7, data.length]);
    assert.deepEqual(readXattrs(merged).get('/folder/file'), {
      'trusted.overlay.note': toHex(latin1('escaped')),
      'user.note': toHex(latin1('own')),
    });
  });
});

/** A content of nothing but holes in the fewest chunks. */
function hugeContent(size: number) {
  const hole = {
    codec: CODEC.hole,
    id: new Uint8Array(0),
    plainDigest: new Uint8Array(0),
    storedSize: 0,
  };
  const blockSize = 4 * 1024 * 1024;
  return { size, blockSize, chunks: new Array(Math.ceil(size / blockSize)).fill(hole) };
}
