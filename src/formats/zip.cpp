#include "formats/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "formats/atomic_file.h"
#include "formats/gzip.h"
#include "formats/kind.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr int64_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56,
                  kLocator64Size = 20;
constexpr uint32_t kMax32 = 0xffffffff;
constexpr int kStored = 0, kDeflated = 8;
constexpr auto kZips = {FileKind::zip, FileKind::npz, FileKind::torch};

// Little-endian numbers at offsets of a record that is known to be there.
class Record {
 public:
  explicit Record(const std::byte* p) : p_(p) {}
  int64_t u16(int64_t at) const { return number(at, 2); }
  int64_t u32(int64_t at) const { return number(at, 4); }
  // What has no place in an int64_t is larger than any file: every later check refuses it.
  int64_t u64(int64_t at) const {
    const int64_t value = number(at, 8);
    return value < 0 ? INT64_MAX : value;
  }

 private:
  int64_t number(int64_t at, int bytes) const {
    uint64_t value = 0;
    std::memcpy(&value, p_ + at, static_cast<size_t>(bytes));
    return static_cast<int64_t>(value);
  }
  const std::byte* p_;
};

struct Directory {
  int64_t count, size, offset;
};

bool within(int64_t offset, int64_t size, int64_t limit) {
  return offset >= 0 && size >= 0 && offset <= limit && size <= limit - offset;
}

// The end record is the last thing of the file, behind it only its comment; in front of it the
// directory, which in turn lies right behind the members.
Directory find_directory(const Source& source) {
  constexpr int64_t kMaxComment = 65535;
  const int64_t tail = std::min(source.size(), kEndSize + kMaxComment);
  const Buffer bytes = source.read(source.size() - tail, tail);
  int64_t at = tail - kEndSize;
  const auto fits = [&](int64_t i) {
    const Record r(bytes.data() + i);
    return r.u32(0) == kEnd && r.u16(20) == tail - i - kEndSize;
  };
  while (at >= 0 && !fits(at)) --at;
  if (at < 0) {
    fail_kind(source, "a zip archive, as .npz files are", kZips,
              "zip: no end of directory; not a zip file, or truncated");
  }
  const Record end(bytes.data() + at);
  int64_t position = source.size() - tail + at;
  Directory d{end.u16(10), end.u32(12), end.u32(16)};
  if (end.u16(4) != 0 || end.u16(6) != 0 || end.u16(8) != end.u16(10)) {
    source.fail("zip: archives in several parts are not supported");
  }
  // PyTorch writes the 64-bit record although the fields would hold.
  const bool large = d.count == 0xffff || d.size == kMax32 || d.offset == kMax32;
  if ((large || d.offset + d.size != position) && position >= kLocator64Size) {
    const Buffer locator = source.read(position - kLocator64Size, kLocator64Size);
    const int64_t where = Record(locator.data()).u64(8);
    if (Record(locator.data()).u32(0) == kLocator64) {
      if (!within(where, kEnd64Size, position - kLocator64Size)) {
        source.fail("zip: 64-bit end of directory lies outside the file");
      }
      const Buffer end64 = source.read(where, kEnd64Size);
      const Record r(end64.data());
      if (r.u32(0) != kEnd64) source.fail("zip: 64-bit end of directory is missing");
      d = {r.u64(32), r.u64(40), r.u64(48)};
      position = where;
    }
  }
  if (!within(d.offset, d.size, position) || d.offset + d.size != position) {
    source.fail(fmt::format("zip: directory: expected to end at byte {}, got {} + {}", position,
                            d.offset, d.size));
  }
  return d;
}

// Sizes that do not fit into 32 bits stand in an extra field, only those, in this order.
void read_extra64(const Source& source, const std::string& what, std::span<const std::byte> extra,
                  ZipFile::Member& member) {
  size_t at = 0;
  while (at + 4 <= extra.size()) {
    const Record head(extra.data() + at);
    const auto size = static_cast<size_t>(head.u16(2));
    if (size > extra.size() - at - 4) source.fail(what + ": extra field is cut");
    if (head.u16(0) == 1) {
      int64_t next = 0;
      for (int64_t* field : {&member.size, &member.packed_size, &member.offset}) {
        if (*field != kMax32) continue;
        if (next + 8 > static_cast<int64_t>(size)) source.fail(what + ": 64-bit sizes are missing");
        *field = Record(extra.data() + at + 4).u64(next);
        next += 8;
      }
    }
    at += 4 + size;
  }
}

class DirectoryReader {
 public:
  DirectoryReader(const Source& source, const Directory& directory)
      : source_(source),
        directory_(directory),
        bytes_(source.read(directory.offset, directory.size)) {}

  std::vector<ZipFile::Member> run() {
    if (directory_.count > directory_.size / kCentralSize) {
      source_.fail(fmt::format("zip: directory: {} members do not fit into {} bytes",
                               directory_.count, directory_.size));
    }
    std::vector<ZipFile::Member> members;
    for (int64_t i = 0; i < directory_.count; ++i) members.push_back(next());
    if (at_ != bytes_.size()) source_.fail("zip: directory: bytes behind the last member");
    check_apart(members);
    return members;
  }

 private:
  ZipFile::Member next() {
    if (bytes_.size() - at_ < kCentralSize) source_.fail("zip: directory is cut");
    const Record r(bytes_.data() + at_);
    const int64_t name_size = r.u16(28), extra_size = r.u16(30), comment_size = r.u16(32);
    if (r.u32(0) != kCentral ||
        bytes_.size() - at_ - kCentralSize < name_size + extra_size + comment_size) {
      source_.fail(fmt::format("zip: directory: broken entry at byte {}", directory_.offset + at_));
    }
    const auto* rest = bytes_.data() + at_ + kCentralSize;
    ZipFile::Member member;
    member.name = as_text({rest, static_cast<size_t>(name_size)});
    const std::string what = "member " + in_quotes(member.name);
    member.method = static_cast<int>(r.u16(10));
    member.crc = static_cast<uint32_t>(r.u32(16));
    member.packed_size = r.u32(20);
    member.size = r.u32(24);
    member.offset = r.u32(42);
    read_extra64(source_, what, {rest + name_size, static_cast<size_t>(extra_size)}, member);
    at_ += kCentralSize + name_size + extra_size + comment_size;
    if (!names_.insert(member.name).second) source_.fail(what + ": given twice");
    if (r.u16(8) & 1) source_.fail(what + ": encrypted members are not supported");
    if (member.method != kStored && member.method != kDeflated) {
      source_.fail(fmt::format("{}: method: expected 0 (stored) or 8 (deflate), got {}", what,
                               member.method));
    }
    read_local(what, member);
    return member;
  }

  // The local header says again what the directory says; where they differ two readers would see
  // two archives.
  void read_local(const std::string& what, ZipFile::Member& member) {
    if (!within(member.offset, kLocalSize, directory_.offset)) {
      source_.fail(
          fmt::format("{}: begins at byte {}, outside the file's data", what, member.offset));
    }
    const Buffer bytes = source_.read(member.offset, kLocalSize);
    const Record r(bytes.data());
    const int64_t name_size = r.u16(26), extra_size = r.u16(28);
    const int64_t name_at = member.offset + kLocalSize;
    if (r.u32(0) != kLocal || !within(name_at, name_size + extra_size, directory_.offset)) {
      source_.fail(fmt::format("{}: no local header at byte {}", what, member.offset));
    }
    if (source_.read(name_at, name_size).text() != member.name || r.u16(8) != member.method) {
      source_.fail(what + ": its local header names another member");
    }
    member.data_offset = name_at + name_size + extra_size;
    if (!within(member.data_offset, member.packed_size, directory_.offset)) {
      source_.fail(fmt::format("{}: expected {} bytes, file has {}; truncated?", what,
                               member.packed_size, directory_.offset - member.data_offset));
    }
    if (member.method == kStored && member.size != member.packed_size) {
      source_.fail(fmt::format("{}: stored, but sizes {} and {} differ", what, member.packed_size,
                               member.size));
    }
    if (member.size / kDeflateRatio > member.packed_size) {
      source_.fail(fmt::format("{}: {} bytes cannot be unpacked from {}", what, member.size,
                               member.packed_size));
    }
  }

  // Members that share bytes let a small file unpack to an endless one.
  void check_apart(std::vector<ZipFile::Member> members) {
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    int64_t end = 0;
    for (const auto& member : members) {
      if (member.offset < end) {
        source_.fail("member " + in_quotes(member.name) + ": overlaps another member");
      }
      end = member.data_offset + member.packed_size;
    }
    if (!members.empty() && members[0].offset != 0) {
      source_.fail(fmt::format("zip: {} bytes before the first member", members[0].offset));
    }
  }

  const Source& source_;
  Directory directory_;
  Buffer bytes_;
  int64_t at_ = 0;
  std::unordered_set<std::string> names_;
};

// The inverse of Record.
class RecordWriter {
 public:
  RecordWriter& u16(int64_t v) { return number(v, 2); }
  RecordWriter& u32(int64_t v) { return number(v, 4); }
  RecordWriter& u64(int64_t v) { return number(v, 8); }
  RecordWriter& text(std::string_view v) {
    out_ += v;
    return *this;
  }
  const std::string& bytes() const { return out_; }

 private:
  RecordWriter& number(int64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(v >> (8 * i));
    return *this;
  }
  std::string out_;
};

struct Packed {
  const ZipContent* content;
  Buffer bytes;
  uint32_t crc;
  int64_t offset = 0;
  bool large() const {
    return content->bytes.size() >= int64_t{kMax32} || bytes.size() >= int64_t{kMax32};
  }
};

constexpr int64_t kNewYear1980 = 0x21;  // the first day that a zip can name
constexpr int64_t kUtf8Names = 0x800;

// From "version needed" to the length of the name: the same in both headers.
void put_common(RecordWriter& w, const Packed& p, bool compress, bool large) {
  w.u16(large ? 45 : 20).u16(kUtf8Names).u16(compress ? kDeflated : kStored).u16(0);
  w.u16(kNewYear1980).u32(p.crc);
  w.u32(large ? kMax32 : p.bytes.size()).u32(large ? kMax32 : p.content->bytes.size());
  w.u16(static_cast<int64_t>(p.content->name.size()));
}

std::string local_header(const Packed& p, bool compress) {
  RecordWriter w;
  w.u32(kLocal);
  put_common(w, p, compress, p.large());
  w.u16(p.large() ? 20 : 0).text(p.content->name);
  if (p.large()) w.u16(1).u16(16).u64(p.content->bytes.size()).u64(p.bytes.size());
  return w.bytes();
}

std::string central_header(const Packed& p, bool compress) {
  const bool large = p.large() || p.offset >= int64_t{kMax32};
  RecordWriter w;
  w.u32(kCentral).u16(45);
  put_common(w, p, compress, large);
  w.u16(large ? 28 : 0).u16(0).u16(0).u16(0).u32(0).u32(large ? kMax32 : p.offset);
  w.text(p.content->name);
  if (large) w.u16(1).u16(24).u64(p.content->bytes.size()).u64(p.bytes.size()).u64(p.offset);
  return w.bytes();
}

std::string end_records(int64_t count, int64_t size, int64_t offset) {
  RecordWriter w;
  const bool large = count >= 0xffff || size >= int64_t{kMax32} || offset >= int64_t{kMax32};
  if (large) {
    w.u32(kEnd64).u64(kEnd64Size - 12).u16(45).u16(45).u32(0).u32(0);
    w.u64(count).u64(count).u64(size).u64(offset);
    w.u32(kLocator64).u32(0).u64(offset + size).u32(1);
  }
  const int64_t shown_count = large ? 0xffff : count;
  w.u32(kEnd).u16(0).u16(0).u16(shown_count).u16(shown_count);
  w.u32(large ? kMax32 : size).u32(large ? kMax32 : offset).u16(0);
  return w.bytes();
}

}  // namespace

ZipFile::ZipFile(Source source) : source_(std::move(source)) {
  if (source_.size() < kEndSize) {
    fail_kind(source_, "a zip archive, as .npz files are", kZips,
              fmt::format("zip: file too short: expected at least {} bytes, got {}", kEndSize,
                          source_.size()));
  }
  members_ = DirectoryReader(source_, find_directory(source_)).run();
  source_.check_unchanged();
}

Buffer ZipFile::read(const Member& member) const {
  const std::string what = "member " + in_quotes(member.name);
  Buffer out(member.size, source_.name() + ": " + what);
  if (member.method == kStored) {
    source_.read(member.data_offset, out.span());
  } else {
    Inflater inflater(source_, member.data_offset, member.packed_size, what);
    const int64_t got = inflater.read(out.span());
    std::byte extra;
    if (got < member.size || inflater.read({&extra, 1}) > 0) {
      source_.fail(fmt::format("{}: expected {} bytes, got {}", what, member.size,
                               got < member.size ? std::to_string(got) : "more"));
    }
    if (inflater.consumed() != member.packed_size) {
      source_.fail(fmt::format("{}: {} packed bytes are not used", what,
                               member.packed_size - inflater.consumed()));
    }
  }
  if (const uint32_t crc = crc32(out.span()); crc != member.crc) {
    source_.fail(
        fmt::format("{}: CRC mismatch (expected {:08x}, got {:08x})", what, member.crc, crc));
  }
  source_.check_unchanged();
  return out;
}

void write_zip(const std::string& path, const std::vector<ZipContent>& members, bool compress) {
  std::vector<Packed> packed;
  int64_t offset = 0;
  std::string directory;
  std::unordered_set<std::string_view> names;
  for (const ZipContent& member : members) {
    if (member.name.size() > 0xffff || first_invalid_utf8(member.name) >= 0) {
      throw ValueError("write_zip: member " + in_quotes(member.name) +
                       ": expected UTF-8 of at most 65535 bytes");
    }
    if (!names.insert(member.name).second) {
      throw ValueError("write_zip: member " + in_quotes(member.name) + " given twice");
    }
    const auto bytes = member.bytes.span();
    Packed p{&member, compress ? deflate(bytes) : member.bytes, crc32(bytes), offset};
    offset += static_cast<int64_t>(local_header(p, compress).size()) + p.bytes.size();
    directory += central_header(p, compress);
    packed.push_back(std::move(p));
  }
  const auto directory_size = static_cast<int64_t>(directory.size());
  directory += end_records(static_cast<int64_t>(members.size()), directory_size, offset);
  AtomicFile file(path, offset + static_cast<int64_t>(directory.size()));
  for (const Packed& p : packed) {
    file.write(std::string_view(local_header(p, compress)));
    file.write(p.bytes.span());
  }
  file.write(std::string_view(directory));
  file.commit();
}

}  // namespace varve::formats
