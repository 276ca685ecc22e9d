/**
 * What the hub's own routes are, by method and path; those of old clients say it where they are declared. The
 * schemas are those that their handlers parse with.
 */
import { z } from 'zod';
import { CHUNKS_MEDIA_TYPE } from '../../store/chunk-frames.ts';
import {
  memberRequest,
  newRepository,
  newToken,
  newUser,
  repositoryChange,
  repositoryView,
  signInRequest,
  tokenView,
  userChange,
  userView,
} from '../../store/hub-access-protocol.ts';
import {
  batchRequest,
  flistReceipt,
  hubInfo,
  listResponse,
  missingRequest,
  missingResponse,
  presentFlist,
  tagRequest,
  uploadResponse,
} from '../../store/hub-protocol.ts';
import {
  checkRequest,
  collectRequest,
  RUN_MEDIA_TYPE,
  statsRequest,
} from '../../store/hub-runs.ts';
import type { AnswerDocs, OperationDocs } from '../operation.ts';

const BYTES = 'application/octet-stream';
const TEXT = 'text/plain';
const page = z.object({ after: z.string().optional() });
const state = z.object({ status: z.string() });
const chunkReceipt = z.object({ id: z.string(), status: z.enum(['new', 'known']) });
const auditLine = z.object({
  time: z.string(),
  user: z.string().optional(),
  token: z.string().optional(),
  address: z.string(),
  action: z.string(),
  target: z.string(),
});
const bytes: AnswerDocs = { text: 'The bytes', type: BYTES };
const none: AnswerDocs = { text: 'Done' };

function json(schema: z.ZodType, text = 'What was asked for'): AnswerDocs {
  return { text, schema };
}

const next = z.string().optional();
const access = { tag: 'access', isProtected: true } as const;
const lines: AnswerDocs = {
  text: 'Lines of JSON: progress, at last the result or an error',
  type: RUN_MEDIA_TYPE,
};

export const OPERATIONS: Readonly<Record<string, OperationDocs>> = {
  'GET /health': {
    id: 'getHealth',
    tag: 'hub',
    summary: 'Whether the process serves',
    answers: { 200: json(state) },
  },
  'GET /ready': {
    id: 'getReady',
    tag: 'hub',
    summary: 'Whether the hub can work',
    answers: { 200: json(state) },
  },
  'GET /api/v1': {
    id: 'getHub',
    tag: 'hub',
    summary: 'What this is',
    answers: { 200: json(hubInfo) },
  },
  'POST /api/v1/collect/gc': {
    tag: 'hub',
    isProtected: true,
    id: 'collectGarbage',
    summary: 'Deletes chunks and packages that nothing refers to',
    json: collectRequest,
    answers: { 200: lines },
  },
  'POST /api/v1/collect/check': {
    tag: 'hub',
    isProtected: true,
    id: 'checkChunks',
    summary: 'Reads and verifies all chunks, and mends them from another store',
    json: checkRequest,
    answers: { 200: lines },
  },
  'POST /api/v1/collect/stats': {
    tag: 'hub',
    isProtected: true,
    id: 'hubStats',
    summary: 'What each flist needs, and what it alone needs',
    json: statsRequest,
    answers: { 200: lines },
  },
  'GET /api/v1/chunks/:id': {
    id: 'getChunk',
    tag: 'chunks',
    summary: 'One chunk; ranges and conditions are honoured',
    answers: { 200: bytes },
  },
  'GET /chunks/:prefix/:id': {
    id: 'getStaticChunk',
    tag: 'chunks',
    summary: 'One chunk, in the layout of plain web servers',
    answers: { 200: bytes },
  },
  'PUT /api/v1/chunks/:id': {
    id: 'putChunk',
    tag: 'chunks',
    summary: 'Store a chunk, whose bytes match its id',
    isProtected: true,
    body: { type: BYTES },
    answers: { 200: json(chunkReceipt, 'It was there'), 201: json(chunkReceipt, 'It is new') },
  },
  'POST /api/v1/chunks/missing': {
    id: 'findMissing',
    tag: 'chunks',
    summary: 'Which chunks are not there',
    json: missingRequest,
    answers: { 200: json(missingResponse) },
  },
  'POST /api/v1/chunks/batch': {
    id: 'getChunks',
    tag: 'chunks',
    summary: 'Many chunks in one answer',
    json: batchRequest,
    answers: { 200: { text: 'Frames, one per chunk', type: CHUNKS_MEDIA_TYPE } },
  },
  'POST /api/v1/chunks/upload': {
    id: 'putChunks',
    tag: 'chunks',
    summary: 'Store many chunks',
    isProtected: true,
    body: { type: CHUNKS_MEDIA_TYPE },
    answers: { 200: json(uploadResponse) },
  },
  'GET /api/v1/flists': {
    id: 'listFlists',
    tag: 'flists',
    summary: 'Flists, sorted, behind a name; those whose names have all words of `q`',
    query: page.extend({ q: z.string().optional() }),
    answers: { 200: json(listResponse) },
  },
  'PUT /api/v1/flists/:repository/:name': {
    id: 'putFlist',
    tag: 'flists',
    summary: 'Publish a flist',
    isProtected: true,
    body: { type: BYTES },
    answers: { 200: json(flistReceipt, 'In place of another'), 201: json(flistReceipt, 'New') },
  },
  'POST /api/v1/flists/:repository/:name': {
    id: 'publishPresent',
    tag: 'flists',
    summary: 'Publish a flist that the hub has under another name, or in pieces as chunks',
    isProtected: true,
    json: presentFlist,
    answers: { 200: json(flistReceipt, 'In place of another'), 201: json(flistReceipt, 'New') },
  },
  'PUT /api/v1/tags/:repository/:tag/:name': {
    id: 'setTagLink',
    tag: 'flists',
    summary: 'Set a link of a tag, which is made when it is the first',
    isProtected: true,
    json: tagRequest,
    answers: { 204: none },
  },
  'DELETE /api/v1/tags/:repository/:tag/:name': {
    id: 'removeTagLink',
    tag: 'flists',
    summary: 'Remove a link of a tag, which goes with its last',
    isProtected: true,
    answers: { 204: none },
  },
  'DELETE /api/v1/flists/:repository/:name': {
    id: 'deleteFlist',
    tag: 'flists',
    summary: 'Take a flist away',
    isProtected: true,
    answers: { 204: none },
  },
  'PUT /api/v1/flists/:repository/:name/signature': {
    id: 'putSignature',
    tag: 'flists',
    summary: 'Keep signatures beside a flist',
    isProtected: true,
    body: { type: TEXT },
    answers: { 204: none },
  },
  'PUT /api/v1/flists/:repository/:name/profile': {
    id: 'putProfile',
    tag: 'flists',
    summary: 'Keep a start profile beside a flist',
    isProtected: true,
    body: { type: TEXT },
    answers: { 204: none },
  },
  'GET /:repository/:file': {
    id: 'getFile',
    tag: 'files',
    summary:
      'A flist, what lies beside it (.sig, .profile), a view of it (.md5, .txt, .json, .md), or a chunk',
    answers: { 200: bytes },
  },
  'GET /:repository/tags/:tag/:file': {
    id: 'getTaggedFile',
    tag: 'files',
    summary: 'A flist through a tag, or a view of it',
    answers: { 200: bytes },
  },
  'POST /api/v1/signin': {
    id: 'signIn',
    tag: 'access',
    summary: 'A session for a password',
    json: signInRequest,
    answers: { 201: json(z.object({ access_token: z.string() }), 'The session') },
  },
  'GET /api/v1/user': {
    ...access,
    id: 'getUser',
    summary: 'Who the caller is',
    answers: { 200: json(z.object({ name: z.string(), role: z.string(), scope: z.string() })) },
  },
  'GET /api/v1/users': {
    ...access,
    id: 'listUsers',
    summary: 'Users, sorted, behind a name',
    query: page,
    answers: { 200: json(z.object({ users: z.array(userView), next })) },
  },
  'POST /api/v1/users': {
    ...access,
    id: 'makeUser',
    summary: 'Make a user',
    json: newUser,
    answers: { 201: json(userView, 'The user') },
  },
  'GET /api/v1/users/:user': {
    ...access,
    id: 'findUser',
    summary: 'A user',
    answers: { 200: json(userView) },
  },
  'PATCH /api/v1/users/:user': {
    ...access,
    id: 'changeUser',
    summary: 'Change a user',
    json: userChange,
    answers: { 200: json(userView, 'The user') },
  },
  'GET /api/v1/tokens': {
    ...access,
    id: 'listTokens',
    summary: 'Tokens of a user, default the caller',
    query: z.object({ user: z.string().optional() }),
    answers: { 200: json(z.object({ tokens: z.array(tokenView) })) },
  },
  'POST /api/v1/tokens': {
    ...access,
    id: 'makeToken',
    summary: 'Make a token, which is shown this once',
    json: newToken,
    answers: { 201: json(z.object({ ...tokenView.shape, token: z.string() }), 'The token') },
  },
  'DELETE /api/v1/tokens/:token': {
    ...access,
    id: 'deleteToken',
    summary: 'Revoke a token',
    answers: { 204: none },
  },
  'GET /api/v1/repositories': {
    tag: 'access',
    id: 'findRepositories',
    summary: 'Repositories that the caller may read, sorted, behind a name',
    query: page,
    answers: { 200: json(z.object({ repositories: z.array(repositoryView), next })) },
  },
  'POST /api/v1/repositories': {
    ...access,
    id: 'makeRepository',
    summary: 'Make a repository',
    json: newRepository,
    answers: { 201: json(repositoryView, 'The repository') },
  },
  'GET /api/v1/repositories/:repository': {
    tag: 'access',
    id: 'getRepository',
    summary: 'A repository',
    answers: { 200: json(repositoryView) },
  },
  'PATCH /api/v1/repositories/:repository': {
    ...access,
    id: 'changeRepository',
    summary: 'Change a repository',
    json: repositoryChange,
    answers: { 200: json(repositoryView, 'The repository') },
  },
  'PUT /api/v1/repositories/:repository/members/:user': {
    ...access,
    id: 'setMember',
    summary: 'Let a user read or publish',
    json: memberRequest,
    answers: { 204: none },
  },
  'DELETE /api/v1/repositories/:repository/members/:user': {
    ...access,
    id: 'deleteMember',
    summary: 'Take a member away',
    answers: { 204: none },
  },
  'GET /api/v1/audit': {
    ...access,
    id: 'listAudit',
    summary: 'The audit log, newest first',
    query: page,
    answers: { 200: json(z.object({ lines: z.array(auditLine), next })) },
  },
};
