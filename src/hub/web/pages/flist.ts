/** `/{repository}/{name}.flist.md`: a flist, how to use it, and what is known of it. */

import { toHex } from '../../../base/bytes.ts';
import { isG8Error } from '../../../base/errors.ts';
import type { Metadata } from '../../../format/flist/metadata.ts';
import { maskSetting } from '../../../format/flist/settings.ts';
import { parseSignatures } from '../../../format/signature.ts';
import type { ImageSummary } from '../../../image/summary.ts';
import { baseUrl } from '../../base-url.ts';
import { TAG } from '../../catalogue/records.ts';
import { findText } from '../../catalogue/texts.ts';
import { Problem, problemOf } from '../../problem.ts';
import { type Html, href, html, type Part } from '../html.ts';
import type { Page } from '../layout.ts';
import { renderMarkdown } from '../markdown.ts';
import { entryHref } from '../names.ts';
import {
  badge,
  commandOf,
  countOf,
  crumbs,
  digestOf,
  facts,
  flistHref,
  named,
  sizeOf,
  tagHref,
  timeOf,
} from '../parts.ts';
import { flistOf, may, type ShownFlist, type Visit } from '../visit.ts';

const TAG_COUNT_MAX = 50;
const SETTING_LENGTH_MAX = 2000;

interface Inside {
  readonly summary: ImageSummary;
  readonly rootDigest: string;
  readonly metadata: Metadata;
  readonly generation: string;
}

export async function flistPage(visit: Visit): Promise<Page> {
  const flist = await flistOf(visit);
  const { repository, file } = flist.shown;
  const inside = await lookInside(visit, flist);
  const [signatures, tags, mayPublish] = await Promise.all([
    signaturesOf(visit, flist),
    tagsOf(visit, flist),
    may(visit, repository, 'publish'),
  ]);
  const url = `${baseUrl(visit.context, visit.request)}${href([repository, file])}`;
  const known = inside instanceof Problem ? undefined : inside;
  const readme = known && readmeOf(known.metadata);
  const body = html`
${crumbs([
  { text: repository, to: href([repository]) },
  { text: file, to: flistHref(repository, file) },
])}
<div class="head">
  <h1 class="mono"><bdi>${file}</bdi></h1>
  ${signatures.length > 0 && badge('signed', 'good')}
  ${flist.entry.kind === 'link' && badge('link')}
  ${tags.map((tag) => html`<a class="badge" href="${tagHref(repository, tag)}">${tag}</a>`)}
</div>
${flistNav(flist.shown, 'overview')}
${inside instanceof Problem && html`<div class="note warn" role="status">What is inside cannot be shown: ${inside.message}.</div>`}
<div class="columns">
<div>
  <section aria-labelledby="mount">
    <h2 id="mount">Mount</h2>
    ${commandOf(`g8ufs mount ${url} /mnt/${file.replace(/\.flist$/, '')}`)}
    <details><summary>Other ways</summary>
      ${commandOf(`curl -O ${url}`)}
    ${commandOf(`g8ufs flist info ${url}`)}
      ${commandOf(`g8ufs flist ls ${url}`)}
      ${signatures.length > 0 && commandOf(`g8ufs mount ${url} /mnt --require-signature KEY.pub`)}
    </details>
  </section>
  ${readme !== undefined && html`<section aria-labelledby="readme"><h2 id="readme">Readme</h2><div class="prose">${renderMarkdown(readme)}</div></section>`}
  ${known && settingsOf(known.metadata)}
</div>
<aside aria-label="Facts">
  ${known && volume(known.summary)}
  ${known && contents(known.summary)}
  ${facts([
    ['Package', sizeOf(flist.flist.size)],
    ['Updated', timeOf(flist.flist.updated)],
    ['By', flist.flist.uploader],
    [
      'Links to',
      flist.entry.kind === 'link' &&
        named('link', flistHref(flist.repository, flist.file), `${flist.repository}/${flist.file}`),
    ],
    ['Format', known && GENERATIONS[known.generation]],
    ['Tree', known && digestOf(known.rootDigest)],
    ['BLAKE2b-256', digestOf(flist.flist.digest)],
    ['MD5', digestOf(flist.flist.md5)],
  ])}
  ${signatures.length > 0 && signed(signatures, known?.rootDigest)}
  ${mayPublish && remove(flist.shown)}
</aside>
</div>`;
  return { title: `${repository}/${file}`, body };
}

/** What all pages of a flist have below its name. */
export function flistNav(
  { repository, file }: ShownFlist['shown'],
  here: 'overview' | 'files' | 'compare',
): Html {
  const item = (name: typeof here, text: string, to: string) =>
    html`<a href="${to}"${name === here && html` aria-current="page"`}>${text}</a>`;
  return html`<nav class="tabs" aria-label="Flist">
  ${item('overview', 'Overview', flistHref(repository, file))}
  ${item('files', 'Files', entryHref({ repository, file }, 'tree', []))}
  ${item('compare', 'Compare', href(['diff'], { b: `${repository}/${file}` }))}
  <a class="end" href="${href([repository, file])}" download>Download</a>
</nav>`;
}

/** A flist can be broken, or of a kind that this hub cannot read: its page says so, and what else is known. */
async function lookInside({ context, request }: Visit, { flist }: ShownFlist) {
  try {
    return await context.images.with(flist.digest, async (published): Promise<Inside> => {
      const { metadata, generation } = published.image;
      const [summary, rootDigest] = await Promise.all([
        published.summary(),
        published.rootDigest(),
      ]);
      return { summary, rootDigest, metadata, generation };
    });
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.warn({ err: error }, 'a flist cannot be shown');
    return problem;
  }
}

async function signaturesOf({ context }: Visit, { repository, file }: ShownFlist) {
  const text = await findText(context.catalogue, 'sig', repository, file);
  if (text === undefined) return [];
  try {
    return parseSignatures(text);
  } catch (error) {
    if (isG8Error(error)) return [];
    throw error;
  }
}

async function tagsOf({ context }: Visit, { shown }: ShownFlist): Promise<string[]> {
  const tags: string[] = [];
  for await (const { parts, value } of context.catalogue.list(TAG, [shown.repository])) {
    const { repository, file } = value.target;
    if (repository !== shown.repository || file !== shown.file) continue;
    tags.push(parts[1] as string);
    if (tags.length === TAG_COUNT_MAX) break;
  }
  return [...new Set(tags)];
}

/** Markdown: the setting is an object with it, in older flists a text, as JSON or not. */
function readmeOf(metadata: Metadata): string | undefined {
  const text = metadata.get('readme');
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof value === 'string') return value;
  const { readme } = (value ?? {}) as { readme?: unknown };
  return typeof readme === 'string' ? readme : undefined;
}

/** From the size of the files to what is stored of them: what deduplication and compression save. */
function volume({ bytes, contentBytes, storedBytes, holeBytes }: ImageSummary): Html {
  const all = Math.max(bytes, 1);
  const bar = (name: string, value: number, kind: string) => {
    // What is there is seen, however little it is.
    const width = Math.min(100, Math.max(value > 0 ? 0.7 : 0, (100 * value) / all)).toFixed(2);
    return html`<div class="bar-row"><span>${name}</span>${sizeOf(value)}
      <svg class="meter ${kind}" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="4"/><rect class="part" width="${width}" height="4"/></svg></div>`;
  };
  const ratio = storedBytes === 0 ? undefined : bytes / storedBytes;
  return html`<section class="volume" aria-label="Size and deduplication">
  ${bar('Files', bytes, 'all')}
  ${bar('Different contents', contentBytes, 'unique')}
  ${bar('Stored chunks', storedBytes, 'stored')}
  ${ratio !== undefined && html`<p class="ratio"><b>${ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0)}×</b> smaller than the files by deduplication and compression${holeBytes > 0 && ', holes included'}</p>`}
</section>`;
}

function contents(summary: ImageSummary): Html {
  const { files, directories, symlinks, specials, hardLinks, chunks, lostChunks } = summary;
  const some = (count: number): Part => count > 0 && countOf(count);
  return facts([
    ['Files', countOf(files)],
    ['Folders', countOf(directories)],
    ['Links', some(symlinks)],
    ['Devices and sockets', some(specials)],
    ['Hard links', some(hardLinks)],
    ['Chunks', countOf(chunks)],
    ['Lost chunks', lostChunks > 0 && html`<b class="bad">${countOf(lostChunks)}</b>`],
  ]);
}

function signed(
  signatures: ReturnType<typeof parseSignatures>,
  rootDigest: string | undefined,
): Html {
  const rows = signatures.map(({ keyId, rootDigest: of }) => {
    const fits = rootDigest === undefined ? undefined : toHex(of) === rootDigest;
    return html`<li><code>${keyId}</code> ${fits === true && badge('this tree', 'good')}${fits === false && badge('another tree', 'warn')}</li>`;
  });
  return html`<section aria-labelledby="signatures"><h2 id="signatures">Signatures</h2>
<ul class="list">${rows}</ul>
<p class="dim">By key id. Whether a key is to be trusted is for whoever mounts: <code>--require-signature</code>.</p></section>`;
}

const GENERATIONS: Readonly<Record<string, string>> = {
  ours: 'with mount index',
  g1: 'RocksDB, first generation',
  sqlite: 'sqlite',
};

/** Settings but for the readme, which is shown as a text. */
function settingsOf(metadata: Metadata): Html | undefined {
  const rows = [...metadata].filter(([key]) => key !== 'readme');
  if (rows.length === 0) return undefined;
  return html`<section aria-labelledby="settings"><h2 id="settings">Settings</h2>
${facts(rows.map(([key, value]) => [key, html`<code>${shownSetting(key, value)}</code>`]))}</section>`;
}

function shownSetting(key: string, value: string): string {
  const text = maskSetting(key, value);
  return text.length > SETTING_LENGTH_MAX ? `${text.slice(0, SETTING_LENGTH_MAX)}…` : text;
}

function remove({ repository, file }: ShownFlist['shown']): Html {
  return html`<details class="danger"><summary>Delete</summary>
<form method="post" action="${href([repository, file, 'delete'])}">
  <p>Mounts that run go on; new ones find nothing under this name.</p>
  <button class="danger-button">Delete ${file}</button>
</form></details>`;
}
