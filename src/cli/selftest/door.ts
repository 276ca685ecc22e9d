/** A door in front of a server on loopback: connections go through, are cut, or stand still. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Door {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isStill = false;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(target: string): Promise<Door> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const door = new Door(server);
    server.on('connection', (inner) => door.#through(inner, connect(Number(port), hostname)));
    return door;
  }

  /** Ends every connection that is open, in the middle of whatever it carries. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing goes through, and nobody is told. */
  set still(isStill: boolean) {
    this.#isStill = isStill;
    for (const socket of this.#sockets) {
      if (isStill) socket.pause();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #through(one: Socket, other: Socket): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on('error', () => {});
      from.once('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#isStill) from.pause();
    }
  }
}
