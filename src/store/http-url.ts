/** URLs of HTTP servers: what goes to the server, and what may be shown of them. Pure. */
import { G8Error } from '../base/errors.ts';

/** @throws ERR_CONFIG */
export function parseHttpUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new G8Error('ERR_CONFIG', `Not an http or https URL: ${withoutCredentials(url)}`);
  }
  return parsed;
}

/** A path as it is, a URL as it may be shown. */
export function shownSource(source: string): string {
  return /^https?:/i.test(source) ? withoutCredentials(source) : source;
}

/** The text with whatever stands between `//` and `@` removed, and without its query. */
export function withoutCredentials(url: string): string {
  return safeText(url.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, ''));
}

/** Value of the header: a token, else the credentials in the URL. */
export function authorizationOf(url: URL, token: string | undefined): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (url.username === '' && url.password === '') return undefined;
  const user = decodeCredential(url.username);
  if (url.password === '') return `Bearer ${user}`;
  const pair = Buffer.from(`${user}:${decodeCredential(url.password)}`, 'utf8');
  return `Basic ${pair.toString('base64')}`;
}

function decodeCredential(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A bare percent sign is what it is.
  }
}

/** A peer's text made fit for a message: one short line, nothing a terminal would act on. */
export function safeText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
