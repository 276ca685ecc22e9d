/** Flists, links, tags and texts of repositories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalogue } from '../../../../src/hub/catalogue/catalogue.ts';
import {
  deleteEntry,
  findEntry,
  listEntries,
  putFlist,
  renameEntry,
  resolveFlist,
  resolveTagged,
} from '../../../../src/hub/catalogue/entries.ts';
import { putLink, putTagLink } from '../../../../src/hub/catalogue/links.ts';
import { PACKAGE } from '../../../../src/hub/catalogue/records.ts';
import { findRepository, listRepositories } from '../../../../src/hub/catalogue/repositories.ts';
import { deleteTag, listTag, listTags, putTag } from '../../../../src/hub/catalogue/tags.ts';
import { findText, putText } from '../../../../src/hub/catalogue/texts.ts';
import { collect, testCatalogue } from '../../../support/test-catalogue.ts';

/** Digest of a package that is saved. */
async function saved(catalogue: Catalogue, digit: string): Promise<string> {
  const digest = digit.repeat(64);
  await catalogue.transaction(async (transaction) => {
    const value = { size: 5, md5: digit.repeat(32), pieces: [digest], saved: 1 };
    transaction.put(PACKAGE, [digest], value);
  });
  return digest;
}

async function withFlist(catalogue: Catalogue, repository: string, file: string, digit = 'a') {
  const digest = await saved(catalogue, digit);
  return await putFlist(catalogue, { repository, file, digest, uploader: 'alice' });
}

test('putFlist() shows a saved package and makes its repository', async (t) => {
  const catalogue = await testCatalogue(t);
  const digest = 'f'.repeat(64);
  const flist = { repository: 'bob', file: 'app.flist', digest, uploader: 'alice' };
  assert.equal(await putFlist(catalogue, flist), undefined);
  assert.equal(await findRepository(catalogue, 'bob'), undefined);
  assert.deepEqual(await withFlist(catalogue, 'bob', 'app.flist'), { created: true });
  assert.deepEqual(await withFlist(catalogue, 'bob', 'app.flist', 'b'), { created: false });
  const entry = await findEntry(catalogue, 'bob', 'app.flist');
  assert.equal(entry?.kind === 'flist' && entry.digest, 'b'.repeat(64));
  const repository = await findRepository(catalogue, 'bob');
  assert.deepEqual([repository?.owner, repository?.visibility], ['alice', 'public']);
  await withFlist(catalogue, 'a-b', 'app.flist');
  await withFlist(catalogue, 'a', 'app.flist');
  const names = (await collect(listRepositories(catalogue))).map(({ parts }) => parts[0]);
  assert.deepEqual(names, ['a', 'a-b', 'bob']);
});

test('texts go, move and stay with their flist', async (t) => {
  const catalogue = await testCatalogue(t);
  const text = (file: string) => findText(catalogue, 'sig', 'bob', file);
  assert.equal(await putText(catalogue, 'sig', 'bob', 'app.flist', 'x'), false);
  await withFlist(catalogue, 'bob', 'app.flist');
  assert.equal(await putText(catalogue, 'sig', 'bob', 'app.flist', 'signed'), true);
  await withFlist(catalogue, 'bob', 'other.flist', 'b');
  await putText(catalogue, 'sig', 'bob', 'other.flist', 'other');
  assert.equal(await renameEntry(catalogue, 'bob', 'app.flist', 'new.flist'), true);
  assert.deepEqual([await text('app.flist'), await text('new.flist')], [undefined, 'signed']);
  // In place of another, with what belongs to it.
  assert.equal(await renameEntry(catalogue, 'bob', 'new.flist', 'other.flist'), true);
  assert.equal(await text('other.flist'), 'signed');
  assert.equal(await renameEntry(catalogue, 'bob', 'new.flist', 'other.flist'), false);
  assert.equal(await renameEntry(catalogue, 'bob', 'other.flist', 'other.flist'), true);
  assert.equal(await text('other.flist'), 'signed');
  assert.equal((await deleteEntry(catalogue, 'bob', 'other.flist'))?.kind, 'flist');
  assert.equal(await text('other.flist'), undefined);
  assert.equal(await deleteEntry(catalogue, 'bob', 'other.flist'), undefined);
});

test('links lead to flists through repositories, and never in circles', async (t) => {
  const catalogue = await testCatalogue(t);
  await withFlist(catalogue, 'bob', 'app.flist');
  const link = (repository: string, file: string, to: string, target: string) =>
    putLink(catalogue, { repository, file, owner: repository }, { repository: to, file: target });
  assert.equal(await link('bob', 'a.flist', 'bob', 'nothing.flist'), 'absent');
  assert.equal(await link('bob', 'app.flist', 'bob', 'app.flist'), 'occupied');
  assert.equal(await link('bob', 'a.flist', 'bob', 'app.flist'), 'linked');
  assert.equal(await link('carol', 'b.flist', 'bob', 'a.flist'), 'linked');
  const found = await resolveFlist(catalogue, 'carol', 'b.flist');
  assert.deepEqual([found?.file, found?.through], ['app.flist', ['carol', 'bob']]);
  assert.equal(await link('bob', 'a.flist', 'carol', 'b.flist'), 'linked');
  assert.equal(await resolveFlist(catalogue, 'carol', 'b.flist'), undefined);
  // A flist in place of a link replaces the link, not what it leads to.
  await withFlist(catalogue, 'carol', 'b.flist', 'b');
  assert.equal((await resolveFlist(catalogue, 'bob', 'a.flist'))?.repository, 'carol');
  await deleteEntry(catalogue, 'carol', 'b.flist');
  assert.equal(await resolveFlist(catalogue, 'bob', 'a.flist'), undefined);
  assert.equal((await findEntry(catalogue, 'bob', 'a.flist'))?.kind, 'link');
});

test('a tag comes with its first link and goes with its last', async (t) => {
  const catalogue = await testCatalogue(t);
  await withFlist(catalogue, 'bob', 'app.flist');
  const tagged = { repository: 'carol', tag: 'v1', file: 'app.flist', owner: 'carol' };
  assert.equal(await putTag(catalogue, tagged, { repository: 'bob', file: 'no.flist' }), false);
  const target = { repository: 'bob', file: 'app.flist' };
  assert.equal(await putTag(catalogue, tagged, target), true);
  assert.equal(await putTag(catalogue, { ...tagged, file: 'b.flist' }, target), true);
  const [tag] = await listTags(catalogue, 'carol');
  assert.deepEqual([tag?.tag, tag?.count], ['v1', 2]);
  const links = await collect(listTag(catalogue, 'carol', 'v1'));
  assert.deepEqual(
    links.map(({ parts }) => parts[2]),
    ['app.flist', 'b.flist'],
  );
  const found = await resolveTagged(catalogue, 'carol', 'v1', 'b.flist');
  assert.deepEqual([found?.file, found?.through], ['app.flist', ['carol', 'bob']]);
  assert.equal(await deleteTag(catalogue, 'carol', 'v1', 'b.flist'), true);
  assert.equal(await deleteTag(catalogue, 'carol', 'v1', 'b.flist'), false);
  await deleteTag(catalogue, 'carol', 'v1', 'app.flist');
  assert.deepEqual(await listTags(catalogue, 'carol'), []);
});

test('a link to a tag has no extension and no flist beside it', async (t) => {
  const catalogue = await testCatalogue(t);
  await withFlist(catalogue, 'bob', 'app.flist');
  const target = { repository: 'bob', tag: 'v1' };
  const put = (name: string) =>
    putTagLink(catalogue, { repository: 'carol', name, owner: 'carol' }, target);
  assert.equal(await put('stable'), 'absent');
  const file = { repository: 'bob', file: 'app.flist' };
  await putTag(catalogue, { ...target, file: 'app.flist', owner: 'bob' }, file);
  assert.equal(await put('stable'), 'linked');
  assert.equal(await put('stable'), 'linked');
  await withFlist(catalogue, 'carol', 'app.flist');
  assert.equal(await put('app'), 'occupied');
  const entries = await collect(listEntries(catalogue, 'carol', { after: 'app.flist' }));
  assert.deepEqual(
    entries.map(({ parts, value }) => [parts[1], value.kind]),
    [['stable', 'taglink']],
  );
  assert.equal(await resolveFlist(catalogue, 'carol', 'stable'), undefined);
});
