/** Pieces that several pages have. Pure. */
import { formatSize } from '../../base/bytes.ts';
import type { Entry } from '../catalogue/records.ts';
import { type Html, href, html, type Part } from './html.ts';
import { type Icon, icon } from './icons.ts';

/** A time to the minute; a script shows it in the reader's zone. */
export function timeOf(milliseconds: number): Html {
  const iso = new Date(milliseconds).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')}</time>`;
}

/** A size for people, with the bytes for those who count. */
export function sizeOf(bytes: number): Html {
  return html`<data value="${bytes}" title="${bytes.toLocaleString('en')} bytes">${formatSize(bytes)}</data>`;
}

/** `12 345` with thin spaces. */
export function countOf(count: number): string {
  return count.toLocaleString('en').replaceAll(',', '\u202f');
}

/** A digest that can be copied whole and is shown in part. */
export function digestOf(hex: string): Html {
  return html`<span class="digest"><code title="${hex}">${hex}</code>${copyButton(hex, 'Copy the digest')}</span>`;
}

/** Shown by the script only, which it needs. */
export function copyButton(text: string, label: string): Html {
  return html`<button class="copy quiet" type="button" data-copy="${text}" aria-label="${label}" hidden>copy</button>`;
}

export function commandOf(text: string): Html {
  return html`<div class="command"><pre tabindex="0"><code>${text}</code></pre>${copyButton(text, 'Copy the command')}</div>`;
}

/** The way to a page; the last one is the page itself. */
export function crumbs(links: readonly { readonly text: string; readonly to: string }[]): Html {
  const items = links.map(({ text, to }, i) => {
    const isLast = i === links.length - 1;
    return html`<li><a href="${to}"${isLast && html` aria-current="page"`}><bdi>${text}</bdi></a></li>`;
  });
  return html`<nav class="crumbs" aria-label="Path"><ol>${items}</ol></nav>`;
}

/** Terms and what they are; those without a value are left out. */
export function facts(rows: readonly (readonly [string, Part])[]): Html {
  const shown = rows.filter(([, value]) => value !== undefined && value !== false && value !== '');
  return html`<dl class="facts">${shown.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A table of entries; it scrolls on its own where it is wider than the page. */
export function table(
  label: string,
  columns: readonly { readonly name: Part; readonly kind?: string }[],
  rows: readonly (readonly Part[])[],
): Html {
  const kind = (i: number) => columns[i]?.kind && html` class="${columns[i]?.kind}"`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${label}"><table>
<thead><tr>${columns.map(({ name }, i) => html`<th scope="col"${kind(i)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td${kind(i)}>${cell}</td>`)}</tr>\n`)}</tbody>
</table></div>`;
}

/** Heads a column of buttons. */
export const ACTIONS: { readonly name: Html } = { name: html`<span class="out">Change</span>` };

export function badge(text: string, kind = ''): Html {
  return html`<span class="badge ${kind}">${text}</span>`;
}

/** A name with an icon before it. */
export function named(kind: Icon, to: string, text: string): Html {
  return html`<a class="name" href="${to}">${icon(kind)}<bdi>${text}</bdi></a>`;
}

/** The page of a flist. */
export function flistHref(repository: string, file: string): string {
  return href([repository, `${file}.md`]);
}

export function tagHref(repository: string, tag: string): string {
  return href([repository, 'tags', tag]);
}

/** A row of a repository's table: name, where it leads, size, time. */
export function entryRow(repository: string, file: string, entry: Entry): Part[] {
  switch (entry.kind) {
    case 'flist':
      return [
        named('flist', flistHref(repository, file), file),
        '',
        sizeOf(entry.size),
        timeOf(entry.updated),
      ];
    case 'link': {
      const { target, linked } = entry;
      return [
        named('link', flistHref(repository, file), file),
        html`<a class="mono" href="${flistHref(target.repository, target.file)}">${target.repository}/${target.file}</a>`,
        '',
        timeOf(linked),
      ];
    }
    case 'taglink': {
      const { target, linked } = entry;
      const to = tagHref(target.repository, target.tag);
      return [
        named('tag', to, file),
        html`<a class="mono" href="${to}">${target.repository}/tags/${target.tag}</a>`,
        '',
        timeOf(linked),
      ];
    }
  }
}

export const ENTRY_COLUMNS = [
  { name: 'Name', kind: 'main' },
  { name: 'Leads to', kind: 'wide' },
  { name: 'Size', kind: 'number' },
  { name: 'Updated', kind: 'time' },
] as const;
