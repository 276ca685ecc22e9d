// Sends and receives messages with descriptors over a socket that keeps message borders. Any thread.
#ifndef G8UFS_NATIVE_KEEPER_MESSAGE_SOCKET_H_
#define G8UFS_NATIVE_KEEPER_MESSAGE_SOCKET_H_

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/protocol.h"

namespace g8ufs::keeper {

// Returns 0 or an errno. REQUIRES: fds.size() <= kFdsMax.
int SendMessage(int socket, const Message& message, const std::vector<int>& fds = {});

// Returns 0 or an errno: EPIPE when the other side has gone, EPROTO for what is no message, ETIMEDOUT
// when the socket's own time is over. Descriptors that came with it are closed on failure.
int ReceiveMessage(int socket, Message* message, std::vector<UniqueFd>* fds);

// A socket at a path, for the daemon. ENAMETOOLONG for a path that no socket can have.
int Connect(const std::string& path, UniqueFd* socket);
// Replaces what is at the path. Only the owner can connect.
int Listen(const std::string& path, UniqueFd* socket);
// The process at the other end is of this user, or of root.
bool IsTrustedPeer(int socket);

// The process at the other end, as it was when it connected; 0 when nobody knows.
int PeerProcess(int socket);

// All of a file that is no longer than `size_max`, from its beginning; its offset stays. 0 or an errno.
int ReadAll(int fd, size_t size_max, std::string* bytes);
// A file in memory with these bytes, which nobody can change any more. 0 or an errno.
int MakeMemoryFile(const char* name, ByteSpan bytes, UniqueFd* file);

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_MESSAGE_SOCKET_H_
