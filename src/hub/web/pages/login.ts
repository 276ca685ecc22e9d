/** `/login` and `/logout`. */
import type { FastifyReply } from 'fastify';
import { CredentialsProblem } from '../../access/access.ts';
import { sessionForPassword, sessionForToken } from '../../access/log-in.ts';
import { Problem } from '../../problem.ts';
import { formOf } from '../form.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { redirect } from '../page.ts';
import { beginSession, endSession } from '../session.ts';
import type { Visit } from '../visit.ts';

export async function loginPage(visit: Visit): Promise<Page | FastifyReply> {
  if (visit.identity.user !== undefined) return redirect(visit, '/account');
  return view();
}

/** A password or a token becomes a session. */
export async function login(visit: Visit): Promise<Page | FastifyReply> {
  const { context, request, reply } = visit;
  const field = await formOf(visit);
  const [user, secret] = [field('user'), field('secret')];
  try {
    const session =
      user === ''
        ? await sessionForToken(context, request, secret)
        : await sessionForPassword(context, request, { user, password: secret, scope: 'admin' });
    beginSession(request, reply, session);
  } catch (error) {
    const isRefused =
      error instanceof CredentialsProblem || (error instanceof Problem && error.status === 429);
    if (!isRefused) throw error;
    return { ...view(error.message, user), status: error.status };
  }
  return redirect(visit, '/');
}

export async function logout(visit: Visit): Promise<FastifyReply> {
  await formOf(visit);
  endSession(visit.request, visit.reply);
  return redirect(visit, '/');
}

function view(failure?: string, user = ''): Page {
  const body = html`
<div class="narrow">
<h1>Log in</h1>
${failure !== undefined && html`<p class="note bad" role="alert">${failure}.</p>`}
<form method="post" action="/login" class="stack">
  <label>User <input name="user" value="${user}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="200" aria-describedby="user-hint"></label>
  <p class="hint" id="user-hint">Leave it empty to log in with a token.</p>
  <label>Password or token <input name="secret" type="password" required autocomplete="current-password" maxlength="1000"></label>
  <button>Log in</button>
</form>
<p class="dim">The first start of a hub prints a token of its administrator. Programs do not log in: they send their
  token as <code>Authorization: Bearer</code>.</p>
</div>`;
  return { title: 'Log in', body };
}
