#include "driver/content.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace g8ufs {
namespace {

// Opens are told to the cache every few seconds; whoever opens more different files in between has
// touched so many that the order among them means nothing.
constexpr size_t kTouchedCountMax = 64 * 1024;

// Bytes lent at a time: the largest blocks (4 MiB) for eight readers, each at the border of two.
constexpr size_t kLentSizeMax = size_t{64} << 20;

bool IsSameFile(int fd, const struct stat& attributes) {
  struct stat other {};
  return ::fstat(fd, &other) == 0 && other.st_dev == attributes.st_dev &&
         other.st_ino == attributes.st_ino;
}

}  // namespace

size_t DigestHash::operator()(const Digest& digest) const {
  size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof(hash));  // digests are uniformly distributed
  return hash;
}

uint32_t ContentShape::block_count() const {
  return size == 0 ? 0 : static_cast<uint32_t>(((size - 1) >> block_size_bits) + 1);
}

Content::Content(const Digest& digest, const ContentShape& shape,
                 const std::atomic<bool>& disk_is_away)
    : digest_(digest),
      shape_(shape),
      disk_is_away_(disk_is_away),
      present_((size_t{shape.block_count()} + 63) / 64) {}

bool Content::HasBlocks(uint32_t block, uint32_t count) const {
  const uint64_t end = uint64_t{block} + count;
  for (uint64_t i = block; i < end;) {
    const uint64_t in_word = std::min<uint64_t>(64 - (i & 63), end - i);
    const uint64_t mask = (in_word == 64 ? ~uint64_t{0} : (uint64_t{1} << in_word) - 1) << (i & 63);
    if ((present_[i >> 6].load(std::memory_order_acquire) & mask) != mask) return false;
    i += in_word;
  }
  return true;
}

void Content::SetBlocks(uint32_t block, uint32_t count) {
  const uint64_t end = uint64_t{block} + count;
  for (uint64_t i = block; i < end; ++i) {
    present_[i >> 6].fetch_or(uint64_t{1} << (i & 63), std::memory_order_release);
  }
}

bool Content::CanServe(uint32_t block, uint32_t count) const {
  const bool in_file = !broken();
  if (in_file && HasBlocks(block, count)) return true;
  if (!has_lent_.load(std::memory_order_acquire)) return false;
  MutexLock lock(lent_mutex_);
  for (uint32_t i = block; i < block + count; ++i) {
    if (!(in_file && HasBlock(i)) && !lent_.contains(i)) return false;
  }
  return true;
}

LentBytes Content::Lent(uint32_t block) const {
  if (!has_lent_.load(std::memory_order_acquire)) return nullptr;
  MutexLock lock(lent_mutex_);
  const auto found = lent_.find(block);
  return found == lent_.end() ? nullptr : found->second;
}

bool Content::AddLent(uint32_t block, LentBytes bytes) {
  MutexLock lock(lent_mutex_);
  has_lent_.store(true, std::memory_order_release);
  return lent_.emplace(block, std::move(bytes)).second;
}

void Content::RemoveLent(uint32_t block) {
  MutexLock lock(lent_mutex_);
  lent_.erase(block);
}

void ContentRegistry::Subscribe(ContentListener* listener) {
  MutexLock lock(listeners_mutex_);
  listeners_.push_back(listener);
}

void ContentRegistry::Unsubscribe(ContentListener* listener) {
  MutexLock lock(listeners_mutex_);
  std::erase(listeners_, listener);
}

std::shared_ptr<Content> ContentRegistry::Acquire(const ContentRecord& record) {
  const ContentShape shape{record.size, record.block_size_bits};
  MutexLock lock(mutex_);
  std::shared_ptr<Content>& content = contents_[record.digest];
  if (content == nullptr) {
    content = std::make_shared<Content>(record.digest, shape, disk_is_away_);
  }
  if (content->shape() != shape) return nullptr;
  ++content->users_;
  return content;
}

void ContentRegistry::MarkHoles(Content& content, const MountIndex& index,
                                const ContentRecord& record) {
  MutexLock lock(mutex_);
  if (content.holes_set_) return;
  content.holes_set_ = true;
  for (uint32_t block = 0; block < record.block_count; ++block) {
    if (index.KindOf(record, block) == BlockKind::kHole) content.SetBlocks(block, 1);
  }
}

bool ContentRegistry::AddUser(Content& content) {
  MutexLock lock(mutex_);
  if (content.dropped()) return false;
  ++content.users_;
  return true;
}

void ContentRegistry::Release(const std::shared_ptr<Content>& content) {
  MutexLock lock(mutex_);
  if (--content->users_ > 0 || content->dropped()) return;
  // What JS has attached stays for the next open, unless a complete file will serve that.
  if (content->fd() >= 0 && !content->complete() && !content->broken()) return;
  content->dropped_.store(true, std::memory_order_release);
  contents_.erase(content->digest());
}

void ContentRegistry::AdoptComplete(Content& content, UniqueFd file) {
  MutexLock lock(mutex_);
  if (content.complete_fd() >= 0) return;
  content.complete_file_ = std::move(file);
  content.complete_fd_.store(content.complete_file_.get(), std::memory_order_release);
}

void ContentRegistry::RevokeComplete(Content& content) {
  content.complete_.store(false, std::memory_order_release);
}

void ContentRegistry::Break(Content& content) {
  if (!content.broken_.exchange(true, std::memory_order_acq_rel)) NotifyChanged(content);
}

void ContentRegistry::TrustDisk(DiskTrust trust) {
  const bool is_away = trust == DiskTrust::kAway;
  bool was_away = false;
  {
    MutexLock lock(trust_mutex_);
    trust_.store(trust, std::memory_order_relaxed);
    was_away = disk_is_away_.exchange(is_away, std::memory_order_acq_rel);
  }
  if (trust == DiskTrust::kNothing) {
    // Or a later open would find it broken.
    ForgetUnused();
    for (const auto& content : AllContents()) Break(*content);
  } else if (is_away != was_away) {
    // What was asked for would come into the file, or come as lent.
    for (const auto& content : AllContents()) NotifyChanged(*content);
  }
}

void ContentRegistry::ForgetUnused() {
  MutexLock lock(mutex_);
  std::erase_if(contents_, [](const auto& entry) {
    if (entry.second->users_ > 0) return false;
    entry.second->dropped_.store(true, std::memory_order_release);
    return true;
  });
}

std::vector<std::shared_ptr<Content>> ContentRegistry::AllContents() {
  std::vector<std::shared_ptr<Content>> contents;
  MutexLock lock(mutex_);
  for (const auto& [digest, content] : contents_) contents.push_back(content);
  return contents;
}

void ContentRegistry::Touch(const Digest& digest) {
  MutexLock lock(mutex_);
  if (touched_.size() < kTouchedCountMax) touched_.insert(digest);
}

Status ContentRegistry::Attach(const Digest& digest, const ContentShape& shape, UniqueFd fd,
                               ByteSpan present) {
  struct stat attributes {};
  if (::fstat(fd.get(), &attributes) != 0) {
    return Status::FromErrno(Code::ERR_IO, "Partial content file cannot be used", errno);
  }
  if (!S_ISREG(attributes.st_mode) || attributes.st_size < 0 ||
      static_cast<uint64_t>(attributes.st_size) < shape.size) {
    return Status(Code::ERR_IO, "Partial content file is shorter than its content");
  }
  std::shared_ptr<Content> content;
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Content>& entry = contents_[digest];
    // A file that nobody uses may be replaced, but never under a reader: its blocks are not those
    // of the new file.
    const bool reusable = entry != nullptr && entry->shape() == shape &&
                          (entry->fd() < 0 || IsSameFile(entry->fd(), attributes));
    if (!reusable) {
      if (entry != nullptr && entry->users_ > 0) {
        return Status(Code::ERR_IO, "Content is in use with another file");
      }
      if (entry != nullptr) entry->dropped_.store(true, std::memory_order_release);
      entry = std::make_shared<Content>(digest, shape, disk_is_away_);
    }
    content = entry;
    if (content->fd() < 0) {
      // The descriptor before the bits: whoever sees a bit finds a file.
      content->file_ = std::move(fd);
      content->fd_.store(content->file_.get(), std::memory_order_release);
    }
    const uint32_t block_count = shape.block_count();
    for (uint32_t block = 0; block < block_count && block / 8 < present.size(); ++block) {
      if ((present[block / 8] >> (block & 7) & 1) != 0) content->SetBlocks(block, 1);
    }
  }
  NotifyChanged(*content);
  return {};
}

bool ContentRegistry::Present(const Digest& digest, uint32_t block, uint32_t count) {
  const std::shared_ptr<Content> content = Find(digest);
  if (content == nullptr) return true;
  if (uint64_t{block} + count > content->shape().block_count()) return false;
  // Forgotten and opened again since the file was attached: who needs the blocks has asked anew.
  if (content->fd() < 0) return true;
  content->SetBlocks(block, count);
  NotifyChanged(*content);
  return true;
}

void ContentRegistry::Complete(const Digest& digest) {
  const std::shared_ptr<Content> content = Find(digest);
  if (content == nullptr) return;
  content->complete_.store(true, std::memory_order_release);
  NotifyChanged(*content);
  MutexLock lock(mutex_);
  if (content->users_ == 0 && !content->dropped()) {
    content->dropped_.store(true, std::memory_order_release);
    contents_.erase(digest);
  }
}

bool ContentRegistry::Fail(const Digest& digest, uint32_t block, uint32_t count, int error) {
  const std::shared_ptr<Content> content = Find(digest);
  if (content == nullptr) return true;
  if (uint64_t{block} + count > content->shape().block_count()) return false;
  MutexLock lock(listeners_mutex_);
  for (ContentListener* listener : listeners_) {
    listener->OnContentFailed(*content, block, count, error);
  }
  return true;
}

bool ContentRegistry::Lend(const Digest& digest, uint32_t block, ByteSpan bytes) {
  std::shared_ptr<Content> content;
  std::vector<std::shared_ptr<Content>> cut;
  {
    MutexLock lock(mutex_);
    const auto found = contents_.find(digest);
    // Its last reader may just have gone.
    if (found == contents_.end() || found->second->users_ == 0) return true;
    content = found->second;
    const ContentShape& shape = content->shape();
    if (block >= shape.block_count()) return false;
    const uint64_t start = uint64_t{block} << shape.block_size_bits;
    const uint64_t size = std::min(uint64_t{1} << shape.block_size_bits, shape.size - start);
    if (bytes.size() != size) return false;
    auto lent = std::make_shared<const std::vector<uint8_t>>(bytes.begin(), bytes.end());
    if (content->AddLent(block, std::move(lent))) {
      lent_.push_back({content, block, bytes.size()});
      lent_size_ += bytes.size();
    }
    while (lent_size_ > kLentSizeMax && lent_.size() > 1) {
      const LentBlock& oldest = lent_.front();
      if (auto owner = oldest.content.lock(); owner != nullptr) {
        owner->RemoveLent(oldest.block);
        cut.push_back(std::move(owner));
      }
      lent_size_ -= oldest.size;
      lent_.pop_front();
    }
  }
  NotifyChanged(*content);
  // Whoever waited for such a block and another one asks for it again.
  for (const auto& owner : cut) NotifyChanged(*owner);
  return true;
}

bool ContentRegistry::Drop(const Digest& digest) {
  {
    MutexLock lock(listeners_mutex_);
    for (ContentListener* listener : listeners_) listener->OnContentUnwanted(digest);
  }
  MutexLock lock(mutex_);
  const auto found = contents_.find(digest);
  if (found == contents_.end()) return true;
  if (found->second->users_ > 0) return false;
  found->second->dropped_.store(true, std::memory_order_release);
  contents_.erase(found);
  return true;
}

std::string ContentRegistry::TakeTouched() {
  std::string digests;
  MutexLock lock(mutex_);
  digests.reserve(touched_.size() * sizeof(Digest));
  for (const Digest& digest : touched_) {
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  touched_.clear();
  return digests;
}

size_t ContentRegistry::ContentCount() {
  MutexLock lock(mutex_);
  return contents_.size();
}

std::shared_ptr<Content> ContentRegistry::Find(const Digest& digest) {
  MutexLock lock(mutex_);
  const auto found = contents_.find(digest);
  return found == contents_.end() ? nullptr : found->second;
}

void ContentRegistry::NotifyChanged(const Content& content) {
  MutexLock lock(listeners_mutex_);
  for (ContentListener* listener : listeners_) listener->OnContentChanged(content);
}

}  // namespace g8ufs
