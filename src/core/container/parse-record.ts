/** Checks what is found on disk of a container. Pure. */
import { z } from 'zod';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerRecord } from './record.ts';

const identity = z.object({ pid: z.number().int(), startTicks: z.string(), boot: z.string() });
const layer = z.object({ number: z.number().int(), source: z.string() });
const schema = z.object({
  id: z.number().int(),
  state: z.enum(['creating', 'running', 'ending']),
  // Written by us from what was checked; only its being there is looked at.
  arguments: z.custom<ContainerArguments>((value) => typeof value === 'object' && value !== null),
  created: z.string(),
  owner: identity,
  init: identity.nullable(),
  command: z.array(z.string()).nullable(),
  layer: layer.optional(),
  pending: layer.optional(),
  mountPoints: z.array(z.string()),
  cacheDir: z.string(),
});

/** @throws for anything that is no record of this version */
export function parseRecord(text: string): ContainerRecord {
  return schema.parse(JSON.parse(text));
}
