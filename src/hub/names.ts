/** Names of repositories and flists: they become file names and URL segments, so little is allowed. Pure. */

/** First segments of the hub's own paths, now or historically: no repository may hide behind them. */
const RESERVED: ReadonlySet<string> = new Set([
  'account',
  'admin',
  'api',
  'callback_threebot',
  'callback_token',
  'chunks',
  'diff',
  'docker-convert',
  'flists',
  'health',
  'listen',
  'login',
  'login-iyo',
  'login-method',
  'logout',
  'me',
  'merge',
  'metrics',
  'readonly',
  'ready',
  'search',
  'static',
  'tags',
  'token',
  'upload',
  'upload-flist',
  'website',
]);

/** The user who is there from the first start on. */
export const FIRST_ADMIN = 'admin';

// NAME_MAX of Linux is 255 bytes; the extension and a temporary suffix fit behind this.
export const NAME_SIZE_MAX = 200;
// No slash, NUL, control character, leading dot or dash, nothing a shell or a log would act on.
export const NAME_PATTERN: RegExp = /^[A-Za-z0-9_][A-Za-z0-9._+@:=~-]*$/;
const EXTENSION = '.flist';

export function isRepositoryName(name: string): boolean {
  return isName(name) && !isReservedName(name);
}

/** Whether paths of the hub itself begin with that. */
export function isReservedName(name: string): boolean {
  return RESERVED.has(name.toLowerCase());
}

/** Users have repositories of their names, but for the first administrator. */
export function isUserName(name: string): boolean {
  return isRepositoryName(name) || name === FIRST_ADMIN;
}

/** The name without its extension, which a client may give or leave out; `undefined` if it is none. */
export function parseFlistName(text: string): string | undefined {
  const name = text.endsWith(EXTENSION) ? text.slice(0, -EXTENSION.length) : text;
  return isName(name) && !name.endsWith(EXTENSION) ? name : undefined;
}

/** Tags and links to tags: as flists, without an extension. */
export function isTagName(text: string): boolean {
  return isName(text) && !text.endsWith(EXTENSION);
}

export function flistFile(name: string): string {
  return `${name}${EXTENSION}`;
}

function isName(name: string): boolean {
  return name.length <= NAME_SIZE_MAX && NAME_PATTERN.test(name) && !name.includes('..');
}
