/** What image sources need of the addon, in plain Node. */
import type { CodecBinding, ScanBinding, StreamBinding } from '../../src/native/addon.ts';
import { NodeScan, PlainCodec } from './node-scan.ts';

export function fakeAddon(
  scan = new NodeScan(),
  codec = new PlainCodec(),
): CodecBinding & ScanBinding & StreamBinding {
  return {
    scanDirectory: (root, path) => scan.scanDirectory(root, path),
    scanEntry: (root, path) => scan.scanEntry(root, path),
    openBeneath: (root, path) => scan.openBeneath(root, path),
    findData: (fd, offset) => scan.findData(fd, offset),
    blake2b: (data, length) => codec.blake2b(data, length),
    digestFile: () => codec.digestFile(),
    encodeChunk: (request) => codec.encodeChunk(request),
    decodeChunk: (request) => codec.decodeChunk(request),
    decodeChunkApart: (request) => codec.decodeChunk(request),
    decodeToFile: (request) => codec.decodeToFile(request),
    verifyFile: (request) => codec.verifyFile(request),
    placeFiles: (requests) => codec.placeFiles(requests),
    zstdCompress: () => codec.zstdCompress(),
    openStream: () => codec.openStream(),
  };
}
