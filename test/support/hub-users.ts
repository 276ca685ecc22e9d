/** A hub with users for a test file, and requests in their names. */
import assert from 'node:assert/strict';
import type { HubOptions } from '../../src/hub/options.ts';
import { createHub, type Hub } from '../../src/hub/server.ts';

export interface Asked {
  readonly token?: string | undefined;
  /** An object is sent as JSON, bytes as they are. */
  readonly body?: Uint8Array | object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export class UsersHub {
  readonly hub: Hub;
  readonly url: string;
  /** The first administrator's. */
  readonly admin: string;

  private constructor(hub: Hub) {
    this.hub = hub;
    this.url = hub.url;
    this.admin = hub.firstAdmin?.token as string;
  }

  static async start(dataDir: string, options: Partial<HubOptions> = {}): Promise<UsersHub> {
    return new UsersHub(await createHub({ logger: false, fsync: false, ...options, dataDir }));
  }

  async ask(method: string, path: string, asked: Asked = {}): Promise<Response> {
    const { token, body, headers = {} } = asked;
    const isJson = body !== undefined && !(body instanceof Uint8Array);
    return await fetch(this.url + path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(isJson && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as Uint8Array) }),
    });
  }

  async status(method: string, path: string, asked: Asked = {}): Promise<number> {
    const response = await this.ask(method, path, asked);
    await response.arrayBuffer();
    return response.status;
  }

  async json<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
    const response = await this.ask(method, path, asked);
    const text = await response.text();
    assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Makes a user and a token of theirs. */
  async user(name: string, more: object = {}, scope = 'admin'): Promise<string> {
    await this.json('POST', '/api/v1/users', { token: this.admin, body: { name, ...more } });
    return await this.token(name, scope);
  }

  async token(user: string, scope: string): Promise<string> {
    const body = { user, scope };
    const asked = { token: this.admin, body };
    return (await this.json<{ token: string }>('POST', '/api/v1/tokens', asked)).token;
  }
}
