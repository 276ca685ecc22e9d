/** Credentials and rights, without a hub. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT, UnsecuredJWT } from 'jose';
import { FailureBound } from '../../../src/hub/access/failures.ts';
import { type Identity, mayAccess, type Right } from '../../../src/hub/access/identity.ts';
import { hashPassword, passwordMatches } from '../../../src/hub/access/password.ts';
import { Sessions } from '../../../src/hub/access/session.ts';
import { SignedTokens } from '../../../src/hub/access/signed-token.ts';
import { hashSecret, makeToken, parseToken, secretMatches } from '../../../src/hub/access/token.ts';
import { type Repository, type Scope, SETTING } from '../../../src/hub/catalogue/records.ts';
import { testCatalogue } from '../../support/test-catalogue.ts';

test('a token is an id and a secret, of which only the hash is compared', () => {
  const { text, id, secret } = makeToken();
  assert.deepEqual(parseToken(text), { id, secret });
  assert(!text.includes('.'), 'old clients take a dot for a JWT');
  assert.equal(secretMatches(secret, hashSecret(secret)), true);
  assert.equal(secretMatches(makeToken().secret, hashSecret(secret)), false);
  for (const bad of ['', 'g8_', `${text}0`, text.slice(1), text.toUpperCase(), `g8_${id}_`]) {
    assert.equal(parseToken(bad), undefined);
  }
});

const SEED = Buffer.from('0123456789abcdef0123456789abcdef');
// The vector of the historical hub's tokens.
const VECTOR =
  '2CyTRtPjzCiT4cfy9LICCRbi2JIxa_YTd0Z61Qb0mdkPXNLHq6GKO7PPeEu5F7UL6xuXct1QtU8s4pYmc2_eAlsiYWxpY2UuM2JvdCIsIDE3MDAwMDAwMDBd';
const MADE_MS = 1_700_000_000_000;

test('a signed token of the historical hub is made and checked byte for byte', () => {
  const tokens = new SignedTokens(SEED);
  assert.equal(tokens.make('alice.3bot', MADE_MS), VECTOR);
  assert.deepEqual(tokens.check(VECTOR), { user: 'alice.3bot' });
  assert.deepEqual(tokens.check(VECTOR.replace(/=+$/, '')), { user: 'alice.3bot' });
});

test('a signed token that was changed, or of another key, is forged', () => {
  const tokens = new SignedTokens(SEED);
  const flipped = Buffer.from(VECTOR, 'base64url');
  flipped[70] = (flipped[70] as number) ^ 1;
  const other = new SignedTokens(Buffer.alloc(32, 7)).make('alice.3bot', MADE_MS);
  const bad = ['', 'x', VECTOR.slice(0, 80), flipped.toString('base64url'), other, `${VECTOR}$`];
  for (const text of [...bad, 'A'.repeat(2000)]) assert.equal(tokens.check(text), 'forged');
  assert.throws(() => new SignedTokens(Buffer.alloc(31)), RangeError);
});

test('a signed token has an age where the hub says so', () => {
  const tokens = new SignedTokens(SEED, 1000);
  assert.deepEqual(tokens.check(VECTOR, MADE_MS + 1000), { user: 'alice.3bot' });
  assert.equal(tokens.check(VECTOR, MADE_MS + 1001), 'old');
  assert.equal(tokens.check(VECTOR, MADE_MS - 3_600_000), 'old', 'it comes from the future');
});

test('a password is kept as a salted hash and found again', async () => {
  const [first, second] = await Promise.all([
    hashPassword('correct horse'),
    hashPassword('correct horse'),
  ]);
  assert.notEqual(first, second);
  assert(!first.includes('correct'));
  assert.equal(await passwordMatches(first, 'correct horse'), true);
  assert.equal(await passwordMatches(first, 'correct horsf'), false);
  assert.equal(await passwordMatches(undefined, ''), false);
  assert.equal(await passwordMatches('correct horse', 'correct horse'), false);
  assert.equal(await passwordMatches(first, 'x'.repeat(201)), false);
});

test('a session is good until it ends, and only as it was made', async (t) => {
  const catalogue = await testCatalogue(t);
  const sessions = await Sessions.open(catalogue, 1);
  const text = await sessions.make('alice', 'publish');
  const session = await (await Sessions.open(catalogue, 1)).check(text);
  assert.deepEqual([session?.user, session?.scope], ['alice', 'publish']);
  const key = Buffer.from((await catalogue.get(SETTING, 'jwt'))?.value as string, 'hex');
  assert.equal(key.length, 32);
  const [head, body, signature] = text.split('.') as [string, string, string];
  const claims = { username: 'alice', scope: 'admin', made: Date.now() };
  const bodyOf = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (secret: Uint8Array, exp: string, value: Record<string, unknown> = claims) =>
    new SignJWT(value).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(exp).sign(secret);
  const bad = [
    '',
    'a.b.c',
    `${head}.${bodyOf({ ...claims, exp: 4e9 })}.${signature}`,
    `${head}.${body}.`,
    new UnsecuredJWT(claims).setExpirationTime('1h').encode(),
    await sign(Buffer.alloc(32), '1h'),
    await sign(key, '-1s'),
    await sign(key, '1h', { ...claims, scope: 'root' }),
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key),
    await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS512' })
      .setExpirationTime('1h')
      .sign(Buffer.concat([key, key])),
  ];
  for (const text of bad) assert.equal(await sessions.check(text), undefined, text);
  assert.notEqual(await sessions.check(await sign(key, '1h')), undefined, 'the test signs right');
});

const identity = (user: string | undefined, scope: Scope, isAdmin = false): Identity => ({
  ...(user !== undefined && { user }),
  scope,
  isAdmin,
  via: user === undefined ? 'anonymous' : 'token',
});
const repository = (more: Partial<Repository> = {}): Repository => ({
  owner: 'alice',
  members: [
    { user: 'bob', right: 'publish' },
    { user: 'carol', right: 'read' },
  ],
  visibility: 'private',
  official: false,
  created: 1,
  ...more,
});
const { owner: _, ...OWNERLESS } = repository({ visibility: 'public' });

// Of read, publish and manage, those that are allowed.
const RIGHTS: [
  who: string,
  identity: Identity,
  private_: string,
  public_: string,
  nobodys: string,
][] = [
  ['anonymous', identity(undefined, 'read'), '', 'read', 'read'],
  ['anonymous, who may upload', identity(undefined, 'publish'), '', 'read', 'read publish'],
  ['the owner', identity('alice', 'admin'), 'read publish manage', 'read publish manage', 'read'],
  ['the owner to publish', identity('alice', 'publish'), 'read publish', 'read publish', 'read'],
  ['the owner to read', identity('alice', 'read'), 'read', 'read', 'read'],
  [
    'a member who publishes',
    identity('bob', 'admin'),
    'read publish',
    'read publish',
    'read publish',
  ],
  ['a member who reads', identity('carol', 'admin'), 'read', 'read', 'read'],
  ['another', identity('dave', 'admin'), '', 'read', 'read'],
  [
    'an administrator',
    identity('root', 'admin', true),
    'read publish manage',
    'read publish manage',
    'read publish manage',
  ],
  ['an administrator to read', identity('root', 'read', true), 'read', 'read', 'read'],
];
for (const [who, asking, private_, public_, nobodys] of RIGHTS) {
  test(`${who} has the rights in a repository that the model says`, () => {
    const rights = (name: string, of: Repository) =>
      (['read', 'publish', 'manage'] satisfies Right[])
        .filter((right) => mayAccess(asking, name, of, right))
        .join(' ');
    assert.equal(rights('project', repository()), private_);
    assert.equal(rights('project', repository({ visibility: 'public' })), public_);
    assert.equal(rights('project', OWNERLESS), nobodys);
  });
}

test('what nobody owns is the user of its name', () => {
  assert(mayAccess(identity('dave', 'publish'), 'dave', OWNERLESS, 'publish'));
  assert(!mayAccess(identity('dave', 'publish'), 'dave.x', OWNERLESS, 'publish'));
});

test('wrong credentials of an address are bounded for a minute', () => {
  let now = 0;
  const bound = new FailureBound(2, () => now);
  bound.add('a');
  bound.assertFree('a');
  bound.add('a');
  assert.throws(() => bound.assertFree('a'), { status: 429, headers: { 'retry-after': '60' } });
  bound.assertFree('b');
  now = 60_000;
  bound.assertFree('a');
});
