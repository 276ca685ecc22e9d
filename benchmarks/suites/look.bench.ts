/**
 * What looking into a large flist costs: each command on a synthetic flist of 1 000 001 entries (`--quick`: a
 * tenth), its time, highest memory and how many starts of the program that is; and how much of a flist behind
 * a URL is read for one path.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { blake2bReady } from '../../src/base/blake2b.ts';
import { packTree } from '../../src/image/pack.ts';
import { command, measured, type SuiteOptions, withFolder } from '../harness.ts';
import { syntheticTree } from '../synthetic-tree.ts';

const FILES = 1000;
/** Every tenth file of the second flist has another content. */
const CHANGE_EVERY = 10;
const PATH = '/folder-000050/file-000500';

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const folders = quick ? 100 : 1000;
  await blake2bReady();
  return withFolder(async (dir) => {
    const [one, two] = [join(dir, 'one.flist'), join(dir, 'two.flist')];
    await packTree(syntheticTree(folders, FILES), one);
    await packTree(syntheticTree(folders, FILES, { changeEvery: CHANGE_EVERY }), two);
    const start = await look('--version');
    const rows: Record<string, unknown> = {
      entries: folders * (FILES + 1) + 1,
      'start of the program, s': start.seconds.toFixed(2),
    };
    for (const [name, words] of Object.entries(commandsOn(one, two))) {
      const { seconds, peakMiB } = await look('flist', ...words);
      const starts = (seconds / start.seconds).toFixed(0);
      rows[name] = `${seconds.toFixed(2)} s, ${peakMiB.toFixed(0)} MiB, ${starts} starts`;
    }
    const { size } = await stat(one);
    await withServer(one, async (url, sent) => {
      for (const words of [
        ['stat', url, PATH],
        ['ls', url, '/folder-000050'],
      ]) {
        const before = sent();
        const { seconds } = await look('flist', ...words);
        const share = (((sent() - before) / size) * 100).toFixed(1);
        rows[`${words[0]} URL`] = `${seconds.toFixed(2)} s, ${share} % of the flist sent`;
      }
    });
    return rows;
  });
}

function commandsOn(one: string, two: string): Record<string, string[]> {
  return {
    stat: ['stat', one, PATH],
    ls: ['ls', one, '/folder-000050'],
    'find --name': ['find', one, '--name', 'file-000999'],
    find: ['find', one],
    info: ['info', one],
    'du -s': ['du', '-s', one],
    du: ['du', one],
    'diff --summary': ['diff', '--summary', one, two],
    tree: ['tree', one],
    dump: ['dump', one],
  };
}

/** Runs a command; a difference (status 1) is a result. */
async function look(...words: string[]): Promise<{ seconds: number; peakMiB: number }> {
  const [program, args] = command(...words);
  const line = '"$@" >/dev/null; status=$?; [ $status -le 1 ]';
  return measured('sh', ['-c', line, 'sh', program, ...args]);
}

/** A server that knows one file and ranges of it, and counts what it sends. */
async function withServer(
  path: string,
  work: (url: string, sent: () => number) => Promise<void>,
): Promise<void> {
  const { size } = await stat(path);
  let sent = 0;
  const server = createServer((request, response) => {
    const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
    const [first, last] = [range?.[1] ?? '', range?.[2] ?? ''];
    const start = first === '' ? (last === '' ? 0 : size - Number(last)) : Number(first);
    const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last));
    response.writeHead(range === null ? 200 : 206, {
      'content-length': end - start + 1,
      etag: '"1"',
      ...(range !== null && { 'content-range': `bytes ${start}-${end}/${size}` }),
    });
    const file = createReadStream(path, { start, end });
    response.once('close', () => file.destroy());
    file.on('data', (piece) => {
      sent += piece.length;
    });
    file.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await work(`http://127.0.0.1:${port}/one.flist`, () => sent);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
