# Records of a flist: the values of its metadata database.
#
# The fields that historical tools know come first and keep their ordinals and type ids. Fields
# marked "g8ufs" are appended: older readers skip them, and readers of ours take them as absent
# (null, zero) in older flists. See docs/format.md, section 3.

@0xae9223e76351538a;

struct Dir @0x8a228653b964fd48 {
  # One directory, under the directory key of its path.
  name @0 :Text;              # last component of the path; bytes
  location @1 :Text;          # path without leading slash; root: empty; bytes
  contents @2 :List(Inode);
  parent @3 :Text;            # directory key of the parent; root: null
  size @4 :UInt64;
  aclkey @5 :Text;            # key of an ACI record
  modificationTime @6 :UInt32;
  creationTime @7 :UInt32;
  posix @8 :Attributes;       # g8ufs
}

struct Inode @0xc0029f81b3eee594 {
  # One name in a directory.
  name @0 :Text;
  size @1 :UInt64;
  attributes :union {
    dir @2 :SubDir;
    file @3 :File;
    link @4 :Link;
    special @5 :Special;
  }
  aclkey @6 :Text;
  modificationTime @7 :UInt32;
  creationTime @8 :UInt32;
  posix @9 :Attributes;       # g8ufs; null for directories, whose own record has them
}

struct SubDir @0xa4a421ce00f301dd {
  key @0 :Text;               # directory key
}

struct File @0xecfda38634f4591a {
  blockSize @0 :UInt16;       # in units of 4096 bytes; 0 means 128
  blocks @1 :List(FileBlock);
  codec @2 :UInt16;           # g8ufs: 0 historical, 1 zstd
}

struct FileBlock @0xd5a2538369c2f82a {
  # One chunk. A hole has neither hash nor key.
  hash @0 :Data;              # chunk id
  key @1 :Data;               # digest of the plain bytes
  storedSize @2 :UInt32;      # g8ufs: bytes in the store, 0 when unknown
}

struct Link @0xe419a0e5a661965c {
  target @0 :Text;            # bytes
}

struct Special @0xdc74a897ce683c6b {
  type @0 :Type;
  data @1 :Data;              # "major,minor" in decimal for devices

  enum Type @0x8932d2d84f4dd27a {
    socket @0;
    block @1;
    chardev @2;
    fifopipe @3;
    unknown @4;
  }
}

struct ACI @0xe7b4959415dabf9c {
  # Owner and permissions, shared by all inodes that have the same.
  uname @0 :Text;
  gname @1 :Text;
  mode @2 :UInt16;
  rights @3 :List(Right);
  id @4 :UInt32;
  uid @5 :Int64 = -1;
  gid @6 :Int64 = -1;

  struct Right @0xe615914de76be38f {
    right @0 :Text;
    usergroupid @1 :UInt16;
  }
}

struct UserGroup @0xee5217621d9cbb3a {
  name @0 :Text;
  iyoId @1 :Text;
  iyoInt @2 :UInt64;
}

struct Attributes @0xd6b1f0a4c5e93827 {
  # g8ufs: what stat(2) and listxattr(2) tell. Wins over the ACI record and the 32-bit times.
  mode @0 :UInt32;            # full st_mode
  uid @1 :UInt32;
  gid @2 :UInt32;
  nlink @3 :UInt32;
  mtimeNanoseconds @4 :UInt32;
  rdevMajor @5 :UInt32;
  rdevMinor @6 :UInt32;
  mtime @7 :Int64;            # seconds since 1970
  linkId @8 :UInt64;          # the same number, not 0, in every name of a hard link
  xattrs @9 :List(Xattr);     # in byte order of the names

  struct Xattr @0x91c2d5e80b7a64f3 {
    name @0 :Data;            # with namespace, such as "user.comment"
    value @1 :Data;
  }
}
