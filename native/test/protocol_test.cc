#include "fuse/protocol.h"

#include <vector>

#include "fuse/helper.h"
#include "fuse/mount.h"
#include "test/check.h"

namespace g8ufs {
namespace {

using fuse::Cursor;
using fuse::DecodeRequest;

// LOOKUP of "ab" in node 0x24, as the kernel writes it on a little-endian machine.
const std::vector<uint8_t> kLookup = {
    43,  0,   0, 0,                 // len
    1,   0,   0, 0,                 // opcode
    7,   0,   0, 0, 0, 0, 0, 0x80,  // unique: a re-sent request has the top bit set
    36,  0,   0, 0, 0, 0, 0, 0,     // nodeid
    1,   0,   0, 0,                 // uid
    2,   0,   0, 0,                 // gid
    3,   0,   0, 0,                 // pid
    0,   0,   0, 0,                 // total_extlen, padding
    'a', 'b', 0,
};

void DecodesARequest() {
  auto request = DecodeRequest(kLookup);
  CHECK(request.has_value());
  if (!request) return;
  CHECK(request->opcode() == fuse::Opcode::LOOKUP);
  CHECK(request->header.unique == 0x8000000000000007);
  CHECK(request->header.nodeid == 36);
  CHECK(request->header.uid == 1);
  std::string_view name;
  CHECK(request->body.TakeName(&name));
  CHECK(name == "ab");
  CHECK(request->body.left().empty());
}

void RejectsEveryTruncation() {
  for (size_t size = 0; size < kLookup.size(); ++size) {
    CHECK(!DecodeRequest({kLookup.data(), size}));
  }
  std::vector<uint8_t> longer = kLookup;
  longer.push_back(0);
  CHECK(!DecodeRequest(longer));
}

void CutsExtensionsOff() {
  std::vector<uint8_t> message = kLookup;
  message.resize(48 + 8);
  message[0] = 56;
  message[36] = 1;
  auto request = DecodeRequest(message);
  CHECK(request && request->body.left().size() == 8);
  message[36] = 3;  // longer than the body
  CHECK(!DecodeRequest(message));
}

void NeedsTheTerminator() {
  const std::vector<uint8_t> bytes = {'a', 'b'};
  Cursor cursor{ByteSpan(bytes)};
  std::string_view name;
  CHECK(!cursor.TakeName(&name));
  CHECK(cursor.left().size() == 2);
}

void TakesNothingWhenTooLittleIsLeft() {
  const std::vector<uint8_t> bytes(7);
  Cursor cursor{ByteSpan(bytes)};
  uint64_t value = 0;
  CHECK(!cursor.Take(&value));
  CHECK(cursor.left().size() == 7);
}

void ReadsAShortInit() {
  std::vector<uint8_t> bytes(16);
  bytes[0] = 7;
  bytes[4] = 31;
  Cursor cursor{ByteSpan(bytes)};
  fuse::InitIn init;
  CHECK(fuse::TakeInit(&cursor, &init));
  CHECK(init.major == 7 && init.minor == 31 && init.flags2 == 0);
  bytes.resize(15);
  Cursor shorter{ByteSpan(bytes)};
  CHECK(!fuse::TakeInit(&shorter, &init));
}

void WritesDirectoryEntries() {
  std::vector<uint8_t> buffer(64, 0xee);
  fuse::DirectoryWriter writer(buffer);
  CHECK(writer.Add("abc", 5, 8, 12));
  const std::vector<uint8_t> expected = {
      5,   0,   0,   0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0,  // ino, off
      3,   0,   0,   0, 8, 0, 0, 0,                           // namelen, type
      'a', 'b', 'c', 0, 0, 0, 0, 0,                           // padded with zeros
  };
  CHECK(std::equal(expected.begin(), expected.end(), writer.bytes().begin(), writer.bytes().end()));
  CHECK(writer.Add("12345678", 6, 8, 24));
  CHECK(writer.bytes().size() == 64);
  CHECK(!writer.Add("x", 7, 8, 36));
  CHECK(writer.bytes().size() == 64);
}

void WritesEntriesWithAttributes() {
  std::vector<uint8_t> buffer(160);
  fuse::DirectoryWriter writer(buffer);
  fuse::EntryOut entry{};
  entry.nodeid = 99;
  CHECK(writer.AddPlus(entry, "a", 99, 8, 12));
  CHECK(writer.bytes().size() == 160);
  CHECK(writer.bytes()[0] == 99);
  CHECK(writer.bytes()[128] == 99);
  CHECK(writer.bytes()[152] == 'a');
  CHECK(!writer.AddPlus(entry, "b", 99, 8, 24));
}

void FindsTheTopmostMount() {
  const std::string line =
      "42 27 0:39 / /tmp/a\\040b ro,relatime shared:3 - fuse.g8ufs my\\040source ro\n";
  CHECK(fuse::FindMount(line, "/tmp/a b") == 39U);
  CHECK(!fuse::FindMount(line, "/tmp/a"));
  CHECK(!fuse::FindMount(line + "43 42 0:40 / /tmp/a\\040b rw - tmpfs t rw\n", "/tmp/a b"));
  CHECK(fuse::FindMount("43 42 0:40 / /tmp/a\\040b rw - tmpfs t rw\n" + line, "/tmp/a b") == 39U);
  CHECK(!fuse::FindMount("42 27 8:1 / /m ro - fuse.g8ufs s ro\n", "/m"));
  CHECK(!fuse::FindMount("42 27", "/m"));
  CHECK(!fuse::FindMount("", "/m"));
}

void EscapesOptions() { CHECK(fuse::EscapeOption("a,b\\c") == "a\\,b\\\\c"); }

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::DecodesARequest();
  g8ufs::RejectsEveryTruncation();
  g8ufs::CutsExtensionsOff();
  g8ufs::NeedsTheTerminator();
  g8ufs::TakesNothingWhenTooLittleIsLeft();
  g8ufs::ReadsAShortInit();
  g8ufs::WritesDirectoryEntries();
  g8ufs::WritesEntriesWithAttributes();
  g8ufs::FindsTheTopmostMount();
  g8ufs::EscapesOptions();
  return g8ufs::test::Failures();
}
