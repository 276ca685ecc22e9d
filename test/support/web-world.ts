/** A hub with something to look at: two versions of an image with hostile names and readme, a tag, a signature, users. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSetting } from '../../src/format/flist/settings.ts';
import { formatSignatures, signImage } from '../../src/format/signature.ts';
import { putLink } from '../../src/hub/catalogue/links.ts';
import { openCatalogue } from '../../src/hub/catalogue/open.ts';
import { putTag } from '../../src/hub/catalogue/tags.ts';
import { createFlist } from '../../src/image/create.ts';
import { openImage } from '../../src/image/open.ts';
import { addon } from '../../src/native/load.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { UsersHub } from './hub-users.ts';

export const PASSWORD = 'correct horse';
export const MARKUP_NAME = '"><img src=x onerror=alert(1)>.txt';
export const DIRECTION_NAME = 'doc\u202etxt.exe';
/** Not UTF-8. */
export const BYTES_NAME = Buffer.from('latin\xff', 'latin1');
export const LARGE_FILE: Buffer = Buffer.from('0123456789abcdef\n'.repeat(60_000));

const README = `# A small image

What \`demo/app\` is made of, **in short**.

| path | what |
|------|------|
| \`/usr/bin/tool\` | the tool |

<script>alert('html')</script> [run](javascript:alert(1)) [site](https://example.org/)
![badge](https://example.org/badge.png)
`;

/** One pixel. */
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

function writeTree(root: string, version: number): void {
  const at = (path: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path)]);
  for (const folder of ['etc', 'usr/bin', 'usr/share', 'odd', 'var/log']) {
    mkdirSync(at(folder), { recursive: true });
  }
  writeFileSync(
    at('etc/motd'),
    `Welcome to version ${version} <b>of</b> the image.\nHave a look around.\n`,
  );
  writeFileSync(at('etc/hosts'), '127.0.0.1\tlocalhost\n');
  writeFileSync(at('etc/empty'), '');
  writeFileSync(
    at('usr/bin/tool'),
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, version, ...new Array(500).fill(7)]),
    {
      mode: 0o755,
    },
  );
  writeFileSync(at('usr/share/large.txt'), LARGE_FILE);
  writeFileSync(at('usr/share/copy.txt'), LARGE_FILE);
  writeFileSync(at('usr/share/logo.png'), PICTURE);
  writeFileSync(at('odd/page.html'), '<!doctype html><script>alert(1)</script>\n');
  writeFileSync(
    at('odd/drawing.svg'),
    '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n',
  );
  writeFileSync(at(`odd/${MARKUP_NAME}`), 'hostile name\n');
  writeFileSync(at(`odd/${DIRECTION_NAME}`), 'another\n');
  writeFileSync(at('odd/a & b #?%41.txt'), 'signs\n');
  writeFileSync(Buffer.concat([at('odd/'), BYTES_NAME]), 'no text\n');
  symlinkSync('bin/tool', at('usr/tool'));
  symlinkSync('/nowhere', at('usr/dangling'));
  if (version === 1) writeFileSync(at('var/log/old.log'), 'gone in version 2\n');
  else writeFileSync(at('etc/new.conf'), 'setting = 1\n');
}

export interface WebWorld {
  readonly users: UsersHub;
  readonly url: string;
  readonly admin: string;
  /** Token of alice, who owns the repository `demo` and the private one `secret`. */
  readonly alice: string;
  readonly bob: string;
  close(): Promise<void>;
}

/** @param folder empty; everything lies in it */
export async function startWebWorld(folder: string): Promise<WebWorld> {
  const dataDir = join(folder, 'data');
  const native = addon();
  const chunks = new DirectoryStore({ path: join(dataDir, 'chunks'), create: true, fsync: false });
  const flists: string[] = [];
  for (const version of [1, 2]) {
    const source = join(folder, `tree-${version}`);
    mkdirSync(source);
    writeTree(source, version);
    const output = join(folder, `app-${version}.flist`);
    const metadata = new Map([
      ['readme', formatSetting({ readme: README })],
      ['environ', formatSetting({ PATH: '/usr/bin', SECRET: '<b>' })],
      ['backend', formatSetting({ host: 'example.org', port: 1, password: 'hidden-word' })],
    ]);
    await createFlist({ source, output, store: chunks, addon: native, blockSize: 65536, metadata });
    flists.push(output);
  }
  await chunks.close();
  let users = await UsersHub.start(dataDir, { addon: native });
  const { admin } = users;
  const alice = await users.user('alice', { password: PASSWORD });
  const bob = await users.user('bob');
  const put = async (path: string, body: Uint8Array) =>
    await users.json('PUT', `/api/v1/flists/${path}`, { token: alice, body });
  await users.json('POST', '/api/v1/repositories', { token: alice, body: { name: 'demo' } });
  await users.json('POST', '/api/v1/repositories', {
    token: alice,
    body: { name: 'secret', visibility: 'private' },
  });
  for (const [i, flist] of flists.entries()) await put(`demo/app-${i + 1}`, await readFile(flist));
  await put('secret/plans', await readFile(flists[0] as string));
  await put('demo/gone', await readFile(flists[1] as string));
  const signature = Buffer.from(await signatureOf(flists[0] as string));
  await users.ask('PUT', '/api/v1/flists/demo/app-1/signature', { token: alice, body: signature });
  // Links and tags are made by old clients' routes; here they are put where no hub runs.
  await users.hub.close();
  await addLinks(dataDir);
  users = await UsersHub.start(dataDir, { addon: native });
  return { users, url: users.url, admin, alice, bob, close: () => users.hub.close() };
}

async function signatureOf(flist: string): Promise<string> {
  const image = await openImage(flist, { codec: addon() });
  try {
    const rootDigest = new Uint8Array(Buffer.from(await image.rootDigest(), 'hex'));
    const { privateKey } = generateKeyPairSync('ed25519');
    return formatSignatures([signImage({ rootDigest, metadata: image.metadata }, privateKey)]);
  } finally {
    await image.close();
  }
}

async function addLinks(dataDir: string): Promise<void> {
  const catalogue = await openCatalogue(`level:${join(dataDir, 'catalogue')}`, { fsync: false });
  try {
    const target = { repository: 'demo', file: 'app-1.flist' };
    await putLink(catalogue, { repository: 'demo', file: 'latest.flist', owner: 'alice' }, target);
    await putTag(
      catalogue,
      { repository: 'demo', tag: 'v1', file: 'app.flist', owner: 'alice' },
      target,
    );
  } finally {
    await catalogue.close();
  }
}
