/** Images of a real registry as flists, and jobs in the background with who listens to them. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadFlist } from '../../../../src/image/load.ts';
import { readContent } from '../../../../src/image/read.ts';
import { addon } from '../../../../src/native/load.ts';
import { HttpStore } from '../../../../src/store/http.ts';
import { Layout } from '../../../support/oci/make-layout.ts';
import { run, startRegistry } from '../../../support/oci/registry.ts';
import { assertFailure, multipart, startOldHub } from '../../../support/old-client.ts';
import { TAR_END, tarFile } from '../../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const FORM = 'application/x-www-form-urlencoded';
const STARTUP = [
  '[startup.entry]',
  'name = "core.system"',
  '',
  '[startup.entry.args]',
  'name = "/bin/run"',
  'args = ["-q", "a \\"b\\""]',
  'dir = "/"',
  '',
  '[startup.entry.args.env]',
  '"PATH" = "/bin"',
  '"X" = "\\u007f"',
  '',
].join('\n');
const STATISTICS = {
  regular: 2,
  symlink: 0,
  directory: 1,
  special: 0,
  failure: 0,
  fullsize: 'first'.length + STARTUP.length,
};

async function startImages(t: TestContext) {
  const { host } = await startRegistry(t);
  const layout = new Layout(join(temporaryDirectory(t), 'layout'));
  const layer = Buffer.concat([tarFile({ name: 'etc/name' }, 'first'), TAR_END]);
  const path = layout.finish(
    layout.image([layer], {
      config: { Entrypoint: ['/bin/run', '-q'], Cmd: ['a "b"'], Env: ['PATH=/bin', 'X=\x7f'] },
    }),
  );
  const to = ['--dest-tls-verify=false', `docker://${host}/tools/app:1`];
  await run('skopeo', ['--insecure-policy', 'copy', `oci:${path}`, ...to]);
  return host;
}

test('an image becomes a flist that says what to start', async (t) => {
  const host = await startImages(t);
  const { client, dataDir, hub } = await startOldHub(t, { privateRegistries: ['127.0.0.1'] });
  const image = `${host}/tools/app:1`;
  const file = `${image.replaceAll(/[:/]/g, '-')}.flist`;
  const answer = await client.post(
    '/api/flist/me/docker',
    `image=${encodeURIComponent(image)}`,
    FORM,
  );
  assert.deepEqual(
    [answer.status, answer.json()],
    [
      200,
      {
        status: 'success',
        payload: {
          name: file,
          files: { success: true, error: null, response: STATISTICS, status: 0 },
        },
      },
    ],
  );
  assert.deepEqual(readdirSync(join(dataDir, 'tmp')), []);
  const path = join(temporaryDirectory(t), 'image.flist');
  writeFileSync(path, (await client.get(`/Administrator/${file}`)).body);
  const { root, metadata } = await loadFlist(path, { codec: addon() });
  assert.equal(metadata.get('entrypoint'), '["/bin/run","-q","a \\"b\\""]');
  const startup = root.entries?.find(
    ({ name }) => Buffer.from(name).toString() === '.startup.toml',
  );
  assert(startup?.inode.content !== undefined);
  const store = new HttpStore(hub.url);
  t.after(() => store.close());
  const pieces = [];
  for await (const piece of readContent(startup.inode.content, { store, codec: addon() })) {
    pieces.push(piece);
  }
  assert.equal(Buffer.concat(pieces).toString(), STARTUP);
  const missing = 'missing docker image name';
  assertFailure(await client.post('/api/flist/me/docker', '', FORM), 400, missing);
  assertFailure(await client.post('/api/flist/me/docker'), 400, missing);
  const form = multipart([{ name: 'image', value: `${host}/none/app` }]);
  const absent = await client.post('/api/flist/me/docker', form.body, form.type);
  assert.deepEqual([absent.status, absent.json()['status']], [404, 'error']);
  const wrong = await client.post('/api/flist/me/docker', 'image=a%20b', FORM);
  assert.deepEqual([wrong.status, wrong.json()['status']], [400, 'error']);
});

interface Event {
  readonly status: string;
  readonly info?: unknown;
  readonly message?: string;
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((part) => part.startsWith('data: '))
    .map((part) => JSON.parse(part.slice('data: '.length)) as Event);
}

test('an image is not taken from an address that only the hub can reach', async (t) => {
  const { client, hub } = await startOldHub(t);
  const port = new URL(hub.url).port;
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, '169.254.169.254']) {
    const image = encodeURIComponent(`${host}/tools/app:1`);
    const answer = await client.post('/api/flist/me/docker', `image=${image}`, FORM);
    assert.match(answer.text, /address that is not allowed/, `${host}: ${answer.text}`);
  }
});

test('a job goes on behind its answer and tells one listener how it ends', async (t) => {
  const { client, dataDir } = await startOldHub(t);
  const entries = [tarFile({ name: 'etc/name' }, 'first'), TAR_END];
  const bytes = gzipSync(Buffer.concat(entries));
  const started = (await client.upload('/upload', 'later.tar.gz', bytes)).json();
  assert.equal(started['status'], 'success');
  const answer = await client.get(`/listen/${started['jobid']}`);
  assert.match(String(answer.headers['content-type']), /^text\/event-stream/);
  const last = eventsOf(answer.text).at(-1);
  assert.deepEqual(last, {
    status: 'info',
    info: {
      filename: 'later.flist',
      flist: { ...STATISTICS, regular: 1, fullsize: 5 },
    },
  });
  assert.equal((await client.get('/Administrator/later.flist')).status, 200);
  assertFailure(await client.get(`/listen/${started['jobid']}`), 404, 'job id not found');
  const broken = (await client.upload('/upload', 'x.tar.gz', Buffer.from('no gzip'))).json();
  const end = eventsOf((await client.get(`/listen/${broken['jobid']}`)).text).at(-1);
  assert.equal(end?.status, 'error');
  assert.match(end?.message ?? '', /^x\.tar\.gz: /);
  assert.deepEqual(readdirSync(join(dataDir, 'tmp')), []);
});

test('web forms answer with pages', async (t) => {
  const { client } = await startOldHub(t);
  const page = await client.post('/docker-convert', 'docker-input=127.0.0.1%3A1%2Fnone', FORM);
  const id = /<code id="jobid">([0-9a-f-]{36})<\/code>/.exec(page.text)?.[1];
  assert(id !== undefined, page.text);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  await client.upload('/api/flist/me/upload', 'one.tar.gz', gzipSync(TAR_END));
  const merged = await client.post('/merge', 'flists%5B%5D=Administrator%2Fone&name=two', FORM);
  assert.equal(merged.status, 200);
  assert.equal((await client.get('/Administrator/two.flist')).status, 200);
  const { body } = await client.get('/Administrator/two.flist');
  assert.equal((await client.upload('/upload-flist', 'three.flist', body)).status, 200);
  assert.equal((await client.get('/Administrator/three.flist')).status, 200);
});
