// The part of ImageServer that takes over the open files of a predecessor.
#include <cerrno>
#include <utility>

#include "driver/image_server.h"

namespace g8ufs {

void ImageServer::RestoreOpens() {
  if (options_.held == nullptr) return;
  for (const HeldFiles::Snapshot& record : options_.held->Records()) {
    if (!RestoreOpen(record)) doubtful_.insert(record.nid);
  }
}

// False when the record does not agree with the index: it is left as it is, and so is its id.
bool ImageServer::RestoreOpen(const HeldFiles::Snapshot& record) {
  std::optional<ContentRecord> content;
  if (FindContent(record.nid, &content) != 0 || !content || content->digest != record.digest ||
      record.backing_id < 0) {
    return false;
  }
  fuse::BackingId backing;
  if (record.backing_id > 0) backing = fuse::BackingId::Adopt(*device_, record.backing_id);
  // Nobody holds it, so that its id may be closed: the next open registers the file anew.
  HeldFiles::Hold hold = options_.held->Take(record);
  if (record.opens == 0) {
    hold.Reset();
    return true;
  }
  std::shared_ptr<Content> used = registry_.Acquire(*content);
  if (used == nullptr) {
    hold.Release();
    backing.Release();
    return false;
  }
  auto file = std::make_shared<ServedFile>(registry_, std::move(used), *content);
  file->backing = std::move(backing);
  file->hold = std::move(hold);
  if (record.backing_id == 0) {
    // In cached mode it stays, complete or not. What is not found here comes with the first read.
    (void)FindComplete(content->digest, content->size, content->row, 0, &file->file);
    if (!file->file.ok()) registry_.MarkHoles(*file->content, index_, *content);
  }
  return open_files_.Restore(record.nid, record.opens, std::move(file));
}

}  // namespace g8ufs
