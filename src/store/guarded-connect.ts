/** Connections to addresses that are allowed only, whatever name they go by and whatever that name means next time. */
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { G8Error } from '../base/errors.ts';
import { lookUpName } from './name-lookup.ts';

/** Whether an address, IPv4 or IPv6, may be connected to. */
export type MayConnect = (address: string) => boolean;

/** @throws ERR_PERMISSION for a host that is an address which is not allowed: such is never looked up */
export function assertAddress(host: string, mayConnect: MayConnect): void {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 && !mayConnect(bare)) throw refused(host);
}

/** A `lookup` for sockets that gives those addresses of a name which are allowed: what is checked is what is used. */
export function guardedLookup(mayConnect: MayConnect): LookupFunction {
  return (host, options, done) => {
    lookUpName(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '');
      const found = addresses as unknown as LookupAddress[];
      const allowed = found.filter(({ address }) => mayConnect(address));
      const [first] = allowed;
      if (first === undefined) return done(refused(host) as unknown as NodeJS.ErrnoException, '');
      if (options.all === true) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}

function refused(host: string): G8Error {
  return new G8Error('ERR_PERMISSION', `Host ${host} is at an address that is not allowed`);
}
