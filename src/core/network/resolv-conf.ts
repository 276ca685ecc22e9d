/** Name servers of the host that a container can reach, too. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** The second one lists what systemd-resolved asks, when the first names only itself. */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];
/** More are ignored by the C library. */
const SERVERS_MAX = 3;

/** @returns without loopback addresses; empty when there are none, or no file */
export async function hostNameServers(files: readonly string[] = FILES): Promise<string[]> {
  for (const file of files) {
    const servers = parseNameServers(await readFile(file, 'utf8').catch(() => ''));
    if (servers.length > 0) return servers;
  }
  return [];
}

/** IPv4 servers of a resolv.conf(5) that are not on the loopback interface. */
export function parseNameServers(text: string): string[] {
  const servers: string[] = [];
  for (const line of text.split('\n')) {
    const address = /^nameserver[ \t]+(\S+)/.exec(line)?.[1] ?? '';
    if (isIP(address) === 4 && !address.startsWith('127.') && address !== '0.0.0.0') {
      servers.push(address);
    }
  }
  return servers.slice(0, SERVERS_MAX);
}
