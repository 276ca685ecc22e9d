// Packs the program into a few files: a start then opens these instead of hundreds of modules. They are CommonJS,
// because that is what V8's compiled form can be kept of on Node 20 (bin/load-bundle.js). The library that the package
// exports stays as it is compiled.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '..');
const OUTPUT = join(root, 'dist/program');
const BUNDLES = {
  g8ufs: 'src/cli/entry.ts',
  'mount-daemon': 'src/cli/daemon-main.ts',
  'image-worker': 'src/fs/kernel/image-worker.ts',
  'stack-worker': 'src/fs/stack/stack-worker.ts',
};
/** Commands that somebody waits for, once more without all the others: V8 reads all of a bundle (bin/g8ufs.js). */
const QUICK = ['core/run', 'mount'];
/** Run by the build, so that what V8 compiles is kept. The first one decides what is kept of packages of all. */
const WARM = ['g8ufs', ...QUICK.map(quickName), 'mount-daemon'];
/** In bundles of their own, because many commands do without. */
const PACKAGES = [
  '@fastify/busboy',
  'cli-progress',
  'cli-table3',
  'fast-xml-parser',
  'jose',
  'level',
  'markdown-it',
  'pino',
  'smol-toml',
  'tar-stream',
  'undici',
  'yaml',
  'zod',
];
/** Left where they are: servers' and databases' packages, which no short command needs, and what loads binaries. */
const EXTERNAL = ['blake2b', 'fastify', 'fuse-native', 'ioredis', 'pg', 'sql.js'];
/** Of these only what has a name is imported, from ES modules. */
const NAMES_ONLY = ['fast-xml-parser', 'jose', 'smol-toml', 'zod'];
/** A start takes a second on a busy machine. */
const WARM_TIMEOUT_MS = 60_000;

/** Packs what has changed. */
export async function bundle() {
  const made = Math.min(...WARM.map((name) => timeOf(join(OUTPUT, `${name}.v8`)) ?? 0));
  if (made > newestSource()) return;
  // Made beside: others may be running the program, and no compiled form may ever be found beside other sources.
  const folder = `${OUTPUT}-${process.pid}`;
  try {
    await makeBundles(folder);
    rmSync(OUTPUT, { recursive: true, force: true });
    renameSync(folder, OUTPUT);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function makeBundles(output) {
  const { build } = await import('esbuild');
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    minifyWhitespace: true,
    minifySyntax: true,
    // Node shows the line of an error that nobody has caught.
    lineLimit: 160,
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    external: EXTERNAL,
    supported: { 'dynamic-import': false },
    logLevel: 'warning',
  };
  await build({
    ...common,
    entryPoints: PACKAGES.map((name) => ({ in: `package:${name}`, out: flat(name) })),
    outdir: join(output, 'package'),
    external: [...EXTERNAL, 'level/package.json', 'classic-level/package.json'],
    plugins: [littleUndici(), wholePackages(), oneLanguage(), levelBinding()],
  });
  const program = {
    ...common,
    outdir: output,
    banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  };
  await build({
    ...program,
    entryPoints: Object.entries(BUNDLES).map(([out, path]) => ({ in: path, out })),
    plugins: [commandTable(commandFiles()), packagesBeside()],
  });
  for (const command of QUICK) {
    await build({
      ...program,
      entryPoints: [{ in: BUNDLES.g8ufs, out: quickName(command) }],
      plugins: [commandTable([command]), packagesBeside()],
    });
  }
  writeFileSync(
    join(output, 'daemon-main.cjs'),
    "require('../../bin/load-bundle.js').loadBundle(require.resolve('./mount-daemon.cjs'));\n",
  );
  for (const name of WARM) await compile(output, name);
}

function quickName(command) {
  return command.replace('/', '-');
}

/** Name of a package's bundle. */
function flat(name) {
  return name.replace('/', '-');
}

/** The bundle of a package exports all that it does. */
function wholePackages() {
  return {
    name: 'whole-packages',
    setup(build) {
      build.onResolve({ filter: /^package:/ }, ({ path }) => ({ path, namespace: 'package' }));
      build.onLoad({ filter: /.*/, namespace: 'package' }, ({ path }) => {
        const name = path.slice('package:'.length);
        const contents = NAMES_ONLY.includes(name)
          ? `export * from '${name}';`
          : `module.exports = require('${name}');`;
        return { contents, resolveDir: root };
      });
    },
  };
}

/** Bundles of packages are loaded when they are needed. */
function packagesBeside() {
  return {
    name: 'packages-beside',
    setup(build) {
      build.onResolve({ filter: /^[@a-z]/ }, ({ path }) =>
        PACKAGES.includes(path)
          ? { path: `./package/${flat(path)}.cjs`, external: true }
          : undefined,
      );
    },
  };
}

function commandFiles() {
  return readdirSync(join(root, 'src/cli/commands'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort();
}

/** In the place of `src/cli/command-files.ts`: the commands are inside. */
function commandTable(files) {
  return {
    name: 'command-table',
    setup(build) {
      build.onLoad({ filter: /src\/cli\/command-files\.ts$/ }, () => {
        const rows = files.map((file) => `'${file}': () => import('./commands/${file}.ts'),`);
        const contents = `
          const FILES = { ${rows.join('\n')} };
          export function commandFiles(folder) {
            const inside = Object.keys(FILES).filter((file) => file.startsWith(folder));
            return inside.filter((file) => !file.slice(folder.length).includes('/'));
          }
          export const hasCommandFile = (file) => Object.hasOwn(FILES, file);
          export const loadCommandFile = (file) => FILES[file]();`;
        return { contents, loader: 'js' };
      });
    },
  };
}

/** Of zod's fifty languages the one that it speaks by itself. */
function oneLanguage() {
  return {
    name: 'one-language',
    setup(build) {
      build.onLoad({ filter: /node_modules\/zod\/v4\/locales\/index\.js$/ }, () => ({
        contents: "export { default as en } from './en.js';",
        loader: 'js',
      }));
    },
  };
}

/**
 * Of undici, what a pool of connections is made of comes first, and the rest when it is asked for: all of it, with what it
 * needs of Node, takes as long to load as Node itself.
 */
function littleUndici() {
  const names = Object.keys(createRequire(import.meta.url)('undici'));
  const others = names.filter((name) => name !== 'Pool');
  const contents = `
    const Dispatcher = require('undici/lib/dispatcher/dispatcher.js');
    Dispatcher.prototype.request = require('undici/lib/api/api-request.js');
    module.exports = {
      Pool: require('undici/lib/dispatcher/pool.js'),
      ${others.map((name) => `get ${name}() { return require('undici').${name}; },`).join('\n')}
    };`;
  const later = 'later';
  return {
    name: 'little-undici',
    setup(build) {
      build.onResolve({ filter: /^package:undici$/ }, () => ({ path: 'undici', namespace: later }));
      build.onLoad({ filter: /^undici$/, namespace: later }, () => ({
        contents,
        resolveDir: root,
      }));
      // HTTP/2, which nothing here asks for.
      build.onResolve({ filter: /^\.\/client-h2\.js$/ }, ({ importer }) =>
        importer.endsWith('/dispatcher/client.js') ? { path: 'h2', namespace: later } : undefined,
      );
      build.onLoad({ filter: /^h2$/, namespace: later }, () => ({
        contents:
          "module.exports = (...all) => require('undici/lib/dispatcher/client-h2.js')(...all);",
        resolveDir: root,
      }));
    },
  };
}

/** The binary of a package that is bundled lies where the package is. */
function levelBinding() {
  return {
    name: 'level-binding',
    setup(build) {
      build.onLoad({ filter: /node_modules\/classic-level\/binding\.js$/ }, () => ({
        contents: `
          const { dirname } = require('node:path');
          const paths = [dirname(require.resolve('level/package.json'))];
          const found = require.resolve('classic-level/package.json', { paths });
          module.exports = require('node-gyp-build')(dirname(found));`,
      }));
    },
  };
}

/** Runs a bundle as users do, and keeps what V8 has compiled by then. */
async function compile(output, name) {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-compile-'));
  try {
    const child = spawn(
      process.execPath,
      [import.meta.filename, join(output, `${name}.cjs`), folder],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          ...(process.env.G8UFS_ADDON && { G8UFS_ADDON: process.env.G8UFS_ADDON }),
          HOME: folder,
          G8UFS_RUN_DIR: join(folder, 'run'),
          G8UFS_CONFIG: join(folder, 'config.yaml'),
          G8UFS_LINGER: '0s',
        },
        timeout: WARM_TIMEOUT_MS,
      },
    );
    let words = '';
    child.stderr.on('data', (data) => {
      words += data;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`Bundle ${name} does not run (${code}): ${words}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The child of {@link compile}. */
async function runAndKeep(path, folder) {
  const loader = createRequire(import.meta.url)('../bin/load-bundle.js');
  process.on('exit', () => {
    for (const [path, script] of loader.scripts) keep(loader.compiledPath(path), script);
  });
  writeFileSync(join(folder, 'config.yaml'), '');
  const cache = join(folder, 'cache');
  const nothing = join(folder, 'absent.flist');
  const { url, close } = await emptyHub();
  if (path.endsWith('mount-daemon.cjs')) {
    process.argv = [process.execPath, path, '--cache', cache];
    const { loadAhead } = loader.loadScript(path);
    await loadAhead();
    await askDaemon(join(cache, 'run/control.sock'), [nothing, `${url}/absent.flist`], folder);
    close();
    process.emit('SIGTERM');
    return;
  }
  const { main } = loader.loadScript(path);
  const cached = ['--cache', cache];
  const run = ['core', 'run', ...cached, '--state', join(folder, 'state'), '--network', 'none'];
  // What starts most often, as far as it goes without anything being there.
  const commands = {
    'core-run': [[...run, nothing, 'true']],
    mount: [['mount', nothing, folder, ...cached]],
    g8ufs: [
      ['--version'],
      ['flist', 'ls', nothing],
      ['flist', 'ls', `${url}/absent.flist`],
      ['umount', folder],
      [...run, nothing, 'true'],
    ],
  };
  for (const argv of commands[basename(path, '.cjs')]) await main(argv);
  close();
  await processGone(join(cache, 'lock'));
  process.exit(0);
}

/** Written whole or not at all. */
function keep(output, script) {
  if (existsSync(output)) return;
  writeFileSync(`${output}.new`, script.createCachedData());
  renameSync(`${output}.new`, output);
}

/** Has nothing of what it is asked for. */
async function emptyHub() {
  const { createServer } = await import('node:http');
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** Has the daemon refuse mounts, and tell a few things. */
async function askDaemon(socket, sources, folder) {
  const { ControlClient } = await import(join(root, 'dist/fs/control.js'));
  await until(() => existsSync(socket));
  const client = await ControlClient.connect(socket);
  const request = { mountPoint: folder, stores: [], deadlineMs: 1000, openMode: 'auto' };
  const rest = { driver: 'native', tier: 'auto', allowOther: false };
  for (const source of sources) {
    await client.request('mount', { source, ...request, ...rest }).catch(() => {});
  }
  await client.request('list', {}).catch(() => {});
  client.close();
}

/** Waits for the daemon that a command has started; it ends by itself. */
async function processGone(lock) {
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, 'utf8'));
  if (pid > 0) await until(() => !existsSync(`/proc/${pid}`));
}

async function until(isTrue) {
  const deadline = performance.now() + WARM_TIMEOUT_MS / 2;
  while (!isTrue() && performance.now() < deadline) await delay(10);
}

function newestSource() {
  const sources = readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, 'src', name));
  const others = ['package-lock.json', 'bin/load-bundle.js', 'scripts/bundle.mjs'];
  return Math.max(...[...sources, ...others.map((name) => join(root, name))].map(timeOf));
}

function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

if (process.argv[1] === import.meta.filename) {
  const [path, folder] = process.argv.slice(2);
  if (path === undefined) await bundle();
  else await runAndKeep(path, folder);
}
