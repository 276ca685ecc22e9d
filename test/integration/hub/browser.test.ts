/**
 * The hub's pages in a real browser, on a desk and on a phone, light and dark: publish, look around, compare, delete,
 * log in and out; and what axe says of each page. `G8UFS_SCREENSHOTS=DIR` keeps pictures (`npm run screenshots`).
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { tarOf } from '../../support/flist-package.ts';
import { LARGE_FILE, PASSWORD, startWebWorld, type WebWorld } from '../../support/web-world.ts';

const PICTURES = process.env['G8UFS_SCREENSHOTS'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WAIT_MS = 20_000;
/** All else is the same on a phone. */
const COLOURS = "runOnly: ['color-contrast', 'target-size']";
const LOOKS = [
  { name: 'desk', colorScheme: 'light', width: 1200, height: 800, rules: '' },
  { name: 'phone', colorScheme: 'dark', width: 390, height: 780, rules: COLOURS },
] as const;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let world: WebWorld;
let folder: string;
let browser: BrowserContext;
let page: Page;
/** What the browser complains about: refused scripts, errors of ours, missing files. */
const complaints: string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-browser-'));
  const profile = join(folder, 'profile');
  mkdirSync(profile);
  world = await startWebWorld(folder);
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    args: FLAGS,
    acceptDownloads: true,
  });
  browser.setDefaultTimeout(WAIT_MS);
  page = browser.pages()[0] ?? (await browser.newPage());
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
});
after(async () => {
  await browser?.close();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(path: string): Promise<void> {
  const response = await page.goto(world.url + path);
  assert.equal(response?.status(), 200, path);
}

async function logIn(user: string, secret: string): Promise<void> {
  await browser.clearCookies();
  await open('/login');
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password or token').fill(secret);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${world.url}/`);
}

async function logOut(): Promise<void> {
  await open('/account');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
}

/** Looks at the page that is open, in all looks. */
async function check(name: string): Promise<void> {
  await page.evaluate(axe);
  for (const look of LOOKS) {
    await page.emulateMedia({ colorScheme: look.colorScheme });
    await page.setViewportSize(look);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert(Number(width) <= look.width, `${name} is ${width} wide on a ${look.name}`);
    const found = (await page.evaluate(
      `axe.run({ resultTypes: ['violations'], ${look.rules} }).then(({ violations }) =>
        violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
    )) as string[];
    assert.deepEqual(found, [], `${name} on a ${look.name}`);
    if (PICTURES === undefined) continue;
    mkdirSync(PICTURES, { recursive: true });
    await page.screenshot({ path: join(PICTURES, `${name}-${look.name}.png`), fullPage: true });
  }
}

test('whoever comes looks around: search, flist, folders, files', async () => {
  await open('/');
  await check('home');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate('document.activeElement.id'), 'main');
  await page.keyboard.press('/');
  await page.keyboard.type('app-1');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Flists with' }).waitFor();
  await check('search');
  await page.getByRole('link', { name: 'app-1.flist' }).click();
  await page.getByRole('heading', { name: 'A small image' }).waitFor();
  await check('flist');
  await page.getByRole('link', { name: 'Files' }).click();
  await page.getByRole('link', { name: 'odd/' }).click();
  await page.getByRole('link', { name: 'onerror' }).click();
  assert.match((await page.getByLabel('Text of the file').textContent()) ?? '', /hostile name/);
  await open('/demo/app-1.flist/tree/usr/share');
  await check('folder');
  await page.getByRole('link', { name: 'large.txt' }).click();
  await check('file');
  const downloading = page.waitForEvent('download');
  await page.getByRole('complementary').getByRole('link', { name: 'Download' }).click();
  const download = await downloading;
  assert.equal(download.suggestedFilename(), 'large.txt');
  assert(LARGE_FILE.equals(await readFile(await download.path())));
  await open('/demo/app-1.flist/tree/usr/share/logo.png');
  assert.equal(await page.evaluate('document.querySelector("main img").naturalWidth'), 1);
  await open('/demo');
  await check('repository');
});

test('two flists are compared', async () => {
  await open('/demo/app-2.flist.md');
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.getByLabel('Before').fill('demo/app-1');
  await page.getByLabel('Ignore times').check();
  await page.getByRole('button', { name: 'Compare' }).click();
  const table = page.getByRole('group', { name: 'Differences' });
  await table.waitFor();
  assert.match((await table.textContent()) ?? '', /\/etc\/new\.conf/);
  assert.match(
    (await page.getByRole('main').textContent()) ?? '',
    /1 added\s+1 removed\s+2 changed/,
  );
  await check('compare');
});

test('a user logs in, publishes, deletes, logs out', async () => {
  await open('/login');
  await check('login');
  await logIn('alice', PASSWORD);
  await open('/upload');
  await check('upload');
  const form = page.getByRole('region', { name: 'Archive' });
  const archive = gzipSync(tarOf(Buffer.from('a file of an archive\n')));
  await form.locator('input[type=file]').setInputFiles({
    name: 'made.tar.gz',
    mimeType: 'application/gzip',
    buffer: archive,
  });
  await form.getByRole('button', { name: 'Make a flist' }).click();
  await page.getByRole('log').getByRole('link', { name: 'alice/made.flist' }).click();
  await page.getByRole('heading', { name: 'made.flist' }).waitFor();
  await page.getByRole('link', { name: 'Files' }).click();
  await page.getByRole('link', { name: 'CURRENT' }).click();
  assert.match(
    (await page.getByLabel('Text of the file').textContent()) ?? '',
    /a file of an archive/,
  );
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByText('Delete', { exact: true }).click();
  await page.getByRole('button', { name: 'Delete made.flist' }).click();
  await page.waitForURL(`${world.url}/alice`);
  assert.match((await page.getByRole('main').textContent()) ?? '', /empty/);
  await logOut();
});

test('an owner lets another user in, and takes that back', async () => {
  await logIn('alice', PASSWORD);
  await open('/secret');
  const form = page.getByRole('form', { name: 'New member' });
  await form.getByLabel('User').fill('bob');
  await form.getByLabel('May').selectOption('publish');
  await form.getByRole('button', { name: 'Let them' }).click();
  await page.getByRole('cell', { name: 'bob', exact: true }).waitFor();
  await check('members');
  // Ownership is for administrators to hand over.
  assert.equal(await page.getByRole('form', { name: 'Owner' }).count(), 0);
  await logIn('', world.bob);
  await open('/secret');
  assert.equal(await page.getByRole('form', { name: 'New member' }).count(), 0);
  await logIn('alice', PASSWORD);
  await open('/secret');
  await page.getByRole('button', { name: 'Remove bob' }).click();
  await page.getByText('Nobody besides the owner.').waitFor();
  await logOut();
});

test('a failed upload says why', async () => {
  await logIn('alice', PASSWORD);
  await open('/upload');
  const form = page.getByRole('region', { name: 'Flist' });
  const broken = {
    name: 'broken.flist',
    mimeType: 'application/gzip',
    buffer: Buffer.from('none'),
  };
  await form.locator('input[type=file]').setInputFiles(broken);
  await form.getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('log').getByText('Failed').waitFor();
  // The browser tells of every answer that is an error.
  assert.match(complaints.pop() ?? '', /status of 422/);
  await logOut();
});

test('an administrator makes a token and a user', async () => {
  await logIn('', world.admin);
  await open('/account');
  await page.getByLabel('For what').fill('laptop');
  await page.getByRole('button', { name: 'Make a token' }).click();
  assert.match((await page.getByRole('status').textContent()) ?? '', /g8_[0-9a-f]{16}_/);
  await check('account');
  await open('/admin');
  await page.getByLabel('Name').fill('erin');
  await page.getByRole('button', { name: 'Make a user' }).click();
  await page.getByRole('cell', { name: 'erin', exact: true }).first().waitFor();
  await check('admin');
  await open('/secret');
  const form = page.getByRole('form', { name: 'Owner' });
  await form.getByLabel('Owner').fill('erin');
  await form.getByRole('button', { name: 'Hand over' }).click();
  await page.getByText('Owned by erin').waitFor();
  await form.getByLabel('Owner').fill('alice');
  await form.getByRole('button', { name: 'Hand over' }).click();
  await page.getByText('Owned by alice').waitFor();
  await logOut();
});

test('the browser has found nothing to complain about', () => {
  assert.deepEqual(complaints, []);
});
