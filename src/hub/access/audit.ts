/** The audit log: who changed what, from where. Lines are written with the change itself, or not at all. */
import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Catalogue, Transaction } from '../catalogue/catalogue.ts';
import { AUDIT, type AuditLine } from '../catalogue/records.ts';
import type { Identity } from './identity.ts';

// Keys are sorted, and the newest line is wanted first: time counts down from here.
const TIME_MAX = 9_999_999_999_999;

/** Whoever asks, for the log. */
export interface Actor {
  readonly identity: Identity;
  readonly address: string;
}

export function actorOf(request: FastifyRequest, identity: Identity): Actor {
  return { identity, address: request.ip };
}

/** @param action verb and thing, such as `flist.publish` */
export function writeAudit(
  transaction: Transaction,
  { identity, address }: Actor,
  action: string,
  target: string,
): void {
  const time = Date.now();
  const key = String(TIME_MAX - time).padStart(13, '0') + randomBytes(4).toString('hex');
  transaction.put(AUDIT, [key], {
    time,
    address,
    action,
    target,
    ...(identity.user !== undefined && { user: identity.user }),
    ...(identity.token !== undefined && { token: identity.token }),
  });
}

/** Lines, the newest first, and where to go on. */
export async function listAudit(
  catalogue: Catalogue,
  after: string | undefined,
  countMax: number,
): Promise<{ lines: AuditLine[]; next: string | undefined }> {
  const lines: AuditLine[] = [];
  let last: string | undefined;
  const options = { after: after === undefined ? undefined : [after], limit: countMax + 1 };
  for await (const { parts, value } of catalogue.list(AUDIT, [], options)) {
    if (lines.length === countMax) return { lines, next: last };
    lines.push(value);
    last = parts[0];
  }
  return { lines, next: undefined };
}
