/** Names of the files that an unpacked image consists of (docs/format.md, section 2). */
export const INDEX_FILES = ['mount.erofs', 'mount.contents', 'mount.chunks'] as const;
/** What the kernel mounts of an image: made here from the index, never taken from a package. */
export const KERNEL_FILE = 'kernel.erofs';
export const ROUTER_FILE = 'router.yaml';
export const METADATA_FILE = 'metadata.json';
/** Signatures that came from a hub with the image; of the cache, no part of a package. */
export const SIGNATURE_FILE = 'image.sig';
