/** `/{repository}/{file}/tree/…`: folders of an image, and its files. */
import { compareShort } from '../../../base/bytes.ts';
import { escapeName } from '../../../base/name-text.ts';
import { formatMode, formatShortTime } from '../../../format/index/inode-text.ts';
import type { IndexEntry, IndexInode } from '../../../format/index/reader.ts';
import type { Image } from '../../../image/open.ts';
import { resolvePath } from '../../../image/resolve.ts';
import { Problem } from '../../problem.ts';
import { parameter, queryText } from '../../route.ts';
import { type Html, href, html, type Part } from '../html.ts';
import { type Icon, icon } from '../icons.ts';
import type { Page } from '../layout.ts';
import { entryHref, imagePath, pathNames } from '../names.ts';
import { countOf, crumbs, flistHref, named, sizeOf, table } from '../parts.ts';
import { attributes, type Place } from '../place.ts';
import { flistOf, type Visit } from '../visit.ts';
import { fileView } from './file.ts';
import { flistNav } from './flist.ts';

/** Entries of one page. */
const ENTRY_COUNT_MAX = 1000;

export async function treePage(visit: Visit): Promise<Page> {
  const flist = await flistOf(visit);
  const path = imagePath(parameter(visit.request, '*'));
  const names = pathNames(path);
  const { repository, file } = flist.shown;
  return await visit.context.images.with(flist.flist.digest, async ({ image }) => {
    const nid = image.index.resolvePath(path);
    if (nid === undefined) throw new Problem(404, 'There is no such path in this flist');
    const place: Place = { flist, image, inode: image.index.inode(nid), names };
    const body = html`
${crumbs([
  { text: repository, to: href([repository]) },
  { text: file, to: flistHref(repository, file) },
])}
<div class="head"><h1 class="mono"><bdi>${file}</bdi></h1></div>
${flistNav(flist.shown, 'files')}
${pathBar(place)}
${await viewOf(visit, place)}`;
    return { title: `/${names.join('/')} · ${repository}/${file}`, body };
  });
}

async function viewOf(visit: Visit, place: Place): Promise<Html> {
  const { type } = place.inode;
  if (type === 'directory') return folderView(visit, place);
  if (type === 'file') return await fileView(visit, place);
  return type === 'symlink' ? linkView(place) : attributes(place.inode);
}

/** The folders on the way, each a link. */
function pathBar({ flist, names }: Place): Html {
  const links = names.map(
    (name, i) =>
      html`<li><a href="${entryHref(flist.shown, 'tree', names.slice(0, i + 1))}"${i === names.length - 1 && html` aria-current="page"`}><bdi>${name}</bdi></a></li>`,
  );
  const top = entryHref(flist.shown, 'tree', []);
  return html`<nav class="path" aria-label="Folder"><ol><li><a href="${top}" aria-label="Root folder">/</a></li>${links}</ol></nav>`;
}

function folderView(visit: Visit, place: Place): Html {
  const { flist, image, inode, names } = place;
  const after = queryText(visit.request, 'after');
  const { entries, next } = readFolder(image, inode.nid, after);
  const rows = entries.map((entry) => rowOf(place, entry));
  if (names.length > 0 && after === undefined) {
    const up = entryHref(flist.shown, 'tree', names.slice(0, -1));
    rows.unshift([html`<a class="name" href="${up}">${icon('folder')}..</a>`, '', '', '', '']);
  }
  const columns = [
    { name: 'Name', kind: 'main' },
    { name: 'Size', kind: 'number' },
    { name: 'Mode', kind: 'wide mono' },
    { name: 'Owner', kind: 'wide mono' },
    { name: 'Modified', kind: 'time mono' },
  ];
  return html`${
    rows.length === 0
      ? html`<p class="empty">This folder is empty.</p>`
      : table(`Folder /${names.join('/')}`, columns, rows)
  }
<p class="dim">${countOf(entries.length)} ${entries.length === 1 ? 'entry' : 'entries'}${next !== undefined && ', more behind them'}</p>
${next !== undefined && html`<p><a class="more" href="${entryHref(flist.shown, 'tree', names, { after: next })}">Behind <code>${next}</code></a></p>`}`;
}

/** Entries behind a name; folders first when there is no more than one page. */
function readFolder(
  { index }: Image,
  nid: number,
  after: string | undefined,
): { entries: IndexEntry[]; next: string | undefined } {
  const position = after === undefined ? undefined : imagePath(after).subarray(1);
  const entries: IndexEntry[] = [];
  let isCut = false;
  for (const entry of index.readdir(nid)) {
    if (position !== undefined && compareShort(entry.name, position) <= 0) continue;
    isCut = entries.length === ENTRY_COUNT_MAX;
    if (isCut) break;
    entries.push(entry);
  }
  const last = entries.at(-1);
  if (isCut && last !== undefined) return { entries, next: escapeName(last.name) };
  if (after === undefined) {
    const rank = ({ type }: IndexEntry): number => (type === 'directory' ? 0 : 1);
    entries.sort((a, b) => rank(a) - rank(b));
  }
  return { entries, next: undefined };
}

function rowOf({ flist, image, names }: Place, { name, nid, type }: IndexEntry): Part[] {
  const inode = image.index.inode(nid);
  const text = escapeName(name);
  const to = entryHref(flist.shown, 'tree', [...names, text]);
  const target = type === 'symlink' && escapeName(image.index.readlink(nid));
  return [
    html`${named(iconOf(type), to, type === 'directory' ? `${text}/` : text)}${target !== false && html`<span class="target"> → <bdi>${target}</bdi></span>`}`,
    type === 'file' && sizeOf(inode.size),
    formatMode(inode),
    `${inode.uid}:${inode.gid}`,
    formatShortTime(inode),
  ];
}

function iconOf(type: IndexInode['type']): Icon {
  if (type === 'directory') return 'folder';
  if (type === 'file') return 'file';
  return type === 'symlink' ? 'link' : 'special';
}

function linkView({ flist, image, inode, names }: Place): Html {
  const target = image.index.readlink(inode.nid);
  const folder = imagePath(names.slice(0, -1).join('/'));
  const path = target[0] === 0x2f ? target : Buffer.concat([folder, Buffer.from('/'), target]);
  const end = resolvePath(image.index, path, { followLast: true });
  return html`<p class="target">→ <bdi>${escapeName(target)}</bdi></p>
${
  end === undefined
    ? html`<p class="note warn">It leads to nothing in this image.</p>`
    : html`<p><a class="more" href="${entryHref(flist.shown, 'tree', pathNames(end.path))}">Follow to <code>/${pathNames(end.path).join('/')}</code></a></p>`
}
${attributes(inode)}`;
}
