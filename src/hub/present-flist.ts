/** Publishing what the hub has already: the flist of another name, or pieces that were uploaded as chunks. */
import type { FastifyRequest } from 'fastify';
import { type FlistReceipt, PIECE_SIZE, type PresentFlist } from '../store/hub-protocol.ts';
import type { ChunkId } from '../store/store.ts';
import { tooLarge } from './body.ts';
import { resolveFlist } from './catalogue/entries.ts';
import type { FlistRecord } from './catalogue/records.ts';
import { keepChunk } from './keep-chunk.ts';
import { flistFile, isRepositoryName, parseFlistName } from './names.ts';
import { OwnedStore } from './owned-store.ts';
import { Problem } from './problem.ts';
import type { HubContext } from './route.ts';

type Saved = Pick<FlistReceipt, 'digest' | 'md5' | 'size'>;

/**
 * The package that a request names.
 *
 * @throws Problem 404 when who asks may not read the flist, 409 when pieces are not there or not theirs to
 *   read, 400 when they do not fit together; ERR_FLIST_FORMAT
 */
export async function savePresent(
  context: HubContext,
  request: FastifyRequest,
  present: PresentFlist,
): Promise<Saved> {
  if ('pieces' in present) return await savePieces(context, request, present);
  const { digest, md5, size } = (await readableFlist(context, request, present.from)).flist;
  return { digest, md5, size };
}

/**
 * A flist by its full name, with or without extension, and where it is named.
 *
 * @throws Problem 404 unless it is there and who asks may read it, and all that it is reached through
 */
export async function readableFlist(
  { catalogue, access }: HubContext,
  request: FastifyRequest,
  fullName: string,
): Promise<{ repository: string; file: string; flist: FlistRecord }> {
  const absent = new Problem(404, 'There is no such flist');
  const [repository = '', text = '', ...rest] = fullName.split('/');
  const name = parseFlistName(text);
  if (rest.length > 0 || name === undefined || !isRepositoryName(repository)) throw absent;
  const file = flistFile(name);
  const found = await resolveFlist(catalogue, repository, file);
  if (found === undefined) throw absent;
  if ((await access.visibility(request, found.through)) === 'hidden') throw absent;
  return { repository, file, flist: found.flist };
}

async function savePieces(
  context: HubContext,
  request: FastifyRequest,
  { pieces, size }: { pieces: readonly ChunkId[]; size: number },
): Promise<Saved> {
  const { flistSizeMax: sizeMax } = context.limits;
  if (size > sizeMax) throw tooLarge(sizeMax);
  if (pieces.length !== Math.ceil(size / PIECE_SIZE)) {
    throw new Problem(400, 'The pieces do not make up the size');
  }
  const identity = await context.access.identify(request);
  const store = new OwnedStore(context, identity);
  const missing = await store.missing(pieces);
  if (missing.length > 0) throw new Problem(409, `${missing.length} of the pieces are not here`);
  async function* bytes(): AsyncGenerator<Uint8Array, void, void> {
    for (const [i, id] of pieces.entries()) {
      const piece = await store.get(id);
      if (piece.length !== Math.min(PIECE_SIZE, size - i * PIECE_SIZE)) {
        throw new Problem(400, `The piece ${id} has not the size that it must have`);
      }
      yield piece;
    }
  }
  return await context.packages.save(bytes(), {
    sizeMax,
    tooLarge: () => tooLarge(sizeMax),
    keep: (id, piece) => keepChunk(context, identity, id, piece),
  });
}
