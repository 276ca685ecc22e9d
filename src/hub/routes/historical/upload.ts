/** Uploads, merging and conversion below `/api/flist/me`, whose answers wait for the result. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { baseUrl } from '../../base-url.ts';
import { bodyStream, bounded, Gate } from '../../body.ts';
import { readForm } from '../../form.ts';
import { type Caller, callerOf, visibleTo } from '../../historical/caller.ts';
import { filesReport, formatContents } from '../../historical/contents.ts';
import { succeed } from '../../historical/envelope.ts';
import { mergeInto } from '../../historical/merge.ts';
import { addHistoricalRoute, type HistoricalOperation } from '../../historical/route.ts';
import * as shapes from '../../historical/schemas.ts';
import { receiveUpload } from '../../historical/uploads.ts';
import { flistFile, parseFlistName } from '../../names.ts';
import type { OperationDocs } from '../../operation.ts';
import { Problem } from '../../problem.ts';
import { type HubContext, parameter } from '../../route.ts';
import { sendJsonText } from '../../send-json.ts';
import { publishArchive, settingsOfFields } from '../../uploads/archive.ts';
import { publishReadyFlist } from '../../uploads/ready-flist.ts';
import { parseImage, publishRegistryImage } from '../../uploads/registry-image.ts';
import { withWorkFolder } from '../../work-folder.ts';

const JSON_SIZE_MAX = 1024 * 1024;

type Work = (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<unknown>;

const form = z.object({ file: z.string().meta({ format: 'binary' }) });

/** Declares `upload`, `upload-flist`, `merge` and `docker`. */
export function historicalUploadRoutes(scope: FastifyInstance, context: HubContext): void {
  const gate = new Gate(context.limits.conversionCountMax);
  const operation = (
    docs: Omit<OperationDocs, 'tag' | 'isProtected' | 'answers'>,
    payload: z.ZodType | undefined,
    work: Work,
  ): HistoricalOperation => ({
    docs: {
      ...docs,
      tag: 'me',
      isProtected: true,
      answers: {
        ...(payload === undefined
          ? shapes.DONE
          : { 200: { text: 'Published', schema: shapes.success(payload) } }),
        400: { text: 'What is wrong with the upload' },
        413: { text: 'It is too large, or unpacks to too much' },
      },
    },
    handler: async (request, reply) => {
      const caller = await callerOf(context, request);
      return await gate.run(() => work(request, reply, caller));
    },
  });

  const named = (response: z.ZodType) =>
    z.object({ name: z.string(), files: shapes.filesReport(response) });
  addHistoricalRoute(scope, '/api/flist/me/upload', {
    post: operation(
      {
        id: 'uploadArchive',
        summary: 'Make a flist of a .tar.gz; fields metadata-<key> become settings',
        body: { type: 'multipart/form-data', schema: form },
      },
      named(shapes.statistics),
      (request, reply, caller) => uploadArchive(context, request, reply, caller),
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/upload-flist', {
    post: operation(
      {
        id: 'uploadReadyFlist',
        summary: 'Publish a flist whose chunks are all here',
        body: { type: 'multipart/form-data', schema: form },
      },
      named(shapes.contents),
      (request, reply, caller) => uploadReady(context, request, reply, caller),
    ),
  });
  // Old clients send JSON under any media type: it is parsed by hand, and what is none gets old words.
  scope.register(async (merges) => {
    merges.removeContentTypeParser('application/json');
    addHistoricalRoute(merges, '/api/flist/me/merge/:target', {
      post: operation(
        {
          id: 'merge',
          summary: 'Merge flists, repository/file each; where several have a name, the first wins',
          body: { type: 'application/json', schema: z.array(z.string()) },
        },
        undefined,
        async (request, reply, caller) => {
          const sources = await jsonOf(request, context.limits.bodyMs);
          const visible = visibleTo(context, request);
          await mergeInto(context, caller, parameter(request, 'target'), sources, visible);
          return succeed(reply);
        },
      ),
    });
  });
  addHistoricalRoute(scope, '/api/flist/me/docker', {
    post: operation(
      {
        id: 'convertDocker',
        summary: 'Make a flist of the image that the field image names',
        body: {
          type: 'application/x-www-form-urlencoded',
          schema: z.object({ image: z.string() }),
        },
      },
      named(shapes.statistics),
      (request, reply, caller) => convert(context, request, reply, caller),
    ),
  });
}

async function uploadArchive(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { user, actor }: Caller,
): Promise<FastifyReply> {
  const { name, statistics } = await withWorkFolder(context.dataDir, async (folder) => {
    const upload = await receiveUpload(context, request, folder, '.tar.gz');
    const target = { repository: user, file: upload.file, actor };
    const settings = settingsOfFields(upload.fields);
    const options = { folder, route: baseUrl(context, request) };
    return {
      name: upload.file,
      statistics: await publishArchive(context, target, { ...upload, settings }, options),
    };
  });
  return succeed(reply, { name, files: filesReport(statistics) });
}

async function uploadReady(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { user, actor }: Caller,
): Promise<FastifyReply> {
  const { name, database, statistics } = await withWorkFolder(context.dataDir, async (folder) => {
    const upload = await receiveUpload(context, request, folder, '.flist');
    const target = { repository: user, file: upload.file, actor };
    return { name: upload.file, ...(await publishReadyFlist(context, target, upload.path)) };
  });
  const report = JSON.stringify({ name, files: filesReport(null) });
  // The contents are long: they take the place of `null` piece by piece.
  const [before, after] = report.split('"response":null') as [string, string];
  return sendJsonText(
    reply,
    (function* () {
      yield `{"status":"success","payload":${before}"response":`;
      yield* formatContents(database, statistics);
      yield `${after}}`;
    })(),
  );
}

async function convert(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { user, actor }: Caller,
): Promise<FastifyReply> {
  const image = parseImage(await imageField(context, request, 'image'));
  const file = fileOfImage(image.name);
  const target = { repository: user, file, actor };
  const route = baseUrl(context, request);
  const statistics = await withWorkFolder(context.dataDir, (folder) =>
    publishRegistryImage(context, target, image, { folder, route }),
  );
  return succeed(reply, { name: file, files: filesReport(statistics) });
}

/** The name of an image in a form. @throws Problem 400 */
export async function imageField(
  context: HubContext,
  request: FastifyRequest,
  field: string,
): Promise<string> {
  const missing = new Problem(400, 'missing docker image name');
  if (request.headers['content-type'] === undefined) throw missing;
  const { fields } = await readForm(request, { timeoutMs: context.limits.bodyMs });
  const image = fields.get(field)?.[0]?.trim() ?? '';
  if (image === '') throw missing;
  return image;
}

/** @throws Problem 400 */
export function fileOfImage(imageName: string): string {
  const name = parseFlistName(imageName);
  if (name === undefined) throw new Problem(400, 'docker image name is not allowed');
  return flistFile(name);
}

/** The body as JSON, whatever its media type says; `undefined` when it is none. */
async function jsonOf(request: FastifyRequest, timeoutMs: number): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bounded(bodyStream(request), JSON_SIZE_MAX, timeoutMs)) {
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    return undefined;
  }
}
