/** Names in the paths of historical routes: those that cannot exist are not found, new ones are refused. */
import type { FastifyRequest } from 'fastify';
import { flistFile, isRepositoryName, isTagName, parseFlistName } from '../names.ts';
import { Problem } from '../problem.ts';
import { parameter } from '../route.ts';
import { sourceNotFound } from './envelope.ts';

/** File of a flist that should be there. @throws Problem 404 */
export function fileOf(request: FastifyRequest, name: string): string {
  const flist = parseFlistName(parameter(request, name));
  if (flist === undefined) throw sourceNotFound();
  return flistFile(flist);
}

/** File of a flist that is to be made. @throws Problem 400 */
export function newFileOf(request: FastifyRequest, name: string): string {
  const flist = parseFlistName(parameter(request, name));
  if (flist === undefined) throw new Problem(400, 'this name is not allowed');
  return flistFile(flist);
}

/** @throws Problem 404 with `message` */
export function repositoryOf(request: FastifyRequest, message: string): string {
  const repository = parameter(request, 'repository');
  if (!isRepositoryName(repository)) throw new Problem(404, message);
  return repository;
}

/** @throws Problem 404 with `message` */
export function tagOf(request: FastifyRequest, message: string): string {
  const tag = parameter(request, 'tag');
  if (!isTagName(tag)) throw new Problem(404, message);
  return tag;
}

/** A tag that may be new. @throws Problem 400 */
export function newTagOf(request: FastifyRequest): string {
  const tag = parameter(request, 'tag');
  if (!isTagName(tag)) throw new Problem(400, 'this name is not allowed');
  return tag;
}
