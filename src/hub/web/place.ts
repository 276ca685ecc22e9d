/** An entry of an image, as the pages about it have it. */
import { formatMode, formatShortTime } from '../../format/index/inode-text.ts';
import type { IndexInode } from '../../format/index/reader.ts';
import type { Image } from '../../image/open.ts';
import { type Html, html, type Part } from './html.ts';
import { countOf, facts } from './parts.ts';
import type { ShownFlist } from './visit.ts';

/** An entry of an image that a page is about. */
export interface Place {
  readonly flist: ShownFlist;
  readonly image: Image;
  readonly inode: IndexInode;
  readonly names: readonly string[];
}

/** What `ls -l` says. */
export function attributes(inode: IndexInode, ...more: (readonly [string, Part])[]): Html {
  const { uid, gid, nlink, rdevMajor, rdevMinor, type } = inode;
  const isDevice = type === 'character-device' || type === 'block-device';
  return facts([
    ['Mode', html`<code>${formatMode(inode)}</code>`],
    ['Owner', html`<code>${uid}:${gid}</code>`],
    ['Modified', html`<code>${formatShortTime(inode)}</code>`],
    ['Names', nlink > 1 && type !== 'directory' && countOf(nlink)],
    ['Device', isDevice && html`<code>${rdevMajor}, ${rdevMinor}</code>`],
    ...more,
  ]);
}
