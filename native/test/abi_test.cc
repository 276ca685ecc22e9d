// Compares our definitions of the wire structs with the kernel header of this machine, as far as
// that one goes.
#include "fuse/abi.h"

#include <linux/fuse.h>

#include <string_view>

#include "test/check.h"

namespace g8ufs {
namespace {

#define SAME_SIZE(ours, theirs) static_assert(sizeof(fuse::ours) == sizeof(theirs))
#define SAME_PLACE(ours, theirs, field) \
  static_assert(offsetof(fuse::ours, field) == offsetof(theirs, field))

SAME_SIZE(InHeader, fuse_in_header);
SAME_PLACE(InHeader, fuse_in_header, unique);
SAME_PLACE(InHeader, fuse_in_header, nodeid);
SAME_PLACE(InHeader, fuse_in_header, uid);
SAME_SIZE(OutHeader, fuse_out_header);
SAME_PLACE(OutHeader, fuse_out_header, error);
SAME_SIZE(InitIn, fuse_init_in);
SAME_PLACE(InitIn, fuse_init_in, flags2);
SAME_SIZE(InitOut, fuse_init_out);
SAME_PLACE(InitOut, fuse_init_out, max_background);
SAME_PLACE(InitOut, fuse_init_out, max_write);
SAME_PLACE(InitOut, fuse_init_out, max_pages);
SAME_PLACE(InitOut, fuse_init_out, flags2);
SAME_SIZE(Attr, fuse_attr);
SAME_PLACE(Attr, fuse_attr, mode);
SAME_PLACE(Attr, fuse_attr, blksize);
SAME_SIZE(EntryOut, fuse_entry_out);
SAME_PLACE(EntryOut, fuse_entry_out, attr);
SAME_SIZE(AttrOut, fuse_attr_out);
SAME_SIZE(OpenIn, fuse_open_in);
SAME_SIZE(OpenOut, fuse_open_out);
SAME_PLACE(OpenOut, fuse_open_out, open_flags);
SAME_SIZE(ReleaseIn, fuse_release_in);
SAME_SIZE(ReadIn, fuse_read_in);
SAME_PLACE(ReadIn, fuse_read_in, size);
SAME_SIZE(StatfsOut, fuse_statfs_out);
SAME_SIZE(GetxattrIn, fuse_getxattr_in);
SAME_SIZE(GetxattrOut, fuse_getxattr_out);
SAME_SIZE(InterruptIn, fuse_interrupt_in);
SAME_SIZE(LseekIn, fuse_lseek_in);
SAME_PLACE(LseekIn, fuse_lseek_in, whence);
SAME_SIZE(LseekOut, fuse_lseek_out);
SAME_SIZE(Dirent, fuse_dirent);
static_assert(FUSE_NAME_OFFSET == sizeof(fuse::Dirent));
static_assert(FUSE_NAME_OFFSET_DIRENTPLUS == sizeof(fuse::EntryOut) + sizeof(fuse::Dirent));

void OpcodesAreTheKernels() {
  CHECK(static_cast<uint32_t>(fuse::Opcode::LOOKUP) == FUSE_LOOKUP);
  CHECK(static_cast<uint32_t>(fuse::Opcode::OPEN) == FUSE_OPEN);
  CHECK(static_cast<uint32_t>(fuse::Opcode::INIT) == FUSE_INIT);
  CHECK(static_cast<uint32_t>(fuse::Opcode::INTERRUPT) == FUSE_INTERRUPT);
  CHECK(static_cast<uint32_t>(fuse::Opcode::BATCH_FORGET) == FUSE_BATCH_FORGET);
  CHECK(static_cast<uint32_t>(fuse::Opcode::READDIRPLUS) == FUSE_READDIRPLUS);
  CHECK(static_cast<uint32_t>(fuse::Opcode::LSEEK) == FUSE_LSEEK);
  CHECK(static_cast<uint32_t>(fuse::Opcode::TMPFILE) == FUSE_TMPFILE);
}

void FlagsAreTheKernels() {
  CHECK(fuse::kAsyncRead == FUSE_ASYNC_READ);
  CHECK(fuse::kExportSupport == FUSE_EXPORT_SUPPORT);
  CHECK(fuse::kDoReaddirplus == FUSE_DO_READDIRPLUS);
  CHECK(fuse::kNoOpenSupport == FUSE_NO_OPEN_SUPPORT);
  CHECK(fuse::kParallelDirops == FUSE_PARALLEL_DIROPS);
  CHECK(fuse::kPosixAcl == FUSE_POSIX_ACL);
  CHECK(fuse::kMaxPages == FUSE_MAX_PAGES);
  CHECK(fuse::kCacheSymlinks == FUSE_CACHE_SYMLINKS);
  CHECK(fuse::kNoOpendirSupport == FUSE_NO_OPENDIR_SUPPORT);
  CHECK(fuse::kExplicitInvalData == FUSE_EXPLICIT_INVAL_DATA);
  CHECK(fuse::kInitExt == FUSE_INIT_EXT);
  CHECK(fuse::kHasExpireOnly == FUSE_HAS_EXPIRE_ONLY);
  CHECK(fuse::kFopenKeepCache == FOPEN_KEEP_CACHE);
  CHECK(fuse::kFopenNoflush == FOPEN_NOFLUSH);
  CHECK(fuse::kIocClone == FUSE_DEV_IOC_CLONE);
}

void EveryOpcodeHasAName() {
  CHECK(std::string_view(fuse::OpcodeName(FUSE_READDIRPLUS)) == "readdirplus");
  CHECK(fuse::OpcodeName(0) == nullptr);
  CHECK(fuse::OpcodeName(7) == nullptr);
  CHECK(fuse::OpcodeName(fuse::kOpcodeCount) == nullptr);
  size_t names = 0;
  for (uint32_t i = 0; i < fuse::kOpcodeCount; ++i) names += fuse::OpcodeName(i) != nullptr;
  CHECK(names == 51);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::OpcodesAreTheKernels();
  g8ufs::FlagsAreTheKernels();
  g8ufs::EveryOpcodeHasAName();
  return g8ufs::test::Failures();
}
