/** `POST /{repository}/{file}/delete`: takes a flist or a link away. */
import type { FastifyReply } from 'fastify';
import { flistFile, parseFlistName } from '../../names.ts';
import { Problem } from '../../problem.ts';
import { unpublish } from '../../publish.ts';
import { parameter } from '../../route.ts';
import { href } from '../html.ts';
import { redirect } from '../page.ts';
import { repositoryOf, type Visit } from '../visit.ts';

export async function deleteFlist(visit: Visit): Promise<FastifyReply> {
  const { context, request } = visit;
  const { name: repository } = await repositoryOf(visit);
  await context.access.authorize(request, { repository, right: 'publish' });
  const name = parseFlistName(parameter(request, 'file'));
  const isGone =
    name !== undefined &&
    (await unpublish(context, request, { repository, file: flistFile(name) }));
  if (!isGone) throw new Problem(404, 'There is no such flist');
  return redirect(visit, href([repository]));
}
