/** The hub's pages over real HTTP: what is escaped, what browsers are told, who may send which form. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  BYTES_NAME,
  DIRECTION_NAME,
  LARGE_FILE,
  MARKUP_NAME,
  PASSWORD,
  startWebWorld,
  type WebWorld,
} from '../../support/web-world.ts';

let world: WebWorld;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-web-'));
  world = await startWebWorld(folder);
});
after(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Headers = Record<string, string>;

async function page(path: string, headers: Headers = {}) {
  const response = await fetch(world.url + path, { headers, redirect: 'manual' });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function post(path: string, fields: Headers, headers: Headers = { origin: world.url }) {
  return await fetch(world.url + path, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers,
    redirect: 'manual',
  });
}

const sessions = new Map<string, string>();

/** Logs in, once each: passwords take time. @returns the `Cookie` header of the session */
async function logIn(user: string, secret: string): Promise<string> {
  const known = sessions.get(`${user}:${secret}`);
  if (known !== undefined) return known;
  const response = await post('/login', { user, secret });
  assert.equal(response.status, 303, await response.text());
  const cookie = response.headers.get('set-cookie') ?? '';
  assert.match(cookie, /^g8ufs_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict$/);
  const session = cookie.split(';', 1)[0] as string;
  sessions.set(`${user}:${secret}`, session);
  return session;
}

const PATHS = [
  '/',
  '/search?q=app',
  '/demo',
  '/demo/tags/v1',
  '/demo/app-1.flist.md',
  '/demo/app-1.md',
  '/demo/latest.flist.md',
  '/demo/app-1.flist/tree',
  '/demo/app-1.flist/tree/odd',
  '/demo/app-1.flist/tree/etc/motd',
  '/demo/app-1.flist/tree/etc/empty',
  '/demo/app-1.flist/tree/usr/bin/tool',
  '/demo/app-1.flist/tree/usr/share/logo.png',
  '/demo/app-1.flist/tree/usr/tool',
  '/demo/app-1.flist/tree/usr/dangling',
  '/diff?a=demo/app-1&b=demo/app-2',
  '/login',
];

for (const path of PATHS) {
  test(`${path} is a page that nothing can be put into`, async () => {
    const { status, headers, text } = await page(path);
    assert.equal(status, 200, text);
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(
      headers.get('content-security-policy') ?? '',
      /^default-src 'none'; script-src 'self'; /,
    );
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('cache-control'), 'private, no-cache');
    assert.equal(headers.get('access-control-allow-origin'), null);
    const scripts = text.match(/<script[^>]*>/g) ?? [];
    assert.deepEqual(
      scripts.map((tag) => /src="\/static\/script\.[0-9a-f]+\.js"/.test(tag)),
      [true],
    );
    assert.doesNotMatch(text, /<[^>]+\son\w+=|<style|\sstyle="|javascript:[^<]*"/i);
    assert.doesNotMatch(
      text,
      /<img(?! src="\/demo\/app-1\.flist\/raw\/usr\/share\/logo\.png\?view")/,
    );
  });
}

test('names and readmes of images are text', async () => {
  const odd = (await page('/demo/app-1.flist/tree/odd')).text;
  assert(odd.includes('<bdi>&quot;&gt;&lt;img src=x onerror=alert(1)&gt;.txt</bdi>'));
  assert(odd.includes('<bdi>doc\\xe2\\x80\\xaetxt.exe</bdi>'));
  assert(odd.includes('<bdi>latin\\xff</bdi>'));
  const { text } = await page('/demo/app-1.flist.md');
  assert(text.includes('<h3>A small image</h3>'));
  assert(text.includes('&lt;script&gt;alert'));
  assert(
    text.includes('<a href="https://example.org/" rel="nofollow noopener noreferrer">site</a>'),
  );
  assert(text.includes('<a href="https://example.org/badge.png"'));
  assert(!text.includes('hidden-word'));
  const search = (await page(`/search?q=${encodeURIComponent('<b>"x')}`)).text;
  assert(search.includes('<q>&lt;b&gt;&quot;x</q>'));
  assert(search.includes('value="&lt;b&gt;&quot;x"'));
});

for (const [what, name, shown] of [
  ['markup', MARKUP_NAME, MARKUP_NAME],
  ['a direction mark', DIRECTION_NAME, 'doc\\xe2\\x80\\xaetxt.exe'],
  ['signs of URLs', 'a & b #?%41.txt', 'a & b #?%41.txt'],
  ['bytes that are no text', BYTES_NAME.toString('latin1'), 'latin\\xff'],
] as const) {
  test(`a file whose name has ${what} is found by the link to it`, async () => {
    const path = `odd/${encodeURIComponent(shown)}`;
    assert(
      (await page('/demo/app-1.flist/tree/odd')).text.includes(
        `/demo/app-1.flist/tree/${path}`.replaceAll("'", '&#39;'),
      ),
      name,
    );
    assert.equal((await page(`/demo/app-1.flist/tree/${path}`)).status, 200);
    const raw = await page(`/demo/app-1.flist/raw/${path}`);
    assert.equal(raw.status, 200);
    const disposition = raw.headers.get('content-disposition') ?? '';
    assert.match(
      disposition,
      /^attachment; filename="[A-Za-z0-9._+@ ~-]+"; filename\*=UTF-8''[A-Za-z0-9%._~!-]+$/,
    );
  });
}

test('files come from the chunks, whole and in ranges, and never as documents', async () => {
  const url = `${world.url}/demo/app-1.flist/raw/usr/share/large.txt`;
  const whole = await fetch(url);
  assert.equal(whole.headers.get('content-length'), String(LARGE_FILE.length));
  assert(LARGE_FILE.equals(Buffer.from(await whole.arrayBuffer())));
  const part = await fetch(url, { headers: { range: 'bytes=65530-65545' } });
  assert.equal(part.status, 206);
  assert.equal(await part.text(), LARGE_FILE.subarray(65530, 65546).toString());
  const etag = whole.headers.get('etag') as string;
  assert.equal(
    (await page('/demo/app-1.flist/raw/usr/share/large.txt', { 'if-none-match': etag })).status,
    304,
  );
  for (const file of [
    'odd/page.html',
    'odd/drawing.svg',
    'odd/drawing.svg?view',
    'etc/motd?view',
    'etc/empty',
  ]) {
    const { status, headers } = await page(`/demo/app-1.flist/raw/${file}`);
    assert.equal(status, 200, file);
    assert.equal(headers.get('content-type'), 'application/octet-stream', file);
    assert.match(headers.get('content-disposition') ?? '', /^attachment; /);
    assert.match(headers.get('content-security-policy') ?? '', /sandbox/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  }
  const picture = await page('/demo/app-1.flist/raw/usr/share/logo.png?view');
  assert.equal(picture.headers.get('content-type'), 'image/png');
  assert.equal(picture.headers.get('content-disposition'), 'inline');
});

for (const [path, status] of [
  ['/nobody', 404],
  ['/demo/tags/v9', 404],
  ['/demo/nothing.flist.md', 404],
  ['/demo/app-1.flist/tree/no/such', 404],
  ['/demo/app-1.flist/tree/..%2f..%2fetc', 404],
  ['/demo/app-1.flist/raw/etc', 404],
  ['/diff?a=demo&b=demo/app-1', 400],
  ['/diff?a=demo/app-1&b=demo/none', 404],
  ['/secret', 404],
  ['/secret/plans.flist.md', 404],
  ['/secret/plans.flist/tree', 404],
  ['/secret/plans.flist/raw/etc/motd', 404],
  ['/diff?a=demo/app-1&b=secret/plans', 404],
  ['/admin', 401],
] as const) {
  test(`${path} is answered ${status} by a page`, async () => {
    const { status: found, headers, text } = await page(path);
    assert.equal(found, status);
    assert.match(headers.get('content-type') ?? '', /^text\/html/);
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    assert(text.includes('role="alert"'));
  });
}

test('private flists are shown to those who may read them only', async () => {
  const cookie = await logIn('alice', PASSWORD);
  assert.equal((await page('/secret/plans.flist.md', { cookie })).status, 200);
  assert.equal((await page('/secret/plans.flist/raw/etc/motd', { cookie })).status, 200);
  for (const path of ['/', '/search?q=plans']) {
    assert(!(await page(path)).text.includes('secret'), path);
    assert((await page(path, { cookie })).text.includes('secret'), path);
  }
});

test('a session counts for pages, not for the API, and ends', async () => {
  const cookie = await logIn('', world.admin);
  assert.equal((await page('/admin', { cookie })).status, 200);
  assert.equal((await page('/api/v1/users', { cookie })).status, 401);
  assert.equal((await page('/admin', { cookie: `${cookie}x` })).status, 401);
  const alice = await logIn('alice', PASSWORD);
  assert.equal((await page('/admin', { cookie: alice })).status, 403);
  const out = await post('/logout', {}, { origin: world.url, cookie });
  assert.equal(out.status, 303);
  assert.match(out.headers.get('set-cookie') ?? '', /^g8ufs_session=; Max-Age=0; /);
});

test('wrong credentials are told in the form', async () => {
  for (const [user, secret] of [
    ['alice', 'wrong'],
    ['nobody', 'x'],
    ['', 'g8_nonsense'],
    ['<b>', 'x'],
  ] as const) {
    const response = await post('/login', { user, secret });
    const text = await response.text();
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('set-cookie'), null);
    assert.match(text, /role="alert"/);
    assert(!text.includes('value="<b>'));
  }
});

for (const [what, headers] of [
  ['another site', { origin: 'https://example.org' }],
  ['another port', { origin: 'http://127.0.0.1:1' }],
  ['an opaque origin', { origin: 'null' }],
  ['nobody knows where', {}],
] as const) {
  test(`forms from ${what} are refused`, async () => {
    const cookie = await logIn('alice', PASSWORD);
    const sent = { ...headers, cookie };
    assert.equal((await post('/demo/app-2.flist/delete', {}, sent)).status, 403);
    assert.equal(
      (await post('/account', { do: 'make', scope: 'read', days: '1' }, sent)).status,
      403,
    );
    assert.equal((await post('/login', { user: 'alice', secret: PASSWORD }, headers)).status, 403);
    assert.equal((await page('/demo/app-2.flist.md')).status, 200);
  });
}

test('a flist is deleted by who may publish, by nobody else', async () => {
  const path = '/demo/gone.flist/delete';
  assert.equal((await post(path, {})).status, 401);
  assert(!(await page('/demo/gone.flist.md')).text.includes('Delete'));
  const bob = await logIn('', world.bob);
  assert.equal((await post(path, {}, { origin: world.url, cookie: bob })).status, 403);
  const cookie = await logIn('alice', PASSWORD);
  assert((await page('/demo/gone.flist.md', { cookie })).text.includes(`action="${path}"`));
  const done = await post(path, {}, { origin: world.url, cookie });
  assert.equal(done.status, 303);
  assert.equal(done.headers.get('location'), '/demo');
  assert.equal((await page('/demo/gone.flist.md')).status, 404);
});

test('tokens are made, shown once, and revoked', async () => {
  const cookie = await logIn('alice', PASSWORD);
  const send = (fields: Headers) => post('/account', fields, { origin: world.url, cookie });
  const made = await send({ do: 'make', scope: 'read', days: '3', note: '<i>laptop' });
  const text = await made.text();
  assert(text.includes('&lt;i&gt;laptop'));
  const [token, id] = /g8_([0-9a-f]{16})_[0-9a-f]{64}/.exec(text) as unknown as [string, string];
  const ask = () => page('/api/v1/user', { authorization: `Bearer ${token}` });
  assert.equal((await ask()).status, 200);
  assert(!(await page('/account', { cookie })).text.includes(token));
  assert.equal((await send({ do: 'revoke', token: id })).status, 303);
  assert.equal((await ask()).status, 401);
  assert.equal((await send({ do: 'make', scope: 'root', days: '3' })).status, 400);
  assert.equal((await send({ do: 'make', scope: 'read', days: '0' })).status, 400);
});

test('an administrator makes and disables users and hides repositories', async () => {
  const cookie = await logIn('', world.admin);
  const send = async (fields: Headers) =>
    (await post('/admin', fields, { origin: world.url, cookie })).status;
  const user = { do: 'user.create', user: 'carol', password: PASSWORD, role: 'user', quota: '0.5' };
  assert.equal(await send(user), 303);
  assert.equal(await send(user), 409);
  assert.equal(await send({ ...user, user: 'dave', password: 'short' }), 400);
  assert.equal(await send({ ...user, user: '../dave' }), 400);
  await logIn('carol', PASSWORD);
  assert.equal(await send({ do: 'user.disable', user: 'carol' }), 303);
  assert.equal((await post('/login', { user: 'carol', secret: PASSWORD })).status, 401);
  assert.equal(await send({ do: 'user.disable', user: 'admin' }), 409);
  assert.equal(await send({ do: 'repository.private', repository: 'demo' }), 303);
  assert.equal((await page('/demo')).status, 404);
  assert.equal(await send({ do: 'repository.public', repository: 'demo' }), 303);
  assert.equal((await page('/demo')).status, 200);
  assert.equal(await send({ do: 'constructor' }), 400);
  const text = (await page('/admin', { cookie })).text;
  assert(text.includes('carol') && text.includes('512 MiB') && text.includes('repository.change'));
});

test('assets are kept for good by their digests', async () => {
  const { text } = await page('/');
  const paths = text.match(/\/static\/[a-z]+\.[0-9a-f]{16}\.[a-z]+/g) ?? [];
  assert.equal(new Set(paths).size, 3);
  for (const path of paths) {
    const { status, headers } = await page(path);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
  }
  assert.equal((await page('/static/style.0000000000000000.css')).status, 404);
});
