/** A hub behind a door, which is open at first: while it is shut, requests wait in front of it. */
import { request as forward } from 'node:http';
import type { TestContext } from 'node:test';
import { gate } from './gate.ts';
import { startServer } from './http-server.ts';

export interface SlowHub {
  readonly url: string;
  /** Holds requests from now on. @returns a promise that resolves when the first waits */
  shut(): Promise<void>;
  /** Lets the requests through, those that wait and those to come. */
  open(): void;
}

/** @param hubUrl the hub itself */
export async function startSlowHub(t: TestContext, hubUrl: string): Promise<SlowHub> {
  let door = gate();
  let asked = gate();
  door.open();
  const { url } = await startServer(t, async (request, response) => {
    // Everything but the question what it is.
    if (request.url !== '/api/v1') {
      asked.open();
      await door.opened;
    }
    const { method, headers } = request;
    const options = { method, headers: { ...headers, host: new URL(hubUrl).host } };
    const through = forward(new URL(request.url ?? '/', hubUrl), options, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    through.on('error', () => response.destroy());
    request.pipe(through);
  });
  return {
    url,
    shut: () => {
      door = gate();
      asked = gate();
      return asked.opened;
    },
    open: () => door.open(),
  };
}
