// ContentServer: what the servers of a session have in common. They answer the kernel's requests
// with the bytes of contents: from a complete file, from the blocks of a partial one, or, when these
// are absent, later from the MissTable. Which content an inode has is theirs to know.
//
// Thread rule: Handle is called by all workers at once, Resume and Fail by the table's thread.
// Nothing here waits, except for local files.
#ifndef G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_
#define G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_

#include <memory>
#include <vector>

#include "driver/content.h"
#include "driver/content_files.h"
#include "driver/counters.h"
#include "driver/miss_table.h"
#include "driver/served_file.h"
#include "fuse/session.h"

namespace g8ufs {

struct BlockRange {
  uint32_t first = 0;
  uint32_t count = 0;
};
// The blocks of a range. REQUIRES: size > 0, and the range lies in the content.
BlockRange BlocksOf(const ContentRecord& record, uint64_t offset, uint32_t size);

class ContentServer : public fuse::Handler, public WaiterHandler {
 public:
  // All references outlive the server.
  ContentServer(const ContentFiles& files, ContentRegistry& registry, MissTable& misses,
                size_t workers);

  // A device of the connection. Before the first request.
  virtual void SetDevice(const fuse::Device& device) = 0;
  // Lets go of a file that is kept only in case it is read again.
  virtual void ForgetContent(const Digest& digest) = 0;
  virtual uint64_t open_files() const = 0;
  // One per worker, and one for the table's thread.
  const std::vector<Counters>& counters() const { return counters_; }

  void Fail(Waiter waiter, int error) override;

 protected:
  // A request on its way: where the answer goes and who counts it.
  struct Call {
    fuse::ReplyAddress reply;
    uint64_t nid;
    Counters& counters;
    MutableByteSpan buffer;
  };
  // An image as far as it describes contents; `number` is that of a Need.
  struct Describer {
    const MountIndex& index;
    uint32_t number = 0;
  };

  // Counts the request.
  Call BeginCall(const fuse::Request& request, uint64_t nid, const fuse::Worker& worker);
  // For what the table's thread answers.
  Call ResumeCall(const Waiter& waiter);
  void Answer(const Call& call, ByteSpan data, ByteSpan more = {});
  void AnswerError(const Call& call, int error);
  template <class T>
  void AnswerStruct(const Call& call, const T& value) {
    Answer(call, fuse::BytesOf(value));
  }
  void Interrupt(const Call& call, fuse::Cursor body);

  // The complete file, or none; one without a seal is shown to the cache. 0, or an errno that says
  // nothing about the file. `identity` may be null.
  int FindComplete(const Digest& digest, uint64_t size, uint32_t row, uint32_t image, UniqueFd* file,
                   FileIdentity* identity = nullptr);
  // READ of a file that has a content. REQUIRES: size <= the call's buffer.
  void ReadFile(const Call& call, const Describer& image, const ServedFile& file, uint64_t offset,
                uint32_t size);
  void SeekFile(const Call& call, const Describer& image, const ContentRecord& record,
                const fuse::LseekIn& in);
  // Answers a READ that waited, or parks it again.
  void ResumeRead(Waiter waiter);
  // Parks a request, or answers with the error that keeps it from being parked.
  void Park(const Call& call, Waiter waiter);
  // One of the blocks is absent and nobody has it.
  static bool HasLostBlock(const Describer& image, const ContentRecord& record,
                           const Content& content, uint32_t block, uint32_t count);

  const ContentFiles& files_;
  ContentRegistry& registry_;
  MissTable& misses_;

 private:
  // What a content is read from. Without `is_whole` only its present blocks count.
  struct Source {
    int fd = -1;
    bool is_whole = false;
  };
  // Reads a range: lent blocks from memory, the others from the file. 0, EAGAIN when a block is not
  // to be had now, or the errno of a file that cannot be read.
  static int ReadRange(const Content& content, Source source, uint64_t offset, MutableByteSpan out);
  // Answers from a file, or from what is lent; false when the request has to wait instead.
  bool AnswerRange(const Call& call, Content& content, Source source, uint64_t offset,
                   uint32_t size);
  void ParkRead(const Call& call, const Describer& image, const ServedFile& file, uint64_t offset,
                uint32_t size);

  std::vector<Counters> counters_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_
