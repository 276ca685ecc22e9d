/** The part of the addon that knows peers of sockets. */
export interface PeerBinding {
  /** User id of whoever has connected, at that moment, over a Unix socket. @throws ERR_IO for what is none */
  peerUser(fd: number): number;
}
