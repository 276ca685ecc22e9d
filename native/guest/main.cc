// g8ufs-guest: what the core daemon runs in a place to work on its files. A static program without
// a configuration: it needs nothing of the place but the kernel. Requests on stdin, replies on stdout.
#include <sys/stat.h>
#include <unistd.h>

#include "guest/server.h"

int main() {
  ::umask(022);
  g8ufs::guest::Server server(STDIN_FILENO, STDOUT_FILENO);
  // Whatever still runs beside is of no use to anybody any more.
  ::_exit(server.Run() ? 0 : 76);
}
