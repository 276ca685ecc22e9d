/** Port forwards as the protocol writes them: `[address:]port[|protocols]`. Pure. */
import { isIPv4 } from 'node:net';
import { G8Error } from '../../base/errors.ts';
import { parseCidr } from './addresses.ts';

export type Protocol = 'tcp' | 'udp';

/** Where connections to the host come from and arrive. */
export interface ForwardKey {
  /** 1 to 65535. */
  readonly port: number;
  readonly protocols: readonly Protocol[];
  /** Only from there; `undefined`: from anywhere. */
  readonly source?: ForwardSource;
}

/** An address, a network, or an interface, whose name may end in `*` for all that begin so. */
export type ForwardSource = { readonly network: string } | { readonly interfaces: string };

const INTERFACES = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}\*?$/;

/** @throws ERR_USAGE */
export function parseForwardKey(key: string): ForwardKey {
  const [place = '', words, ...more] = key.split('|');
  const colon = place.lastIndexOf(':');
  const address = place.slice(0, Math.max(colon, 0));
  const port = parsePort(place.slice(colon + 1));
  if (port === undefined || more.length > 0 || colon === 0) throw wrong(key, 'is not valid');
  return {
    port,
    protocols: words === undefined ? ['tcp'] : parseProtocols(key, words),
    ...(address === '' || address === '0.0.0.0' ? {} : { source: parseSource(key, address) }),
  };
}

/** A port of a map's value or of an argument: 1 to 65535. @throws ERR_USAGE */
export function checkPort(port: unknown): number {
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new G8Error('ERR_USAGE', `Port ${JSON.stringify(port)} is not from 1 to 65535`);
}

function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port > 0 && port < 65536 ? port : undefined;
}

function parseProtocols(key: string, words: string): Protocol[] {
  const protocols = words.split('+').map((word): Protocol => {
    if (word !== 'tcp' && word !== 'udp') throw wrong(key, `has the unknown protocol '${word}'`);
    return word;
  });
  return [...new Set(protocols)];
}

function parseSource(key: string, address: string): ForwardSource {
  if (isIPv4(address) || parseCidr(address) !== undefined) return { network: address };
  if (INTERFACES.test(address)) return { interfaces: address };
  throw wrong(key, `has the unknown address '${address}'`);
}

function wrong(key: string, what: string): G8Error {
  return new G8Error('ERR_USAGE', `Port forward '${key}' ${what}`);
}
