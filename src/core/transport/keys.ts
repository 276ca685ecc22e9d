/** Names of the protocol's keys in Redis, and how long they live. Pure. */

export const QUEUE_KEY = 'core:default';

/** A list that is not empty while a job is known; without an expiry while it runs. */
export const flagKey = (id: string): string => `result:${id}:flag`;
export const resultKey = (id: string): string => `result:${id}`;
export const streamKey = (id: string): string => `stream:${id}`;
export const loggerKey = (name: string): string => `logger:${name}`;

/** Of results and of the flags of jobs that have ended. */
export const RESULT_TTL_S = 300;
/** Of a stream, from its last record on. */
export const STREAM_TTL_S = 60;
export const STREAM_COUNT_MAX = 1000;
