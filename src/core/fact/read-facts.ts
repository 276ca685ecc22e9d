/** Reads facts of a place through its guest program. All throw what `Guest.request` throws. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CommandError } from '../command/error.ts';
import { lookAt, readTexts } from '../guest/files.ts';
import type { Guest } from '../guest/guest.ts';
import type { Place } from '../job/place.ts';
import { type CpuFacts, parseCpuinfo } from './cpus.ts';
import { type DiskFacts, parseDisks } from './disks.ts';
import { type MemoryFacts, parseMeminfo } from './memory.ts';
import { type NicFacts, parseNics } from './nics.ts';
import { PORT_NETWORKS, type PortFacts, parsePorts } from './ports.ts';
import { type ProcessFacts, processFacts } from './processes.ts';
import { SYSTEM_FILES, type SystemFacts, systemFacts } from './system.ts';

const IP_TIMEOUT_MS = 10_000;
const IP_OUTPUT_MAX = 16 * 1024 * 1024;

export async function readCpus(guest: Guest): Promise<CpuFacts[]> {
  return parseCpuinfo(await readText(guest, '/proc/cpuinfo'));
}

export async function readMemory(guest: Guest): Promise<MemoryFacts> {
  return parseMeminfo(await readText(guest, '/proc/meminfo'));
}

export async function readDisks(guest: Guest): Promise<DiskFacts[]> {
  const [mounts = '', types = ''] = await readTexts(guest, [
    '/proc/self/mounts',
    '/proc/filesystems',
  ]);
  return parseDisks(mounts, types);
}

export async function readSystem(guest: Guest): Promise<SystemFacts> {
  const names = Object.keys(SYSTEM_FILES) as (keyof typeof SYSTEM_FILES)[];
  const texts = await readTexts(
    guest,
    names.map((name) => SYSTEM_FILES[name]),
  );
  const files = Object.fromEntries(names.map((name, index) => [name, texts[index]]));
  return systemFacts(files, (await readPids(guest)).length);
}

export async function readPorts(guest: Guest): Promise<PortFacts[]> {
  const tables = await readTexts(
    guest,
    PORT_NETWORKS.map((network) => `/proc/self/net/${network}`),
  );
  return parsePorts(tables, await readSocketOwners(guest));
}

export async function readNics(guest: Guest, place: Place): Promise<NicFacts[]> {
  const [program = '', ...args] = [...place.networkPrefix, 'ip', '-json', 'address'];
  const options = { timeout: IP_TIMEOUT_MS, maxBuffer: IP_OUTPUT_MAX };
  const { stdout } = await promisify(execFile)(program, args, options);
  const names = parseNics(stdout, new Map()).map(({ name }) => name);
  const speeds = await readTexts(
    guest,
    names.map((name) => `/sys/class/net/${name}/speed`),
  );
  // -1: it has none.
  const known = names.map(
    (name, index) => [name, Math.max(0, Number(speeds[index] ?? 0) || 0)] as const,
  );
  return parseNics(stdout, new Map(known));
}

/** @param pid one process, which may not exist; `undefined`: all */
export async function readProcesses(guest: Guest, pid?: number): Promise<ProcessFacts[]> {
  const pids = pid === undefined ? await readPids(guest) : [String(pid)];
  const perProcess = ['stat', 'status', 'cmdline', 'limits'];
  const [stat = '', ...texts] = await readTexts(guest, [
    '/proc/stat',
    ...pids.flatMap((each) => perProcess.map((name) => `/proc/${each}/${name}`)),
  ]);
  const bootTime = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0);
  const openFiles = await lookAt(
    guest,
    pids.map((each) => ({ kind: 'names', path: `/proc/${each}/fd` })),
  );
  return pids.flatMap((_, index) => {
    const [own, status, cmdline, limits] = texts.slice(index * 4, index * 4 + 4);
    // It has ended meanwhile.
    if (own === undefined || status === undefined || cmdline === undefined) return [];
    const count = namesOf(openFiles[index]).length;
    const files = { stat: own, status, cmdline, limits: limits ?? '', openFiles: count };
    return [processFacts(files, bootTime)];
  });
}

async function readPids(guest: Guest): Promise<string[]> {
  const [names] = await lookAt(guest, [{ kind: 'names', path: '/proc' }]);
  return namesOf(names).filter((name) => /^\d+$/.test(name));
}

/** Process ids by the inodes of their sockets. */
async function readSocketOwners(guest: Guest): Promise<Map<string, number>> {
  const pids = await readPids(guest);
  const folders = await lookAt(
    guest,
    pids.map((pid) => ({ kind: 'names', path: `/proc/${pid}/fd` })),
  );
  const files = pids.flatMap((pid, index) =>
    namesOf(folders[index]).map((fd) => ({ pid, path: `/proc/${pid}/fd/${fd}` })),
  );
  const links = await lookAt(
    guest,
    files.map(({ path }) => ({ kind: 'link', path })),
  );
  const owners = new Map<string, number>();
  for (const [index, link] of links.entries()) {
    const inode = /^socket:\[(\d+)\]$/.exec(link?.toString('latin1') ?? '')?.[1];
    if (inode !== undefined) owners.set(inode, Number(files[index]?.pid));
  }
  return owners;
}

async function readText(guest: Guest, path: string): Promise<string> {
  const [text] = await readTexts(guest, [path]);
  if (text === undefined) throw new CommandError(500, `${path} cannot be read`);
  return text;
}

function namesOf(found: Buffer | undefined): string[] {
  return (found?.toString('utf8') ?? '').split('\0').filter((name) => name !== '');
}
