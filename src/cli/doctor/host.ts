/** What the kernel, the programs and the limits of this machine allow. Reads only. */
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { findProgram } from '../../base/find-program.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** First of what each thing needs; docs/operations.md. */
const KERNEL_MIN = [5, 4] as const;
const KERNEL_PASSTHROUGH = [6, 9] as const;
const KERNEL_TIER = [6, 12] as const;
const NODE_MIN = [20, 19] as const;
/** Eight descriptors for each mount, and one for each file that is open. */
const NOFILE_MIN = 4096;
/** A request that waits for a hub is answered within the deadline of its mount; the kernel must not be sooner. */
const FUSE_TIMEOUT_S_MIN = 60;
const YEAR_MIN = 2024;

export function kernelFindings(release: string): Finding[] {
  const version = numbersOf(release);
  if (isBefore(version, KERNEL_MIN)) {
    return [fail('kernel', `Linux ${release}`, `use Linux ${KERNEL_MIN.join('.')} or newer`)];
  }
  if (isBefore(version, KERNEL_PASSTHROUGH)) {
    const hint = `with Linux ${KERNEL_PASSTHROUGH.join('.')} the kernel reads cached files itself and mounts outlive their daemon, with ${KERNEL_TIER.join('.')} it shows whole images`;
    return [warn('kernel', `Linux ${release}`, hint)];
  }
  if (isBefore(version, KERNEL_TIER)) {
    const hint = `Linux ${KERNEL_TIER.join('.')} has what --tier kernel needs`;
    return [warn('kernel', `Linux ${release}`, hint)];
  }
  return [ok('kernel', `Linux ${release}`)];
}

export function nodeFindings(version: string): Finding[] {
  return isBefore(numbersOf(version), NODE_MIN)
    ? [fail('node', `Node.js ${version}`, `install Node.js ${NODE_MIN.join('.')} or newer`)]
    : [ok('node', `Node.js ${version}`)];
}

/** @param uid of whoever mounts */
export async function fuseFindings(
  uid: number,
  path: string,
  device = '/dev/fuse',
): Promise<Finding[]> {
  const found: Finding[] = [];
  try {
    await access(device, constants.R_OK | constants.W_OK);
    found.push(ok('fuse', `${device} can be opened`));
  } catch (error) {
    const hint =
      (error as { code?: string }).code === 'ENOENT'
        ? 'modprobe fuse; in a container: pass the device (--device /dev/fuse)'
        : `give this user read and write access to ${device}`;
    found.push(fail('fuse', `${device} cannot be opened`, hint));
  }
  if (uid === 0) return found;
  const helper = await findProgram('fusermount3', programFolders(path));
  if (helper === undefined) {
    found.push(
      fail('fusermount3', 'not found', 'install fuse3: users who are not root mount by it'),
    );
  } else {
    const { mode, uid: owner } = await stat(helper);
    const isPrivileged = (mode & 0o4000) !== 0 && owner === 0;
    found.push(
      isPrivileged
        ? ok('fusermount3', helper)
        : warn('fusermount3', `${helper} is not setuid root`, `chown root ${helper}; chmod u+s it`),
    );
  }
  return found;
}

/** What a daemon of root needs besides: overlayfs for `--rw`, and a program that takes powers from it. */
export async function rootFindings(
  [program]: readonly [program: string, args: readonly string[]],
  fileSystems = '/proc/filesystems',
): Promise<Finding[]> {
  const hasOverlay = /\toverlay$/m.test(await readFile(fileSystems, 'latin1'));
  return [
    hasOverlay
      ? ok('overlayfs', 'writable mounts are possible: mount --rw')
      : warn('overlayfs', 'not there', 'modprobe overlay: mount --rw and containers need it'),
    program === process.execPath
      ? warn(
          'capabilities',
          'the daemon keeps all that root may do',
          'install util-linux (setpriv); in a container: CAP_SETPCAP',
        )
      : ok('capabilities', 'the daemon gives away what it does not need'),
  ];
}

/** Of `/proc/self/limits` and `/proc/sys/fs/fuse`. */
export async function limitFindings(
  limits = '/proc/self/limits',
  fuse = '/proc/sys/fs/fuse',
): Promise<Finding[]> {
  const found: Finding[] = [];
  const text = await readFile(limits, 'latin1');
  const [, soft = '', hard = ''] =
    /^Max open files +(\d+|unlimited) +(\d+|unlimited)/m.exec(text) ?? [];
  const number = (value: string) =>
    value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
  const shown = `${hard} open files at most`;
  found.push(
    number(hard) < NOFILE_MIN
      ? warn('nofile', shown, `ulimit -Hn 65536, or LimitNOFILE= of the service`)
      : ok('nofile', soft === hard ? shown : `${shown}, ${soft} to begin with`),
  );
  for (const name of ['max_request_timeout', 'default_request_timeout']) {
    const value = Number(await readFile(join(fuse, name), 'latin1').catch(() => '0'));
    if (value > 0 && value < FUSE_TIMEOUT_S_MIN) {
      const hint = `sysctl fs.fuse.${name}=0, or above the deadline of mounts: else the kernel ends them`;
      found.push(warn('fuse timeout', `fs.fuse.${name} is ${value} s`, hint));
    } else if (value > 0) found.push(ok('fuse timeout', `fs.fuse.${name} is ${value} s`));
  }
  return found;
}

export function clockFindings(now: Date): Finding[] {
  return now.getUTCFullYear() < YEAR_MIN
    ? [
        warn(
          'clock',
          `It is ${now.toISOString().slice(0, 10)} here`,
          'set the clock: certificates and logins are refused by a wrong one',
        ),
      ]
    : [ok('clock', now.toISOString())];
}

/** Folders of `PATH`, and those of an administrator. */
export function programFolders(path: string): string[] {
  return [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin'];
}

/** `6.12.3-amd64`: 6 and 12. */
function numbersOf(version: string): [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}

function isBefore(
  [major, minor]: readonly [number, number],
  [a, b]: readonly [number, number],
): boolean {
  return major < a || (major === a && minor < b);
}
