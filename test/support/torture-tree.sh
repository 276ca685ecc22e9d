#!/usr/bin/env bash
# Makes a tree with everything a file system can hold that an image format tends to lose. Needs root.
#   torture-tree.sh FOLDER [ENTRIES [MIB]]     size of the large directory, default 100000, and of the sparse file, 1024
set -euo pipefail
root=$1
entries=${2:-100000}
sparse_mib=${3:-1024}
mkdir -p "$root"
cd "$root"

mkdir plain links modes special names times xattr sizes large deep
echo content > plain/file
ln -s file plain/link
ln -s "$(printf 'x%.0s' {1..4000})" plain/long-link
ln -s ../no/such/target plain/dangling
mkdir plain/empty-folder

# Hard links in one folder and across folders; a linked symlink and a linked fifo too.
echo linked > links/first
mkdir -p links/other/deeper
ln links/first links/second
ln links/first links/other/third
ln links/first links/other/deeper/fourth
ln -P plain/link links/linked-symlink

for mode in 0000 0400 0644 0755 1777 2755 4755 6711 7777; do
  echo "$mode" > "modes/file-$mode"
  mkdir "modes/folder-$mode"
  chmod "$mode" "modes/file-$mode" "modes/folder-$mode"
done
echo owned > modes/owned
chown 12345:54321 modes/owned
echo owned > modes/largest-id
chown 4294967294:4294967294 modes/largest-id
ln -s owned modes/owned-link
chown -h 33:33 modes/owned-link

mknod special/char c 1 3
mknod special/char-large c 4095 1048575
mknod special/block b 8 300
mkfifo special/fifo
perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die; bind($s, sockaddr_un("special/socket")) or die'
ln special/fifo links/linked-fifo
chmod 0600 special/block
chown 7:8 special/char

touch "names/$(printf 'n%.0s' {1..255})"
touch names/$'not-utf8-\xff\xfe\x80' names/$'new\nline' names/$'tab\tand space' names/$'back\\slash' 'names/ leading' 'names/-dash'
touch names/$'\x01control' names/$'\xe4\xf6\xfc' names/ünïcödé 'names/"quotes"' names/*star names/.hidden
mkdir names/$'folder-\xc0\xaf'
echo inside > names/$'folder-\xc0\xaf'/file
ln -s $'target-\xff' names/link-to-bytes

: > sizes/empty
for size in 1 4095 4096 4097 524287 524288 524289 1048576 3000000; do
  head -c "$size" < <(yes "line of a file with $size bytes") > "sizes/text-$size"
  head -c "$size" /dev/urandom > "sizes/random-$size"
done
head -c 700000 /dev/zero > sizes/zeros
cp sizes/random-524289 sizes/equal-content
# Three islands of data: inside, across a block border, at the very end.
truncate -s "${sparse_mib}M" sizes/sparse
printf 'first island' | dd of=sizes/sparse bs=1 seek=1000000 conv=notrunc status=none
head -c 8192 /dev/urandom | dd of=sizes/sparse bs=1 seek=$((sparse_mib * 3 / 10 * 1048576 - 4096)) conv=notrunc status=none
printf 'the end' | dd of=sizes/sparse bs=1 seek=$((sparse_mib * 1048576 - 7)) conv=notrunc status=none

echo attributes > xattr/user
setfattr -n user.comment -v 'a comment' xattr/user
setfattr -n user.empty xattr/user
setfattr -n user.binary -v 0x00ff0001fe xattr/user
setfattr -n user.large -v "$(head -c 3000 < <(yes v) | tr -d '\n')" xattr/user
setfattr -n trusted.note -v trusted xattr/user
cp /bin/true xattr/capable
setcap cap_net_raw,cap_net_bind_service=ep xattr/capable
echo acl > xattr/acl
setfacl -m u:1001:rw,g:1002:r,m::rw xattr/acl
mkdir xattr/acl-folder
setfacl -m u:1001:rwx,d:u:1003:rx,d:g:1004:r xattr/acl-folder
setfattr -n user.folder -v yes xattr/acl-folder
setfattr -h -n trusted.link -v 'on a symlink' plain/link

perl -e 'for (my $i = 0; $i < $ARGV[0]; $i++) { open(my $f, ">", "large/entry-$i") or die } ' "$entries"

# As deep as a path can be named, with room for a mount point in front.
perl -e '
  my $name = "d" x 200; my $length = 5;
  chdir "deep" or die;
  while ($length + 201 < 3800) { mkdir $name or die; chdir $name or die; $length += 201 }
  open(my $f, ">", "bottom") or die; print $f "bottom\n";
'

: > times/before-1970
touch -h -d '1965-03-04 05:06:07.123456789 UTC' times/before-1970
touch -d '1901-12-13 20:45:52 UTC' times/first-second
touch -d '2038-01-19 03:14:08.999999999 UTC' times/after-2038
touch -d '2200-01-01 00:00:00.000000001 UTC' times/after-2106
ln -s nowhere times/link
touch -h -d '1969-12-31 23:59:59.5 UTC' times/link
mkdir times/folder
touch -d '1980-02-03 04:05:06.7 UTC' times/folder times
touch -d '2001-02-03 04:05:06.789 UTC' .
