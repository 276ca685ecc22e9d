// Makes a checkout ready to run: Debian packages, npm packages, native build, TypeScript. Each step looks
// first and does nothing when nothing is missing.
//   node scripts/setup.mjs [--test] [--native]     --test: also what only the tests need; --native: what
// only the sanitizer builds need
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';

export const root = join(import.meta.dirname, '..');

// A file that tells that a package is there, and the package. Looking at files is quicker than dpkg.
const BUILD_PACKAGES = {
  '/usr/bin/cmake': 'cmake',
  '/usr/bin/ninja': 'ninja-build',
  '/usr/bin/g++': 'g++',
  '/usr/bin/pkg-config': 'pkg-config',
  '/usr/include/zstd.h': 'libzstd-dev',
  '/usr/include/lzma.h': 'liblzma-dev',
  '/usr/include/snappy.h': 'libsnappy-dev',
  '/usr/include/sodium.h': 'libsodium-dev',
  '/usr/bin/fusermount3': 'fuse3',
};
const TEST_PACKAGES = {
  '/usr/bin/ldb': 'rocksdb-tools',
  '/usr/bin/fsck.erofs': 'erofs-utils',
  '/usr/bin/capnp': 'capnproto',
  '/usr/sbin/debootstrap': 'debootstrap',
  '/usr/share/doc/libfuse2/copyright': 'libfuse2',
  '/usr/bin/rsync': 'rsync',
  '/usr/bin/getfattr': 'attr',
  '/usr/bin/getfacl': 'acl',
  '/usr/sbin/setcap': 'libcap2-bin',
  '/usr/bin/zstd': 'zstd',
  '/usr/bin/xz': 'xz-utils',
  '/usr/bin/shasum': 'perl',
  '/usr/bin/setpriv': 'util-linux',
  '/usr/bin/umoci': 'umoci',
  '/usr/bin/skopeo': 'skopeo',
  '/usr/bin/docker-registry': 'docker-registry',
  // Has the server's binary too; the package redis-server would start a service besides.
  '/usr/bin/redis-check-rdb': 'redis-tools',
  '/usr/lib/python3/dist-packages/swift/__init__.py': 'python3-swift',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/sqlite3': 'sqlite3',
  '/usr/bin/chromium': 'chromium',
  '/usr/bin/python3': 'python3',
  '/usr/bin/mmdebstrap': 'mmdebstrap',
  '/usr/bin/zsh': 'zsh',
  '/usr/bin/fish': 'fish',
  '/usr/bin/groff': 'groff-base',
  '/usr/bin/bsdtar': 'libarchive-tools',
  '/usr/sbin/ip': 'iproute2',
  '/usr/sbin/nft': 'nftables',
  '/usr/sbin/dnsmasq': 'dnsmasq-base',
  '/usr/sbin/udhcpc': 'udhcpc',
  '/usr/lib/postgresql/15/bin/postgres': 'postgresql-15',
  '/usr/sbin/runc': 'runc',
  '/usr/bin/crun': 'crun',
  '/usr/bin/fincore': 'util-linux-extra',
  '/usr/bin/catatonit': 'catatonit',
  '/usr/share/doc/busybox-static/copyright': 'busybox-static',
  '/usr/sbin/mkfs.xfs': 'xfsprogs',
  '/usr/sbin/mkfs.btrfs': 'btrfs-progs',
};
// The build with the address sanitizer and the fuzzers.
const SANITIZER_PACKAGES = {
  '/usr/bin/clang++': 'clang',
  '/usr/share/doc/libclang-rt-14-dev/copyright': 'libclang-rt-14-dev',
};

function say(message) {
  console.error(`setup: ${message}`);
}

/** Runs a program quietly; its output is shown only when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  });
  if (result.status === 0) return result.stdout ?? '';
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  say(`${command} ${args.join(' ')} failed${result.error ? `: ${result.error.message}` : ''}`);
  process.exit(70);
}

/** As {@link run}, while other things go on. */
async function runBeside(command, args, options = {}) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  const pieces = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => pieces.push(data));
  const code = await once(child, 'close').then(
    ([status]) => status,
    (error) => error.message,
  );
  if (code === 0) return;
  process.stderr.write(Buffer.concat(pieces));
  say(`${command} ${args.join(' ')} failed: ${code}`);
  process.exit(70);
}

async function debianPackages(wanted) {
  const missing = Object.entries(wanted)
    .filter(([file]) => !existsSync(file))
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    say(`Debian packages are missing; run as root: ${install}`);
    process.exit(69);
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await runBeside('apt-get', ['update', '-q'], { env });
  await runBeside('apt-get', install.split(' ').slice(1), { env });
}

async function npmPackages() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const stampFile = join(root, 'node_modules/.setup-stamp');
  const stamp = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  say('installing npm packages');
  // Not `npm ci`: it refuses a lock file that leaves out other platforms' optional binaries. No package of
  // ours needs its install script: binaries ship inside the packages.
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  await runBeside('npm', ['install', ...options]);
  writeFileSync(stampFile, stamp);
}

/** @param {{ test?: boolean, native?: boolean }} options what is needed besides the program itself */
export async function setup({ test = false, native = false } = {}) {
  await Promise.all([
    debianPackages({
      ...BUILD_PACKAGES,
      ...(test ? TEST_PACKAGES : {}),
      ...(native ? SANITIZER_PACKAGES : {}),
    }),
    npmPackages(),
  ]);
  const tsc = join(root, 'node_modules/.bin/tsc');
  await Promise.all([
    runBeside(process.execPath, ['scripts/build-native.mjs', 'release']),
    runBeside(tsc, ['-p', 'tsconfig.build.json']),
    test ? runBeside(tsc, ['-p', 'tsconfig.json']) : undefined,
  ]);
  removeStale('src', 'dist');
  await bundle();
}

/** Removes what was compiled of a source that is gone: a command is found by its file. */
function removeStale(sources, outputs) {
  for (const name of readdirSync(join(root, outputs), { recursive: true })) {
    const source = name.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (source !== name && !existsSync(join(root, sources, source)))
      rmSync(join(root, outputs, name));
  }
}

/** What `test-native.mjs --asan` and `--tsan` need besides. */
export async function setupSanitizers() {
  await debianPackages({ ...BUILD_PACKAGES, ...SANITIZER_PACKAGES });
}

if (process.argv[1] === import.meta.filename) {
  const has = (flag) => process.argv.includes(flag);
  await setup({ test: has('--test'), native: has('--native') });
}
