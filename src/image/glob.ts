/**
 * Shell patterns over paths: `*` and `?` do not cross a slash, `**` does, `[a-z]` and `[!a-z]` are sets,
 * a backslash takes the next character as it is. Matching takes at most length × length steps, whatever
 * the pattern. Pure; works on text, so names that are not UTF-8 take part in their lossy form.
 */
import { G8Error } from '../base/errors.ts';

const PATTERN_SIZE_MAX = 4096;

type Token =
  | { readonly type: 'star' }
  | { readonly type: 'any' }
  | {
      readonly type: 'set';
      readonly negated: boolean;
      readonly ranges: readonly [string, string][];
    }
  | { readonly type: 'text'; readonly char: string };

type Segment = 'deep' | readonly Token[];

/** Whether a path (relative, slashes between names) is meant. */
export type PathMatcher = (path: string, isDirectory: boolean) => boolean;

/** Compiles a pattern for one name: no slash has a meaning here. */
export function compileName(pattern: string): (name: string) => boolean {
  const tokens = tokenize(checked(pattern));
  return (name) => matchTokens(tokens, [...name]);
}

/**
 * Compiles exclusion patterns. A pattern with a slash that is not its last character is anchored at the
 * top; any other matches a name at every depth. A slash at the end limits it to directories.
 *
 * @throws ERR_USAGE for an empty pattern or one of more than 4096 characters
 */
export function compileExcludes(patterns: readonly string[]): PathMatcher {
  const matchers = patterns.map(compileExclude);
  return (path, isDirectory) => matchers.some((matches) => matches(path, isDirectory));
}

function compileExclude(pattern: string): PathMatcher {
  const directoryOnly = checked(pattern).endsWith('/');
  const body = pattern.replace(/\/+$/, '').replace(/^\.\//, '');
  if (body === '') throw new G8Error('ERR_USAGE', `Pattern '${pattern}' matches nothing`);
  if (!body.includes('/')) {
    const matches = compileName(body);
    return (path, isDirectory) =>
      (isDirectory || !directoryOnly) && matches(path.slice(path.lastIndexOf('/') + 1));
  }
  const segments = body
    .replace(/^\//, '')
    .split('/')
    .map((part): Segment => (part === '**' ? 'deep' : tokenize(part)));
  return (path, isDirectory) =>
    (isDirectory || !directoryOnly) &&
    matchSequence(segments, path.split('/'), (segment) => segment === 'deep', matchSegment);
}

function checked(pattern: string): string {
  if (pattern === '' || pattern.length > PATTERN_SIZE_MAX) {
    throw new G8Error('ERR_USAGE', `A pattern has 1 to ${PATTERN_SIZE_MAX} characters`);
  }
  return pattern;
}

function matchSegment(segment: Segment, name: string): boolean {
  return segment === 'deep' || matchTokens(segment, [...name]);
}

function matchTokens(tokens: readonly Token[], chars: readonly string[]): boolean {
  return matchSequence(tokens, chars, (token) => token.type === 'star', matchChar);
}

function matchChar(token: Token, char: string): boolean {
  switch (token.type) {
    case 'text':
      return token.char === char;
    case 'set':
      return token.negated !== token.ranges.some(([from, to]) => from <= char && char <= to);
    case 'any':
    case 'star':
      return true;
  }
}

// A wildcard that has to give back takes one more and goes on: only the last one ever needs to.
function matchSequence<P, V>(
  pattern: readonly P[],
  values: readonly V[],
  isWildcard: (part: P) => boolean,
  matchesOne: (part: P, value: V) => boolean,
): boolean {
  let at = 0;
  let wildcardAt = -1;
  let takenUpTo = 0;
  for (let i = 0; i < values.length; ) {
    const part = pattern[at];
    if (part !== undefined && isWildcard(part)) {
      wildcardAt = at++;
      takenUpTo = i;
    } else if (part !== undefined && matchesOne(part, values[i] as V)) {
      at++;
      i++;
    } else if (wildcardAt >= 0) {
      at = wildcardAt + 1;
      i = ++takenUpTo;
    } else {
      return false;
    }
  }
  while (at < pattern.length && isWildcard(pattern[at] as P)) at++;
  return at === pattern.length;
}

function tokenize(pattern: string): Token[] {
  const chars = [...pattern];
  const tokens: Token[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === '*') tokens.push({ type: 'star' });
    else if (char === '?') tokens.push({ type: 'any' });
    else if (char === '\\' && i + 1 < chars.length) tokens.push(text(chars[++i] as string));
    else if (char === '[') {
      const set = parseSet(chars, i);
      tokens.push(set === undefined ? text(char) : set.token);
      if (set !== undefined) i = set.end;
    } else tokens.push(text(char));
  }
  return tokens;
}

function text(char: string): Token {
  return { type: 'text', char };
}

/** The set that begins at `start`; `undefined` when it is not closed, then `[` stands for itself. */
function parseSet(
  chars: readonly string[],
  start: number,
): { token: Token; end: number } | undefined {
  let i = start + 1;
  const negated = chars[i] === '!' || chars[i] === '^';
  if (negated) i++;
  const ranges: [string, string][] = [];
  // A closing bracket in first place is a member (glob(7)).
  for (let first = true; i < chars.length && (first || chars[i] !== ']'); first = false, i++) {
    if (chars[i] === '\\' && i + 1 < chars.length) i++;
    const from = chars[i] as string;
    const to = chars[i + 2];
    if (chars[i + 1] === '-' && to !== undefined && to !== ']') {
      ranges.push([from, to]);
      i += 2;
    } else ranges.push([from, from]);
  }
  return i < chars.length ? { token: { type: 'set', negated, ranges }, end: i } : undefined;
}
