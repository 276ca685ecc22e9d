// The part of ObjectServer that finds what a file is read from.
#include <cerrno>
#include <utility>

#include "driver/object_server.h"

namespace g8ufs {

void ObjectServer::Read(const Call& call, fuse::Cursor body) {
  fuse::ReadIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  // A short answer would mean the end of the file, so that what does not fit is refused.
  if (in.size > call.buffer.size()) return AnswerError(call, EIO);
  int error = 0;
  const std::shared_ptr<const ObjectFile> file = FileOf(call.nid, &error);
  if (file == nullptr) return error == 0 ? Answer(call, {}) : AnswerError(call, error);
  ReadFile(call, file->describer(), *file, in.offset, in.size);
}

void ObjectServer::Lseek(const Call& call, fuse::Cursor body) {
  fuse::LseekIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  int error = 0;
  const std::shared_ptr<const ObjectFile> file = FileOf(call.nid, &error);
  if (error != 0) return AnswerError(call, error);
  if (file == nullptr) return AnswerError(call, ENXIO);
  SeekFile(call, file->describer(), file->record, in);
}

std::shared_ptr<const ObjectServer::ObjectFile> ObjectServer::FileOf(uint64_t node, int* error) {
  // Everything in there is put there below.
  auto recent = std::static_pointer_cast<const ObjectFile>(recent_files_.Find(node));
  // One that has become complete is opened anew: its partial file is let go then.
  if (recent != nullptr && (recent->is_complete() || !recent->content->complete())) return recent;
  std::shared_ptr<const ObjectFile> file;
  *error = OpenFile(node, &file);
  if (file != nullptr) recent_files_.Put(node, file);
  return file;
}

int ObjectServer::OpenFile(uint64_t node, std::shared_ptr<const ObjectFile>* file) {
  Object known;
  if (node < 0x100) return 0;
  if (const int error = FindObject(node, &known); error != 0) return error;
  ObjectRecord object;
  // Absent: the last image that has it was unmounted, so that nobody can fetch it.
  if (images_.Find(known.digest, &object) != 0 || object.content.size != known.size) return EIO;
  registry_.Touch(known.digest);
  const ContentRecord& record = object.content;
  UniqueFd complete;
  if (const int error =
          FindComplete(record.digest, record.size, record.row, object.image, &complete);
      error != 0) {
    return error;
  }
  std::shared_ptr<Content> content = registry_.Acquire(record);
  if (content == nullptr) return EIO;
  if (!complete.ok()) registry_.MarkHoles(*content, *object.index, record);
  auto opened = std::make_shared<ObjectFile>(registry_, std::move(content), std::move(object));
  opened->file = std::move(complete);
  *file = std::move(opened);
  return 0;
}

}  // namespace g8ufs
