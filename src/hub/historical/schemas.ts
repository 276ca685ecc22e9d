/** Shapes of what historical routes answer. */
import { z } from 'zod';
import type { AnswerDocs } from '../operation.ts';

const unix = z.number().int().meta({ description: 'Seconds since 1970' });
const md5 = z.string().regex(/^[0-9a-f]{32}$/);

export const failure = z
  .object({ status: z.literal('error'), message: z.string() })
  .meta({ id: 'Failure' });

export const listedItem = z
  .object({
    name: z.string(),
    size: z.string().meta({ description: 'KiB of the target, such as `1.38 KB`' }),
    updated: unix,
    linktime: unix.optional(),
    type: z.enum(['regular', 'symlink', 'taglink', 'tag']),
    target: z.string().optional(),
  })
  .meta({ id: 'ListedItem' });
export const listing = z.array(listedItem);

export const statistics = z
  .object({
    regular: z.number().int(),
    symlink: z.number().int(),
    directory: z.number().int(),
    special: z.number().int(),
    failure: z.number().int(),
    fullsize: z.number().int(),
  })
  .meta({ id: 'Statistics' });

export const contents = z
  .object({
    content: z.array(z.object({ size: z.number().int(), path: z.string() })),
    ...statistics.shape,
  })
  .meta({ id: 'Contents' });

export const flistInfo = z
  .object({
    name: z.string(),
    size: z.number().int(),
    updated: unix,
    type: z.enum(['regular', 'symlink']),
    linktime: unix.optional(),
    target: z.string().optional(),
    md5,
  })
  .meta({ id: 'FlistInfo' });

export const settings = z
  .record(z.string(), z.unknown())
  .meta({ id: 'Settings', description: 'Settings that go with a flist, by key' });

export const done = z.object({ status: z.literal('success') }).meta({ id: 'Done' });

export function success<T extends z.ZodType>(payload: T) {
  return z.object({ status: z.literal('success'), payload });
}

export const filesReport = <T extends z.ZodType>(response: T) =>
  z.object({
    success: z.boolean(),
    error: z.null(),
    response,
    status: z.number().int(),
  });

export const DONE: Readonly<Record<number, AnswerDocs>> = {
  200: { text: 'Done', schema: done },
};
export const NOT_FOUND: Readonly<Record<number, AnswerDocs>> = {
  404: { text: 'There is no such thing' },
};
