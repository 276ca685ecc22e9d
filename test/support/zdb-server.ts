/**
 * A small server that speaks as 0-db does, for tests: no package has 0-db itself. Written after chunk-format
 * section 6 of the specification and 0-db's own manual: user keys, namespaces with password and public flag,
 * `SET` answers with the key or nil, `SCAN` by a cursor of bytes, errors in 0-db's words.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface Namespace {
  readonly password?: string;
  /** Everybody may read; default true. */
  readonly isPublic?: boolean;
}

export interface ZdbServer {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Names of the commands that came, upper case. */
  readonly commands: readonly string[];
  /** Ends all connections. */
  cut(): void;
  close(): Promise<void>;
}

interface Space extends Namespace {
  /** By hex of the key, in the order written, each with its place in the log. */
  readonly entries: Map<string, { readonly value: Buffer; readonly place: number }>;
}

interface Session {
  space: Space;
  canWrite: boolean;
}

const KEY_SIZE_MAX = 255;
const VALUE_SIZE_MAX = 8 * 1024 * 1024;
/** 0-db returns what it finds in two milliseconds; a few make the cursor matter. */
const SCAN_COUNT = 5;
const CURSOR_SIZE = 13;

let places = 0;

class Refusal extends Error {}

export async function startZdb(
  namespaces: Readonly<Record<string, Namespace>> = {},
  admin?: string,
): Promise<ZdbServer> {
  const spaces = new Map<string, Space>([['default', { entries: new Map() }]]);
  for (const [name, space] of Object.entries(namespaces)) {
    spaces.set(name, { ...space, entries: new Map() });
  }
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const session = { space: spaces.get('default') as Space, canWrite: true };
    let pieces: Buffer[] = [];
    let size = 0;
    let wanted = 0;
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      size += piece.length;
      if (size < wanted) return;
      let rest: Buffer = Buffer.concat(pieces);
      let next = readCommand(rest);
      for (; typeof next !== 'number'; next = readCommand(rest)) {
        rest = rest.subarray(next.size);
        const [name = Buffer.alloc(0), ...args] = next.words;
        const command = name.toString('latin1').toUpperCase();
        commands.push(command);
        socket.write(answer(command, args, { session, spaces, admin }));
      }
      pieces = [rest];
      size = rest.length;
      wanted = next;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
    commands,
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface World {
  readonly session: Session;
  readonly spaces: ReadonlyMap<string, Space>;
  readonly admin: string | undefined;
}

function answer(command: string, args: readonly Buffer[], world: World): Buffer {
  try {
    return run(command, args, world);
  } catch (error) {
    if (error instanceof Refusal) return Buffer.from(`-${error.message}\r\n`);
    throw error;
  }
}

function run(command: string, args: readonly Buffer[], { session, spaces, admin }: World): Buffer {
  const { entries } = session.space;
  const [first = Buffer.alloc(0), second] = args;
  const key = first.toString('hex');
  switch (command) {
    case 'PING':
      return Buffer.from('+PONG\r\n');
    case 'AUTH':
      if (admin === undefined) throw new Refusal('Authentication disabled');
      if (first.toString() !== admin) throw new Refusal('Access denied');
      return Buffer.from('+OK\r\n');
    case 'SELECT': {
      const space = spaces.get(first.toString());
      if (space === undefined) throw new Refusal('Namespace not found');
      const isOpen = space.password === undefined || second?.toString() === space.password;
      if (!isOpen && (second !== undefined || space.isPublic === false)) {
        throw new Refusal('Access denied');
      }
      session.space = space;
      session.canWrite = isOpen;
      return Buffer.from('+OK\r\n');
    }
    case 'GET':
      return bulk(entries.get(key)?.value);
    case 'EXISTS':
      return Buffer.from(`:${entries.has(key) ? 1 : 0}\r\n`);
    case 'SET':
      if (second === undefined) throw new Refusal('Missing argument');
      assertWritable(session);
      if (first.length > KEY_SIZE_MAX || second.length > VALUE_SIZE_MAX) {
        throw new Refusal('Key or payload too large');
      }
      if (entries.get(key)?.value.equals(second)) return bulk(undefined);
      entries.delete(key);
      entries.set(key, { value: Buffer.from(second), place: ++places });
      return bulk(first);
    case 'DEL':
      assertWritable(session);
      if (!entries.delete(key)) throw new Refusal('Key not found');
      return Buffer.from('+OK\r\n');
    case 'SCAN':
      return scan(session.space, args[0]);
    default:
      throw new Refusal('Command not supported');
  }
}

function assertWritable(session: Session): void {
  if (!session.canWrite) throw new Refusal('Namespace is in read-only mode');
}

/** The cursor is a place in the log, so that a scan goes on whatever was deleted behind it. */
function scan(space: Space, cursor: Buffer | undefined): Buffer {
  if (cursor !== undefined && cursor.length !== CURSOR_SIZE) {
    throw new Refusal('Invalid key format');
  }
  const start = cursor?.readUInt32LE(0) ?? 0;
  const behind = [...space.entries].filter(([, { place }]) => place > start);
  const page = behind.slice(0, SCAN_COUNT);
  const last = page.at(-1);
  if (last === undefined) throw new Refusal('No more data');
  const next = Buffer.alloc(CURSOR_SIZE);
  next.writeUInt32LE(last[1].place);
  const items = page.map(([key, { value }]) =>
    Buffer.concat([
      Buffer.from('*3\r\n'),
      bulk(Buffer.from(key, 'hex')),
      Buffer.from(`:${value.length}\r\n:1700000000\r\n`),
    ]),
  );
  return Buffer.concat([
    Buffer.from('*2\r\n'),
    bulk(next),
    Buffer.from(`*${items.length}\r\n`),
    ...items,
  ]);
}

function bulk(bytes: Buffer | undefined): Buffer {
  if (bytes === undefined) return Buffer.from('$-1\r\n');
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** The words of a whole command at the beginning of `bytes`, or how many bytes it needs at least. */
function readCommand(bytes: Buffer): { words: Buffer[]; size: number } | number {
  let offset = 0;
  const number = (mark: string): number | undefined => {
    const end = bytes.indexOf('\r\n', offset, 'latin1');
    if (end === -1) return undefined;
    const text = bytes.toString('latin1', offset, end);
    if (!text.startsWith(mark)) throw new Error(`Not RESP: ${text.slice(0, 20)}`);
    offset = end + 2;
    return Number(text.slice(1));
  };
  const count = number('*');
  if (count === undefined) return bytes.length + 1;
  const words: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const size = number('$');
    if (size === undefined) return bytes.length + 1;
    if (bytes.length < offset + size + 2) return offset + size + 2;
    words.push(bytes.subarray(offset, offset + size));
    offset += size + 2;
  }
  return { words, size: offset };
}
