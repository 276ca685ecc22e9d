// Runs the commands of docs/tour.md, in order, and compares what they print with what the page says:
//   node scripts/tour.mjs [--update]      --update: writes what differs into the page
// Commands stand behind `$ ` in blocks marked `console`, in a new folder with the sample tree `rootfs`. One that
// ends in ` &` is a server and stays until the end; the next one is run when it has printed its address.
import { spawn, spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

const PAGE = join(root, 'docs/tour.md');
const SHOWN_FOLDER = '/home/you/tour';
const SHOWN_ADDRESS = '127.0.0.1:8080';
const COMMAND_TIMEOUT_MS = 120_000;
/** Every time in the sample tree. */
const TREE_TIME = Date.UTC(2025, 5, 1, 12) / 1000;

// What is not the same in every run. Both sides are rewritten like this before they are compared; the table
// in the page says so to its readers.
const VARIES = [
  [/\b\d+ ms\b/g, 'N ms'],
  [/\b\d+(\.\d+)? s\b/g, 'N s'],
  // What zlib makes of a flist differs a little between its versions.
  [/^((?:Flist +\S+,|Size|Bundle +\S+,) +)\d+(\.\d+)? (B|[KMG]iB)$/gm, '$1SIZE'],
  [/\b(?!2025-06-01)\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?/g, 'TIME'],
  // Keys are made anew, and an image's digest is that of its times.
  [/\b[Kk]ey [0-9a-f]{16}\b/g, 'key KEY'],
  [/\bsha256:[0-9a-f]{64}\b/g, 'sha256:DIGEST'],
  [/\bg8_[0-9a-f]{16}_[0-9a-f]{64}\b/g, 'g8_TOKEN'],
  // A process id at the beginning of a line.
  [/^\d+(?= {2}\/)/gm, 'PID'],
];

const text = readFileSync(PAGE, 'utf8');
const isUpdate = process.argv.includes('--update');
const folder = mkdtempSync(join(tmpdir(), 'g8ufs-tour-'));
const address = `127.0.0.1:${await freePort()}`;
const background = [];
let differences = 0;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await cleanUp();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
try {
  prepare();
  const updated = await run(text);
  if (isUpdate && updated !== text) writeFileSync(PAGE, updated);
} catch (error) {
  console.log(`tour: ${error.message}`);
  differences++;
} finally {
  await cleanUp();
}
if (differences > 0 && !isUpdate)
  console.log('If this is as it should be: npm run tour -- --update');
process.exitCode = differences > 0 && !isUpdate ? 1 : 0;

/** The page with what the commands print now, where that differs in more than what varies. */
async function run(page) {
  const blocks = page.split(/(^```console\n[\s\S]*?^```$)/m);
  for (const [i, block] of blocks.entries()) {
    if (!block.startsWith('```console\n')) continue;
    const [, ...steps] = block.slice('```console'.length, -'```'.length).split(/^\$ /m);
    const shown = [];
    for (const step of steps) {
      const end = step.indexOf('\n');
      const command = step.slice(0, end);
      const expected = step.slice(end + 1);
      const actual = await output(command);
      const isSame = normalize(actual) === normalize(expected);
      if (!isSame) report(command, expected, actual);
      shown.push(`$ ${command}\n${isSame ? expected : actual}`);
    }
    blocks[i] = `\`\`\`console\n${shown.join('')}\`\`\``;
  }
  return blocks.join('');
}

/** What a command prints, with the folder and the address as the page shows them. */
async function output(command) {
  const line = command.replaceAll(SHOWN_ADDRESS, address).replaceAll(SHOWN_FOLDER, folder);
  const printed = line.endsWith(' &') ? await startBackground(line) : await runToEnd(line);
  const clean = printed.replaceAll(folder, SHOWN_FOLDER).replaceAll(address, SHOWN_ADDRESS);
  return clean === '' || clean.endsWith('\n') ? clean : `${clean}\n`;
}

function runToEnd(line) {
  const result = spawnSync('bash', ['-c', `exec 2>&1; ${line}`], {
    ...surroundings(),
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (result.error) throw new Error(`${line}: ${result.error.message}`);
  if (result.status !== 0)
    throw new Error(`${line}\nended with ${result.status}: ${result.stdout}`);
  return result.stdout;
}

function startBackground(line) {
  const child = spawn('bash', ['-c', `exec 2>&1; exec ${line.slice(0, -2)}`], {
    ...surroundings(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  background.push(child);
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stdout.on('data', (data) => {
      printed += data;
      if (/^http:.*\n/m.test(printed)) resolve(printed);
    });
    child.once('exit', (code) => reject(new Error(`${line} ended with ${code}: ${printed}`)));
  });
}

function surroundings() {
  return {
    cwd: folder,
    env: {
      PATH: `${join(folder, '.bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: folder,
      TZ: 'UTC',
      LC_ALL: 'C.UTF-8',
      G8UFS_CACHE_DIR: join(folder, '.cache'),
      G8UFS_RUN_DIR: join(folder, '.run'),
      G8UFS_HUB_LISTEN: address,
    },
  };
}

function normalize(printed) {
  return VARIES.reduce((result, [pattern, word]) => result.replace(pattern, word), printed);
}

function report(command, expected, actual) {
  differences++;
  console.log(`$ ${command}`);
  for (const [mark, printed] of [
    ['-', normalize(expected)],
    ['+', normalize(actual)],
  ]) {
    for (const line of printed.split('\n').slice(0, -1)) console.log(`${mark} ${line}`);
  }
}

/** The program under its name, and a small root file system with one of everything. */
function prepare() {
  mkdirSync(join(folder, '.bin'));
  const program = join(folder, '.bin/g8ufs');
  writeFileSync(
    program,
    `#!/bin/sh\nexec ${process.execPath} ${join(root, 'bin/g8ufs.js')} "$@"\n`,
  );
  chmodSync(program, 0o755);
  const at = (...names) => join(folder, 'rootfs', ...names);
  for (const name of ['bin', 'etc', 'usr/share/doc/hello', 'var/lib', 'tmp']) {
    mkdirSync(at(name), { recursive: true });
  }
  writeFileSync(at('bin/hello'), '#!/bin/sh\necho "Hello from an image"\n');
  chmodSync(at('bin/hello'), 0o755);
  writeFileSync(at('etc/hostname'), 'tour\n');
  writeFileSync(at('etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(at('usr/share/doc/hello/copyright'), 'Everybody may copy this.\n'.repeat(40));
  // More than one chunk, and no compression makes it smaller than that.
  writeFileSync(at('usr/share/table'), noise(700_000));
  linkSync(at('usr/share/table'), at('usr/share/table.old'));
  symlinkSync('hello', at('bin/hi'));
  writeFileSync(at('var/lib/sparse'), 'begin');
  truncateSync(at('var/lib/sparse'), 8 * 1024 * 1024);
  settle(at());
  for (const [name, mode] of [
    ['tmp', 0o1777],
    ['.', 0o755],
  ])
    chmodSync(at(name), mode);
}

/** Modes and times that depend neither on the umask nor on the clock. */
function settle(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) settle(below);
    if (!entry.isSymbolicLink())
      chmodSync(below, entry.isDirectory() || entry.name === 'hello' ? 0o755 : 0o644);
    lutimesSync(below, TREE_TIME, TREE_TIME);
  }
  lutimesSync(path, TREE_TIME, TREE_TIME);
}

// The same bytes everywhere, and none that a compressor finds again.
function noise(size) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function cleanUp() {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  for (const line of mounts.reverse()) {
    const place = line.split(' ')[1];
    if (place?.startsWith(`${folder}/`)) spawnSync('umount', ['-l', place]);
  }
  for (const child of background) {
    child.removeAllListeners('exit');
    if (child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  rmSync(folder, { recursive: true, force: true });
}
