/**
 * Signal inside the record layer: an entry makes no sense. Never leaves `read-tree.ts`, which either
 * leaves the entry out or turns the signal into an error that names the file.
 */

/** The message continues a sentence that begins with the file: `has no record`. */
export class Unusable extends Error {}
