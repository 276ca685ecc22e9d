/** Images from a real registry: without a login, with a password, with tokens; and from servers that misbehave. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { parsePlatform } from '../../../../src/format/oci/platform.ts';
import { parseReference } from '../../../../src/format/oci/reference.ts';
import type { Decompress, OciImage } from '../../../../src/image/oci/image.ts';
import { RegistryClient } from '../../../../src/image/oci/registry/registry-client.ts';
import { openRegistryImage } from '../../../../src/image/oci/registry-image.ts';
import type { Credentials } from '../../../../src/store/credential-helper.ts';
import { startServer } from '../../../support/http-server.ts';
import { gunzip } from '../../../support/oci/gunzip.ts';
import { type BlobDescriptor, Layout, sha256 } from '../../../support/oci/make-layout.ts';
import { PASSWORD, run, startRegistry, USER } from '../../../support/oci/registry.ts';
import { IDENTITY_TOKEN, startTokenServer } from '../../../support/oci/token-server.ts';
import { TAR_END, tarFile } from '../../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const LOGIN = { username: USER, password: PASSWORD };
const LAYER = Buffer.concat([tarFile({ name: 'etc/name' }, 'first'), TAR_END]);

function makeLayout(t: TestContext): string {
  const layout = new Layout(join(temporaryDirectory(t), 'layout'));
  return layout.finish(layout.image([LAYER], { config: { Cmd: ['/bin/sh'] } }));
}

async function push(layout: string, image: string, args: readonly string[] = []): Promise<void> {
  const to = ['--dest-tls-verify=false', ...args, `docker://${image}`];
  await run('skopeo', ['--insecure-policy', 'copy', '--all', `oci:${layout}`, ...to]);
}

interface Attempt {
  readonly login?: Credentials;
  readonly platform?: string;
  readonly progress?: number[];
  readonly decompress?: Decompress;
}

/** Pulls an image and hands it to `use`; whatever happens, nothing is left behind. */
async function pull<T>(
  t: TestContext,
  reference: string,
  attempt: Attempt,
  use: (image: OciImage) => Promise<T> | T,
): Promise<T> {
  const parsed = parseReference(reference);
  const temporaryFolder = temporaryDirectory(t);
  const retry = { attemptCount: 6, delayMsMin: 1, delayMsMax: 2, totalMs: 60_000 };
  const client = new RegistryClient(parsed, { credentials: async () => attempt.login, retry });
  try {
    const image = await openRegistryImage(client, parsed, {
      choice: {
        platform: parsePlatform(attempt.platform ?? 'linux/amd64'),
        isExplicit: attempt.platform !== undefined,
      },
      decompress: attempt.decompress ?? gunzip,
      temporaryFolder,
      onBytes: (count) => attempt.progress?.push(count),
    });
    try {
      return await use(image);
    } finally {
      await image.close();
    }
  } finally {
    await client.close();
    assert.deepEqual(readdirSync(temporaryFolder), [], 'nothing is left behind');
  }
}

async function layerOf(image: OciImage): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of image.layers[0]?.open({
    signal: new AbortController().signal,
    onPosition: () => {},
  }) ?? [])
    pieces.push(piece);
  return Buffer.concat(pieces);
}

const fails = (code: string, message: RegExp) => (error: unknown) =>
  isG8Error(error) && error.code === code && message.test(error.message)
    ? true
    : assert.fail(`${error} is not ${code} ${message}`);

test('an image is pulled without a login', async (t) => {
  const { host } = await startRegistry(t);
  await push(makeLayout(t), `${host}/some/image:v1`);
  const digest = await pull(t, `oci://${host}/some/image:v1`, {}, async (image) => {
    assert.deepEqual(image.config.run.cmd, ['/bin/sh']);
    assert.equal(image.origin.source, `oci://${host}/some/image:v1`);
    assert.deepEqual(await layerOf(image), LAYER);
    return image.origin.digest;
  });
  const pinned = `oci://${host}/some/image@${digest}`;
  assert.equal(await pull(t, pinned, {}, (image) => image.origin.digest), digest);
});

test('a tag that does not exist is no input', async (t) => {
  const { host } = await startRegistry(t);
  await push(makeLayout(t), `${host}/some/image:v1`);
  await assert.rejects(
    pull(t, `oci://${host}/some/image:v2`, {}, layerOf),
    fails('ERR_NO_INPUT', /^Manifest v2 of 127\.0\.0\.1:\d+\/some\/image does not exist$/),
  );
});

test('a registry with passwords takes the right one only', async (t) => {
  const { host } = await startRegistry(t, 'basic');
  await push(makeLayout(t), `${host}/image`, ['--dest-creds', `${USER}:${PASSWORD}`]);
  assert.deepEqual(await pull(t, `oci://${host}/image`, { login: LOGIN }, layerOf), LAYER);
  await assert.rejects(
    pull(t, `oci://${host}/image`, {}, layerOf),
    fails('ERR_PERMISSION', /are needed and none were found/),
  );
  const login = { username: USER, password: 'wrong-secret' };
  await assert.rejects(pull(t, `oci://${host}/image`, { login }, layerOf), (error) => {
    assert.ok(!JSON.stringify(error).includes('wrong-secret'));
    return fails('ERR_PERMISSION', /are refused$/)(error);
  });
});

test('a registry with tokens is answered with one for the repository', async (t) => {
  const tokens = await startTokenServer(t);
  const { host } = await startRegistry(t, tokens.auth);
  await push(makeLayout(t), `${host}/team/image`, ['--dest-creds', `${USER}:${PASSWORD}`]);
  const before = tokens.requests.length;
  const image = `oci://${host}/team/image`;
  assert.deepEqual(await pull(t, image, { login: LOGIN }, layerOf), LAYER);
  const asked = tokens.requests.slice(before).map((line) => decodeURIComponent(line));
  assert.ok(asked.some((line) => line.includes('scope=repository:team/image:pull')));
  const login = { identityToken: IDENTITY_TOKEN };
  assert.deepEqual(await pull(t, image, { login }, layerOf), LAYER);
  assert.ok(tokens.requests.some((line) => line.startsWith('POST ')));
  await assert.rejects(
    pull(t, image, { login: { username: USER, password: 'wrong' } }, layerOf),
    fails('ERR_PERMISSION', /are refused$/),
  );
  await assert.rejects(
    pull(t, image, {}, layerOf),
    fails('ERR_PERMISSION', /are needed and none were found/),
  );
});

test('a token server may give tokens to everybody', async (t) => {
  const tokens = await startTokenServer(t, true);
  const { host } = await startRegistry(t, tokens.auth);
  await push(makeLayout(t), `${host}/public`, ['--dest-creds', `${USER}:${PASSWORD}`]);
  assert.deepEqual(await pull(t, `oci://${host}/public`, {}, layerOf), LAYER);
});

test('of several platforms the wanted one is chosen; a missing one lists the others', async (t) => {
  const { host } = await startRegistry(t);
  const layout = new Layout(join(temporaryDirectory(t), 'layout'));
  const image = (architecture: string, variant?: string): BlobDescriptor => ({
    ...layout.image([LAYER], { top: { architecture, variant, author: architecture } }),
    platform: { os: 'linux', architecture, ...(variant !== undefined && { variant }) },
  });
  const list = [image('amd64'), image('arm64', 'v8'), image('arm', 'v7'), image('arm', 'v6')];
  layout.finish(layout.index(list));
  await push(layout.path, `${host}/many:1`);
  const chosen = (platform: string) =>
    pull(t, `oci://${host}/many:1`, { platform }, ({ config }) => config);
  assert.equal((await chosen('linux/arm64')).author, 'arm64');
  assert.equal((await chosen('linux/aarch64')).author, 'arm64');
  assert.equal((await chosen('linux/arm/v6')).platform.variant, 'v6');
  assert.equal((await chosen('linux/arm/v8')).platform.variant, 'v7');
  await assert.rejects(
    chosen('linux/s390x'),
    fails(
      'ERR_NO_INPUT',
      /for linux\/s390x; it has: linux\/amd64, linux\/arm\/v6, linux\/arm\/v7, linux\/arm64$/,
    ),
  );
});

/** A server that has an image and does to blobs what a test says. */
async function serveImage(
  t: TestContext,
  onBlob: (
    digest: string,
    bytes: Uint8Array,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void,
  change: (descriptor: BlobDescriptor) => BlobDescriptor = (descriptor) => descriptor,
) {
  const layout = new Layout(join(temporaryDirectory(t), 'layout'));
  const tar = Buffer.concat([tarFile({ name: 'big' }, 'x'.repeat(400_000)), TAR_END]);
  const layer = change(layout.blob('application/vnd.oci.image.layer.v1.tar', tar));
  const config = layout.json('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [sha256(tar)] },
  });
  const manifest = layout.manifest(config, [layer]);
  const read = (digest: string) =>
    readFileSync(join(layout.path, 'blobs', digest.replace(':', '/')));
  const server = await startServer(t, (request, response) => {
    const path = request.url ?? '';
    if (path === '/v2/') return response.end('{}');
    if (path === '/v2/image/manifests/latest') {
      response.setHeader('content-type', manifest.mediaType);
      return response.end(read(manifest.digest));
    }
    const digest = path.split('/').at(-1) ?? '';
    if (digest === config.digest) return response.end(read(digest));
    return onBlob(digest, tar, request, response);
  });
  return { ...server, reference: `oci://${server.url.slice('http://'.length)}/image`, tar };
}

const identity: Decompress = (source) => source;

test('a download that is cut off goes on where it was', async (t) => {
  const ranges: (string | undefined)[] = [];
  const { reference, tar } = await serveImage(t, (_, bytes, request, response) => {
    ranges.push(request.headers.range);
    const start = Number(/=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': bytes.length - start,
      ...(start > 0 && { 'content-range': range }),
    });
    if (ranges.length > 2) response.end(bytes.subarray(start));
    else response.write(bytes.subarray(start, start + 100_000), () => response.destroy());
  });
  const progress: number[] = [];
  const decompress = identity;
  assert.deepEqual(await pull(t, reference, { progress, decompress }, layerOf), tar);
  const starts = ranges.map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]));
  assert.equal(starts[0], 0);
  assert.ok((starts[1] ?? 0) > 0 && (starts[2] ?? 0) > (starts[1] ?? 0), `${starts}`);
  assert.equal(
    progress.reduce((sum, count) => sum + count, 0),
    tar.length,
  );
});

test('a server without ranges begins again', async (t) => {
  let count = 0;
  const { reference, tar } = await serveImage(t, (_, bytes, __, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    if (++count > 1) response.end(bytes);
    else response.write(bytes.subarray(0, 50_000), () => response.destroy());
  });
  const progress: number[] = [];
  const decompress = identity;
  assert.deepEqual(await pull(t, reference, { progress, decompress }, layerOf), tar);
  assert.ok(progress.some((part) => part < 0));
  assert.equal(
    progress.reduce((sum, part) => sum + part, 0),
    tar.length,
  );
});

test('a blob with other bytes than its digest says is refused', async (t) => {
  const { reference } = await serveImage(t, (_, bytes, __, response) => {
    response.end(Buffer.from(bytes).fill('y', 1000, 1001));
  });
  await assert.rejects(
    pull(t, reference, {}, layerOf),
    fails('ERR_FLIST_FORMAT', /does not match its digest/),
  );
});

test('a blob with more bytes than its descriptor says is refused as it comes', async (t) => {
  const { reference } = await serveImage(t, (_, bytes, __, response) => {
    response.write(bytes);
    const more = () => response.write(bytes, () => response.destroyed || more());
    more();
  });
  await assert.rejects(
    pull(t, reference, {}, layerOf),
    fails('ERR_FLIST_FORMAT', /has more bytes, its descriptor says \d+$/),
  );
});

test('a blob with fewer bytes than its descriptor says is refused when its rest does not exist', async (t) => {
  const { reference, requests } = await serveImage(t, (_, bytes, request, response) => {
    if (request.headers.range !== undefined) response.writeHead(416).end();
    else response.end(bytes.subarray(0, 1000));
  });
  await assert.rejects(
    pull(t, reference, {}, layerOf),
    fails('ERR_FLIST_FORMAT', /has 1000 bytes, its descriptor says \d+$/),
  );
  assert.equal(requests.filter((line) => line.includes('/blobs/')).length, 3);
});

test('a redirect takes no credentials to another server', async (t) => {
  const seen: (string | undefined)[] = [];
  const storage = await startServer(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end(tarBytes);
  });
  let tarBytes: Uint8Array = Buffer.alloc(0);
  const { reference, tar } = await serveImage(t, (_, bytes, __, response) => {
    tarBytes = bytes;
    response.writeHead(307, { location: `${storage.url}/blob?signature=secret` }).end();
  });
  const attempt = { login: LOGIN, decompress: identity };
  assert.deepEqual(await pull(t, reference, attempt, layerOf), tar);
  assert.deepEqual(seen, [undefined]);
});

test('redirects without end are an error, and name no query', async (t) => {
  const { reference } = await serveImage(t, (_, __, request, response) => {
    response.writeHead(307, { location: `${request.url}?signature=secret` }).end();
  });
  await assert.rejects(pull(t, reference, {}, layerOf), (error) => {
    assert.ok(!String(error).includes('secret'));
    return fails('ERR_PROTOCOL', /redirected in circles/)(error);
  });
});

test('plain http is for this machine only', async (t) => {
  const { reference } = await serveImage(t, (_, __, ___, response) => {
    response.writeHead(307, { location: 'http://192.0.2.1:5000/blob' }).end();
  });
  await assert.rejects(
    pull(t, reference, {}, layerOf),
    fails('ERR_PERMISSION', /^192\.0\.2\.1:5000 is only reached over plain http/),
  );
});

test('a server that is no registry is named as such', async (t) => {
  const server = await startServer(t, (_, response) => response.writeHead(404).end());
  await assert.rejects(
    pull(t, `oci://${server.url.slice(7)}/image`, {}, layerOf),
    fails('ERR_PROTOCOL', /is no registry/),
  );
});

test('a token that has expired is replaced, and one for an example is not asked for', async (t) => {
  const scopes: (string | null)[] = [];
  const tokens = await startServer(t, (request, response) => {
    scopes.push(new URL(request.url ?? '', 'http://x').searchParams.get('scope'));
    response.end(JSON.stringify({ token: `token-${scopes.length}` }));
  });
  const realm = `Bearer realm="${tokens.url}/token",service="s"`;
  const { server, reference, tar } = await serveImage(t, (_, bytes, request, response) => {
    if (request.headers.authorization !== 'Bearer token-2') {
      const scope = 'scope="repository:image:pull"';
      return response.writeHead(401, { 'www-authenticate': `${realm},${scope}` }).end();
    }
    return response.end(bytes);
  });
  const [listener] = server.listeners('request') as [(...args: unknown[]) => void];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (request.url !== '/v2/') return listener(request, response);
    const example = `${realm},scope="repository:user/image:pull"`;
    return response.writeHead(401, { 'www-authenticate': example }).end();
  });
  assert.deepEqual(await pull(t, reference, { decompress: identity }, layerOf), tar);
  assert.deepEqual(scopes, ['repository:image:pull', 'repository:image:pull']);
});

test('a registry that is busy is asked again when it says', async (t) => {
  let count = 0;
  const { reference, tar } = await serveImage(t, (_, bytes, __, response) => {
    if (++count < 3) return response.writeHead(429, { 'retry-after': '0' }).end();
    return response.end(bytes);
  });
  assert.deepEqual(await pull(t, reference, { decompress: identity }, layerOf), tar);
  assert.equal(count, 3);
});
