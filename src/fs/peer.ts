/**
 * Who may command a daemon: its own user, and root. The folder and the mode of its socket say so already; this holds
 * also when somebody has changed them, or handed a socket on.
 */
import type { Socket } from 'node:net';
import type { SystemBinding } from '../native/addon.ts';

/** @param socket a connection over a Unix socket */
export function mayCommand(
  socket: Socket,
  addon: SystemBinding,
  uid: number = process.getuid?.() ?? 0,
): boolean {
  // Node has no name for it, and has had it since its first versions.
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  if (handle?.fd === undefined || handle.fd < 0) return false;
  const peer = addon.peerUser(handle.fd);
  return peer === 0 || peer === uid;
}
