/**
 * Signal inside this folder: an entry makes no sense. Never leaves `read-tree.ts`, which either leaves the
 * entry out or turns the signal into an error that names the file, nor `parse-dump.ts`, which names the line.
 */

/** The message continues a sentence that begins with the file: `has no record`. */
export class Unusable extends Error {}
