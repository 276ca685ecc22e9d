/**
 * What a registry asks for in `WWW-Authenticate`. Pure.
 *
 * @see RFC 9110, section 11.6.1; the distribution project's token authentication
 */

export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer';
      /** URL of the server that gives tokens. */
      readonly realm: string;
      readonly service?: string | undefined;
      readonly scope?: string | undefined;
    };

/** Longer headers than this are no registry's. */
const HEADER_SIZE_MAX = 8192;

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const PARAMETER = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*/y;

/** The challenge that is answered: of several, a bearer token wins. `undefined` when none is known. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > HEADER_SIZE_MAX) return undefined;
  const challenges = splitChallenges(header);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  const realm = bearer?.parameters.get('realm');
  if (bearer !== undefined && realm !== undefined) {
    const { parameters } = bearer;
    return {
      scheme: 'bearer',
      realm,
      service: parameters.get('service'),
      scope: parameters.get('scope'),
    };
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined;
}

interface RawChallenge {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
}

function splitChallenges(header: string): RawChallenge[] {
  const challenges: RawChallenge[] = [];
  let at = 0;
  while (at < header.length) {
    const gap = /[\s,]*/y;
    gap.lastIndex = at;
    at += gap.exec(header)?.[0].length ?? 0;
    PARAMETER.lastIndex = at;
    const parameter = PARAMETER.exec(header);
    if (parameter !== null && challenges.length > 0) {
      const [whole, name = '', quoted, bare] = parameter;
      const value = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '';
      challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
      at += whole.length;
      continue;
    }
    TOKEN.lastIndex = at;
    const scheme = TOKEN.exec(header)?.[0];
    if (scheme === undefined) break;
    challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    at += scheme.length;
  }
  return challenges;
}
