/** What a hub is started with. */
import type pino from 'pino';
import type { DigestFunction } from '../store/chunk-id.ts';
import type { AnonymousWrites } from './access/access.ts';
import type { HubLimits } from './limits.ts';
import type { HubAddon, HubChunkStore, PublicBackend } from './route.ts';
import type { ChunkCacheFolder } from './storage.ts';

export interface HubOptions {
  /** Holds `chunks/` and `catalogue/` unless they are elsewhere, and `tmp/`; made when absent. */
  readonly dataDir: string;
  /** URL of the catalogue, default `level:<dataDir>/catalogue`. */
  readonly catalogue?: string;
  /** Where chunks are kept, or its URL, default the folder `<dataDir>/chunks`. Closed with the hub. */
  readonly chunks?: HubChunkStore | string;
  /** Keeps chunks of a backend on another machine on this one's disk; default not. */
  readonly chunkCache?: ChunkCacheFolder;
  /** Address to listen on, default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default: JSON lines to stderr. `false` logs nothing. */
  readonly logger?: pino.Logger | false;
  readonly limits?: Partial<HubLimits>;
  /** Who may upload without credentials to what nobody owns; default `default`. */
  readonly anonymousWrites?: AnonymousWrites;
  /** How long a session is good for after its password was given, default 12. */
  readonly sessionHours?: number;
  /** Takes tokens that the historical hub has signed with this seed of 32 bytes. */
  readonly signedTokens?: { readonly seed: Uint8Array; readonly ageMsMax?: number };
  /** Serve TLS by this certificate (with its chain) and key, both PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Addresses or networks of proxies whose `X-Forwarded-For` is believed; default none. */
  readonly trustProxy?: readonly string[];
  /** BLAKE2b of uploaded chunks, the addon's for example; default runs on the JS thread. */
  readonly digest?: DigestFunction;
  /** Makes flists of archives and images, looks into flists; without it neither. Reads batches of chunks in fewer steps. */
  readonly addon?: HubAddon;
  /** URL of the hub as clients see it, when it is not what they ask by: behind some proxies. */
  readonly publicUrl?: string;
  /** Where clients that speak the 0-db protocol find its chunks. */
  readonly publicBackend?: PublicBackend;
  /** Hosts (`registry.lan`, `10.0.0.7:5000`) that images may be taken from although their addresses are private. */
  readonly privateRegistries?: readonly string[];
  /** Refuses everything below `/api/flist/me`. Default false. */
  readonly readOnly?: boolean;
  /** Loopback address where metrics are served; default nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  /** Flush uploaded chunks to the device before they are answered for. Default true. */
  readonly fsync?: boolean;
}
