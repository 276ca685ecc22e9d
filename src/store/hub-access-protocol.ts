/** What hub and clients agree on about users, tokens and repositories (docs/hub.md): shapes of JSON bodies. Pure. */
import { z } from 'zod';

const name = z.string().min(1).max(200);
const scope = z.enum(['read', 'publish', 'admin']);
const role = z.enum(['user', 'admin']);
// As `access/password.ts` bounds it.
const password = z.string().min(10).max(200);
const quota = z.number().int().nonnegative();
const days = z.number().int().min(1).max(3650);
const time = z.string().max(64);

export const signInRequest = z.object({
  username: name,
  password: z.string().max(1024),
  /** Default `publish`. */
  scope: scope.optional(),
});

export const newUser = z.strictObject({
  name,
  role: role.optional(),
  password: password.optional(),
  quota: quota.optional(),
});
/** `null` takes a value away. */
export const userChange = z.strictObject({
  role: role.optional(),
  password: password.nullable().optional(),
  quota: quota.nullable().optional(),
  disabled: z.boolean().optional(),
  /** Bytes that count as used from now on. */
  used: quota.optional(),
});
export const userView = z.object({
  name,
  role,
  disabled: z.boolean(),
  hasPassword: z.boolean(),
  quota: quota.optional(),
  used: quota,
  created: time,
});
export type UserView = z.infer<typeof userView>;

export const newToken = z.strictObject({
  scope,
  note: z.string().max(200).optional(),
  /** Until it expires, default 90. */
  days: days.optional(),
  /** Default: who asks. Others only by an administrator. */
  user: name.optional(),
});
export const tokenView = z.object({
  id: z.string().max(64),
  user: name,
  scope,
  note: z.string().max(200),
  created: time,
  expires: time.optional(),
  used: time.optional(),
});
export type TokenView = z.infer<typeof tokenView>;

const visibility = z.enum(['public', 'private']);
export const newRepository = z.strictObject({ name, visibility: visibility.optional() });
export const repositoryChange = z.strictObject({
  visibility: visibility.optional(),
  /** By an administrator of the hub. */
  owner: name.optional(),
  official: z.boolean().optional(),
});
export const memberRequest = z.strictObject({ right: z.enum(['read', 'publish']) });
export const repositoryView = z.object({
  name,
  owner: name.optional(),
  visibility,
  official: z.boolean(),
  created: time,
  /** To those who may say who they are. */
  members: z.array(z.object({ user: name, right: z.enum(['read', 'publish']) })).optional(),
});
export type RepositoryView = z.infer<typeof repositoryView>;

/** Users, repositories or lines of the audit log on one page. */
export const ACCESS_PAGE_COUNT = 500;
