/** Where the flist of a root is, as clients name it: a URL, a path, or a name on the hub. Pure. */
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { G8Error } from '../../base/errors.ts';

/** `user/name`, with or without the ending. */
const HUB_NAME = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/** Whether it can only be a name on a hub: relative paths of flists have the ending. */
export function isHubName(text: string): boolean {
  return HUB_NAME.test(text) && !text.endsWith('.flist');
}

/**
 * What the mount daemon is asked for.
 *
 * @param hubUrl where names are looked for; empty: nowhere
 * @returns an absolute path, or an http(s) URL
 * @throws ERR_USAGE for everything else
 */
export function rootSource(text: string, hubUrl = ''): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  if (isAbsolute(text)) return text;
  if (text.startsWith('file:')) {
    try {
      return fileURLToPath(text);
    } catch (error) {
      throw new G8Error('ERR_USAGE', `'${text}' names no file`, { cause: error });
    }
  }
  if (hubUrl !== '' && HUB_NAME.test(text)) {
    const name = text.endsWith('.flist') ? text : `${text}.flist`;
    return `${hubUrl.replace(/\/+$/, '')}/${name}`;
  }
  if (text.startsWith('restic:')) {
    throw new G8Error('ERR_USAGE', 'Roots from restic snapshots are not supported');
  }
  throw new G8Error(
    'ERR_USAGE',
    `'${text}' is no flist: a path, file, http or https URL is needed`,
  );
}
