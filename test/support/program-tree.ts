/**
 * Root folders of programs, made of Debian packages that this machine has: all files of the packages, and the
 * libraries that they load. What such an image contains differs between machines; what a start reads of it
 * is told by its profile.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Not needed to run anything. */
const LEFT_OUT = /^\/usr\/share\/(?:doc|man|locale|info|lintian|bug)\//;
/** Where Debian has its programs and libraries: links into /usr since the merge. */
const MERGED = ['bin', 'lib', 'lib64', 'sbin'];

/** Fills a new folder with the packages that these files belong to. */
export function makeProgramTree(folder: string, files: readonly string[]): void {
  const packages = new Set(files.map((file) => packageOf(realpathSync(file))));
  const listed = output('dpkg', ['-L', ...packages]).split('\n');
  const wanted = new Set<string>();
  for (const file of [...listed, ...files]) add(wanted, file);
  for (const file of librariesOf([...wanted])) add(wanted, file);
  mkdirSync(folder, { recursive: true });
  for (const name of MERGED) symlinkSync(`usr/${name}`, join(folder, name));
  copy([...wanted].sort(), folder);
}

function packageOf(file: string): string {
  // Packages from before the merge name the place that is a link now.
  for (const name of [file, file.replace(/^\/usr\//, '/')]) {
    const { status, stdout } = spawnSync('dpkg', ['-S', name], { encoding: 'utf8' });
    if (status === 0) return stdout.slice(0, stdout.indexOf(': '));
  }
  throw new Error(`${file} belongs to no package`);
}

/** A file under the path that it really has, and what it is a link to. */
function add(wanted: Set<string>, file: string): void {
  const status = lstatSync(file, { throwIfNoEntry: false });
  if (status === undefined || status.isDirectory() || LEFT_OUT.test(file)) return;
  wanted.add(join(realpathSync(dirname(file)), basename(file)));
  if (status.isSymbolicLink()) addTarget(wanted, file);
}

function addTarget(wanted: Set<string>, file: string): void {
  const status = lstatSync(file);
  const target = status.isSymbolicLink() ? realpathOf(file) : undefined;
  if (target !== undefined) add(wanted, target);
}

function realpathOf(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    // A link to what another package would have.
    return undefined;
  }
}

function librariesOf(files: readonly string[]): string[] {
  const loaded = files.filter((file) => /\/s?bin\/|\.so(?:\.|$)|\/libexec\/|\/cc1$/.test(file));
  // Fails for the scripts among them, and says so on stderr.
  const { stdout } = spawnSync('ldd', loaded, { encoding: 'utf8', maxBuffer: 1 << 26 });
  return [
    ...new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, file]) => file ?? '')),
  ];
}

function copy(files: readonly string[], folder: string): void {
  const pack = spawnSync('tar', ['-C', '/', '-cf', '-', '--no-recursion', '-T', '-'], {
    input: files.map((file) => file.slice(1)).join('\n'),
    maxBuffer: 1 << 30,
  });
  if (pack.status !== 0) throw new Error(`tar cannot pack: ${pack.stderr}`);
  const unpack = spawnSync('tar', ['-C', folder, '-xf', '-'], { input: pack.stdout });
  if (unpack.status !== 0) throw new Error(`tar cannot unpack: ${unpack.stderr}`);
}

function output(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}
