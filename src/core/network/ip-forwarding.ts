/** The kernel's switch that lets packets pass from one interface to another, for IPv4. */
import { readFile, writeFile } from 'node:fs/promises';
import { toG8Error } from '../../base/errors.ts';

const SWITCH = '/proc/sys/net/ipv4/ip_forward';

/**
 * Switches forwarding on.
 *
 * @returns whether it was off
 * @throws ERR_PERMISSION, ERR_IO
 */
export async function switchForwardingOn(): Promise<boolean> {
  if ((await readFile(SWITCH, 'latin1')).trim() === '1') return false;
  await write('1');
  return true;
}

/** @throws ERR_PERMISSION, ERR_IO */
export async function switchForwardingOff(): Promise<void> {
  await write('0');
}

/**
 * Lets addresses of the loopback network pass an interface, so that `127.0.0.1:<port>` can be forwarded. The
 * switch disappears with the interface.
 */
export async function letLoopbackPass(name: string): Promise<void> {
  await writeFile(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1');
}

async function write(value: string): Promise<void> {
  try {
    await writeFile(SWITCH, value);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${SWITCH} cannot be written`);
  }
}
