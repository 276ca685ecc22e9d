/** Readmes of flists, written by whoever published them. Pure. */
import MarkdownIt from 'markdown-it';
import { escapeHtml } from '../html.ts';
import { Html } from './html.ts';

/** Longer ones are cut: nobody reads them here, and rendering takes the thread that serves. */
const SIZE_MAX = 128 * 1024;

// No HTML of the readme's own; the renderer lets through no link but http, https, mailto and relative ones.
const renderer = new MarkdownIt({ html: false, linkify: true, maxNesting: 20 });

renderer.renderer.rules['image'] = (tokens, index) => {
  // What lies elsewhere is not fetched for a reader who did not ask for it.
  const { content, attrs } = tokens[index] as { content: string; attrs: [string, string][] | null };
  const source = attrs?.find(([name]) => name === 'src')?.[1] ?? '';
  const text = escapeHtml(content === '' ? source : content);
  return `<a href="${escapeHtml(source)}" rel="nofollow noopener noreferrer">${text}</a>`;
};
renderer.renderer.rules['link_open'] = (tokens, index, options, _environment, self) => {
  tokens[index]?.attrSet('rel', 'nofollow noopener noreferrer');
  return self.renderToken(tokens, index, options);
};
// The page has its own first heading.
for (const rule of ['heading_open', 'heading_close'] as const) {
  renderer.renderer.rules[rule] = (tokens, index, options, _environment, self) => {
    const token = tokens[index] as { tag: string };
    token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}`;
    return self.renderToken(tokens, index, options);
  };
}

export function renderMarkdown(text: string): Html {
  const cut = text.length > SIZE_MAX ? `${text.slice(0, SIZE_MAX)}\n\n…` : text;
  return Html.trusted(renderer.render(cut));
}
