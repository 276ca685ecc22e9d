/** Uploads as the historical hub takes them: what they are called, and what is done with them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { isMultipart, readForm } from '../form.ts';
import { flistFile, parseFlistName } from '../names.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';

export type UploadKind = '.tar.gz' | '.flist';

export interface Upload {
  readonly path: string;
  readonly size: number;
  /** As it was named, made fit to be a name. */
  readonly name: string;
  /** Name of the flist that it becomes, with extension. */
  readonly file: string;
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/**
 * Takes an upload into a folder.
 *
 * @throws Problem 400 in the words of the historical hub, 413, 408
 */
export async function receiveUpload(
  context: HubContext,
  request: FastifyRequest,
  folder: string,
  kind: UploadKind,
): Promise<Upload> {
  const { archiveSizeMax, flistSizeMax, requestMs } = context.limits;
  if (!isMultipart(request)) throw new Problem(400, 'no file found');
  const path = join(folder, 'upload');
  const sizeMax = kind === '.flist' ? flistSizeMax : archiveSizeMax;
  const { fields, fileName } = await readForm(request, {
    timeoutMs: requestMs,
    file: { field: 'file', path, sizeMax },
  });
  if (fileName === undefined) throw new Problem(400, 'no file found');
  if (fileName === '') throw new Problem(400, 'no file selected');
  if (!fileName.endsWith(kind)) throw new Problem(400, 'this file is not allowed');
  const given = request.headers['x-original-name'];
  const original = typeof given === 'string' && given !== '' ? given : fileName;
  const bare = original.endsWith(kind) ? original.slice(0, -kind.length) : original;
  const name = sanitizeName(bare);
  const flist = parseFlistName(name);
  if (flist === undefined) throw new Problem(400, 'this name is not allowed');
  const { size } = await stat(path);
  return { path, size, name: `${name}${kind}`, file: flistFile(flist), fields };
}

/** The last part of a path, of characters that names may have. */
function sanitizeName(text: string): string {
  const base = text.split(/[/\\]/).at(-1) ?? '';
  return base
    .trim()
    .replaceAll(/\s+/g, '_')
    .replaceAll(/[^A-Za-z0-9._+@:=~-]/g, '')
    .replace(/^[.-]+/, '');
}
