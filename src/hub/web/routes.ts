/** All pages of the hub, and which path each has. */
import type { FastifyInstance } from 'fastify';
import type { HubContext } from '../route.ts';
import { serveAssets } from './assets.ts';
import { Pages } from './page.ts';
import { accountPage, changeAccount } from './pages/account.ts';
import { adminPage } from './pages/admin.ts';
import { changeHub } from './pages/admin-changes.ts';
import { deleteFlist } from './pages/delete.ts';
import { diffPage } from './pages/diff.ts';
import { rawFile } from './pages/file.ts';
import { flistPage } from './pages/flist.ts';
import { homePage } from './pages/home.ts';
import { login, loginPage, logout } from './pages/login.ts';
import { changeMembers } from './pages/members.ts';
import { repositoryPage, tagPage } from './pages/repository.ts';
import { searchPage } from './pages/search.ts';
import { treePage } from './pages/tree.ts';
import { mergePage, readOnlyPage, uploadPage } from './pages/upload.ts';

export async function webRoutes(app: FastifyInstance, context: HubContext): Promise<void> {
  const assets = await serveAssets(app);
  await app.register(async (scope) => {
    const pages = new Pages(scope, context, assets);
    pages.add('/', { get: homePage });
    pages.add('/search', { get: searchPage });
    pages.add('/diff', { get: diffPage });
    pages.add('/login', { get: loginPage, post: login });
    pages.add('/login-method', { get: loginPage });
    pages.add('/logout', { post: logout });
    pages.addBeside('/upload', uploadPage);
    pages.addBeside('/merge', mergePage);
    pages.add('/readonly', { get: readOnlyPage });
    pages.add('/account', { get: accountPage, post: changeAccount });
    pages.add('/admin', { get: adminPage, post: changeHub });
    pages.add('/:repository', { get: repositoryPage, post: changeMembers });
    pages.add('/:repository/tags/:tag', { get: tagPage });
    pages.add('/:repository/:file.md', { get: flistPage });
    pages.add('/:repository/:file/tree', { get: treePage });
    pages.add('/:repository/:file/tree/*', { get: treePage });
    pages.add('/:repository/:file/raw/*', { get: rawFile });
    pages.add('/:repository/:file/delete', { post: deleteFlist });
  });
}
