/** Conversions from web forms, which are answered at once, and what listens to them. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { baseUrl } from '../../base-url.ts';
import { readForm } from '../../form.ts';
import { callerOf, visibleTo } from '../../historical/caller.ts';
import { mergeInto } from '../../historical/merge.ts';
import { addHistoricalRoute } from '../../historical/route.ts';
import { failure } from '../../historical/schemas.ts';
import { receiveUpload } from '../../historical/uploads.ts';
import { escapeHtml, htmlPage, PAGE_HEADERS } from '../../html.ts';
import type { JobEvent } from '../../jobs.ts';
import { Problem } from '../../problem.ts';
import { type HubContext, parameter } from '../../route.ts';
import { publishArchive, settingsOfFields } from '../../uploads/archive.ts';
import { followed, startConversion } from '../../uploads/conversion-job.ts';
import { publishReadyFlist } from '../../uploads/ready-flist.ts';
import { parseImage } from '../../uploads/registry-image.ts';
import { makeWorkFolder, withWorkFolder } from '../../work-folder.ts';
import { fileOfImage, imageField } from './upload.ts';

// Below the time after which connections without traffic are closed.
const KEEP_ALIVE_MS = 15_000;

const jobStarted = z.object({ status: z.literal('success'), jobid: z.string() });
const form = z.object({ file: z.string().meta({ format: 'binary' }) });
const page = { 200: { text: 'A page', type: 'text/html' } };

export function historicalJobRoutes(scope: FastifyInstance, context: HubContext): void {
  addHistoricalRoute(
    scope,
    '/upload',
    {
      post: {
        docs: {
          id: 'startUpload',
          tag: 'me',
          summary: 'Make a flist of a .tar.gz in the background',
          isProtected: true,
          body: { type: 'multipart/form-data', schema: form },
          answers: { 200: { text: 'The job', schema: jobStarted } },
        },
        handler: (request, reply) => startUpload(context, request, reply),
      },
    },
    true,
  );
  addHistoricalRoute(scope, '/upload-flist', {
    post: {
      docs: {
        id: 'uploadReadyForm',
        tag: 'me',
        summary: 'Publish a flist by a web form',
        isProtected: true,
        body: { type: 'multipart/form-data', schema: form },
        answers: page,
      },
      handler: async (request, reply) => {
        const caller = await callerOf(context, request);
        const file = await withWorkFolder(context.dataDir, async (folder) => {
          const upload = await receiveUpload(context, request, folder, '.flist');
          const target = { repository: caller.user, file: upload.file, actor: caller.actor };
          await publishReadyFlist(context, target, upload.path);
          return upload.file;
        });
        return sendPage(reply, 'Published', `<p>${escapeHtml(`${caller.user}/${file}`)}</p>`);
      },
    },
  });
  addHistoricalRoute(
    scope,
    '/merge',
    {
      post: {
        docs: {
          id: 'mergeForm',
          tag: 'me',
          summary: 'Merge flists by a web form',
          isProtected: true,
          body: {
            type: 'application/x-www-form-urlencoded',
            schema: z.object({ 'flists[]': z.array(z.string()), name: z.string() }),
          },
          answers: page,
        },
        handler: async (request, reply) => {
          const caller = await callerOf(context, request);
          const { fields } = await readForm(request, { timeoutMs: context.limits.bodyMs });
          const name = fields.get('name')?.[0] ?? '';
          const items = (fields.get('flists[]') ?? []).filter((item) => item !== '');
          await mergeInto(context, caller, name, items, visibleTo(context, request));
          return sendPage(reply, 'Merged', `<p>${escapeHtml(`${caller.user}/${name}`)}</p>`);
        },
      },
    },
    true,
  );
  addHistoricalRoute(scope, '/docker-convert', {
    post: {
      docs: {
        id: 'convertDockerForm',
        tag: 'me',
        summary: 'Make a flist of an image in the background, by a web form',
        isProtected: true,
        body: {
          type: 'application/x-www-form-urlencoded',
          schema: z.object({ 'docker-input': z.string() }),
        },
        answers: page,
      },
      handler: async (request, reply) => {
        const caller = await callerOf(context, request);
        const name = await imageField(context, request, 'docker-input');
        const image = parseImage(name);
        const target = {
          repository: caller.user,
          file: fileOfImage(image.name),
          actor: caller.actor,
        };
        const { id } = startConversion(context, target, image, {
          route: baseUrl(context, request),
        });
        return sendPage(reply, 'Conversion', `<p>Job <code id="jobid">${id}</code></p>`);
      },
    },
  });
  addHistoricalRoute(scope, '/listen/:job', {
    read: {
      docs: {
        id: 'listen',
        tag: 'me',
        summary: 'What happens in a job, until it ends',
        answers: {
          200: { text: 'Events, one JSON each', type: 'text/event-stream' },
          404: { text: 'There is no such job', schema: failure },
        },
      },
      handler: (request, reply) => listen(context, request, reply),
    },
  });
}

async function startUpload(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const caller = await callerOf(context, request);
  const work = await makeWorkFolder(context.dataDir);
  try {
    const upload = await receiveUpload(context, request, work.path, '.tar.gz');
    const target = { repository: caller.user, file: upload.file, actor: caller.actor };
    const settings = settingsOfFields(upload.fields);
    const route = baseUrl(context, request);
    const job = context.jobs.start('upload', caller.user, async (report) => {
      try {
        const statistics = await followed('unpacking', report, (progress) =>
          publishArchive(
            context,
            target,
            { ...upload, settings },
            { folder: work.path, route, progress, signal: report.signal },
          ),
        );
        return { filename: upload.file, flist: statistics };
      } finally {
        await work.remove();
      }
    });
    return reply.send({ status: 'success', jobid: job.id });
  } catch (error) {
    await work.remove();
    throw error;
  }
}

async function listen(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = parameter(request, 'job');
  if (context.jobs.find(id) === undefined) throw new Problem(404, 'job id not found');
  reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
  reply.type('text/event-stream; charset=utf-8');
  if (request.method === 'HEAD') return reply.send();
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return reply.send(
    Readable.from(events(context.jobs.listen(id, KEEP_ALIVE_MS, gone.signal)), {
      objectMode: false,
    }),
  );
}

async function* events(all: AsyncIterable<JobEvent | undefined>): AsyncGenerator<string> {
  for await (const event of all) {
    // A comment, which keeps proxies from closing the connection.
    yield event === undefined ? ':\n\n' : `data: ${JSON.stringify(event)}\n\n`;
  }
}

function sendPage(reply: FastifyReply, title: string, body: string): FastifyReply {
  return reply.headers(PAGE_HEADERS).send(htmlPage(title, body));
}
