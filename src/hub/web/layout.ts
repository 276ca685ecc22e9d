/** The frame around every page. Pure. */
import type { Assets } from './assets.ts';
import { type Html, html } from './html.ts';
import { icon } from './icons.ts';
import type { Visit } from './visit.ts';

export interface Page {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
  /** What the search field shows. */
  readonly query?: string;
}

/** The whole document. */
export function frame({ identity, request }: Visit, page: Page, assets: Assets): string {
  const { title, body, query = '' } = page;
  const here = request.url.split('?', 1)[0];
  const link = (to: string, text: string) =>
    html`<a href="${to}"${here === to && html` aria-current="page"`}>${text}</a>`;
  const { user, isAdmin } = identity;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · g8ufs hub</title>
<link rel="stylesheet" href="${assets.style}">
<link rel="icon" type="image/svg+xml" href="${assets.icon}">
<script type="module" src="${assets.script}"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
  <div class="bar-in">
    <a class="mark" href="/">${icon('mark')}<span>g8ufs</span> <span class="mark-hub">hub</span></a>
    <form class="find" role="search" action="/search" method="get">
      <input type="search" name="q" value="${query}" placeholder="Search flists" aria-label="Search flists" maxlength="200" autocomplete="off" spellcheck="false">
      <button class="quiet">Search</button>
    </form>
    <nav aria-label="Hub">
      ${link('/upload', 'Upload')}
      ${user !== undefined && isAdmin && link('/admin', 'Admin')}
      ${user === undefined ? link('/login', 'Log in') : link('/account', user)}
    </nav>
  </div>
</header>
<main id="main" tabindex="-1">
${body}
</main>
<footer class="foot">
  <a href="/api/v1">API</a>
  <span class="dim">Images are verified by digest, chunk by chunk.</span>
</footer>
</body>
</html>
`.text;
}
