/**
 * The public interface of the package: make flists, look into them, read and store chunks, serve a hub,
 * drive core daemons.
 * Mounting is what the command `g8ufs mount` does; its daemon is not a library.
 */
export { type ErrorCode, type ErrorDetails, G8Error, isG8Error } from './base/errors.ts';
export {
  type ContainerInfo,
  type ContainerRequest,
  type ContainerStatus,
  ContainersClient,
  type NicRequest,
} from './core/client/containers-client.ts';
export { CoreClient, type CoreClientOptions } from './core/client/core-client.ts';
export { CoreJob, type WaitOptions } from './core/client/core-job.ts';
export type { CoreResult, StreamRecord } from './core/client/core-result.ts';
export { FileClient, type FileEntry } from './core/client/file-client.ts';
export {
  type CommandArguments,
  PlaceClient,
  type SendOptions,
  type SystemOptions,
} from './core/client/place-client.ts';
export { createHub } from './hub/server.ts';
export { type CreateOptions, type CreateSummary, createFlist } from './image/create.ts';
export { type Image, type OpenImageOptions, openImage } from './image/open.ts';
export { readContent } from './image/read.ts';
export type { Addon } from './native/addon.ts';
export { addon } from './native/load.ts';
export { HubClient } from './store/hub-client.ts';
export { openRoutedStore, openStore } from './store/open.ts';
export type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  PrunableChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from './store/store.ts';
