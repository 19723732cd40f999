#include "formats/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"

namespace varve::formats {
namespace {

constexpr int64_t kChunk = 1 << 16;
constexpr size_t kMaxCall = std::numeric_limits<uInt>::max();

uint32_t little_u32(const std::byte* p) {
  return std::to_integer<uint32_t>(p[0]) | std::to_integer<uint32_t>(p[1]) << 8 |
         std::to_integer<uint32_t>(p[2]) << 16 | std::to_integer<uint32_t>(p[3]) << 24;
}

Buffer pack(std::span<const std::byte> bytes, int level, int window_bits) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw IoError("deflate: needs memory, not available");
  }
  std::unique_ptr<z_stream, decltype(&deflateEnd)> guard(&stream, &deflateEnd);
  Buffer out(static_cast<int64_t>(deflateBound(&stream, bytes.size())), "deflate");
  size_t read = 0, written = 0;
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    const size_t in = std::min(bytes.size() - read, kMaxCall);
    const size_t room = std::min(static_cast<size_t>(out.size()) - written, kMaxCall);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    status = ::deflate(&stream, read + in == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += room - stream.avail_out;
    check(status == Z_OK || status == Z_STREAM_END, "deflate fits into its bound");
  }
  return Buffer(out, 0, static_cast<int64_t>(written));
}

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before) {
  uLong crc = before;
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kMaxCall);
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(n));
    bytes = bytes.subspan(n);
  }
  return static_cast<uint32_t>(crc);
}

struct Inflater::State {
  const Source& source;
  int64_t begin, next, end;
  std::string what;
  z_stream stream{};
  bool ended = false;
  std::array<std::byte, kChunk> input;
};

Inflater::Inflater(const Source& source, int64_t offset, int64_t size, std::string what)
    : state_(new State{source, offset, offset, offset + size, std::move(what), {}, false, {}}) {
  if (inflateInit2(&state_->stream, -MAX_WBITS) != Z_OK) {
    throw IoError(source.name() + ": inflate: needs memory, not available");
  }
}

Inflater::~Inflater() { inflateEnd(&state_->stream); }

int64_t Inflater::consumed() const {
  return state_->next - state_->begin - state_->stream.avail_in;
}

int64_t Inflater::read(std::span<std::byte> out) {
  State& s = *state_;
  size_t filled = 0;
  while (filled < out.size() && !s.ended) {
    if (s.stream.avail_in == 0) {
      const int64_t n = std::min<int64_t>(kChunk, s.end - s.next);
      s.source.read(s.next, std::span(s.input).first(static_cast<size_t>(n)));
      s.next += n;
      s.stream.next_in = reinterpret_cast<Bytef*>(s.input.data());
      s.stream.avail_in = static_cast<uInt>(n);
    }
    const size_t room = std::min(out.size() - filled, kMaxCall);
    s.stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    s.stream.avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&s.stream, Z_NO_FLUSH);
    filled += room - s.stream.avail_out;
    if (status == Z_STREAM_END) {
      s.ended = true;
    } else if (status == Z_BUF_ERROR || (status == Z_OK && s.stream.avail_in == 0)) {
      if (s.next == s.end && s.stream.avail_in == 0 && s.stream.avail_out > 0) {
        s.source.fail(fmt::format("{}: data end at byte {}; truncated?", s.what, s.end),
                      "compare the checksum or get the file again");
      }
    } else if (status == Z_MEM_ERROR) {
      throw IoError(s.source.name() + ": inflate: needs memory, not available");
    } else if (status != Z_OK) {
      s.source.fail(fmt::format("{}: invalid data near byte {}: {}", s.what, s.begin + consumed(),
                                s.stream.msg ? s.stream.msg : "preset dictionary"));
    }
  }
  return static_cast<int64_t>(filled);
}

GzipReader::GzipReader(const Source& source)
    : source_(source), inflater_(source, header_size(), source.size() - header_size(), "gzip") {}

// Ten fixed bytes, then extra field, name, comment and header CRC as the flags say.
int64_t GzipReader::header_size() const {
  constexpr int64_t kFixed = 10, kTrailer = 8;
  if (source_.size() < kFixed + kTrailer) {
    source_.fail(fmt::format("gzip: file too short: expected at least {} bytes, got {}",
                             kFixed + kTrailer, source_.size()));
  }
  const Buffer head = source_.read(0, std::min(source_.size(), kChunk));
  const auto at = [&](int64_t i) { return std::to_integer<int>(head.data()[i]); };
  if (at(0) != 0x1f || at(1) != 0x8b) {
    source_.fail(fmt::format("gzip: magic: expected 1f 8b, got {:02x} {:02x}", at(0), at(1)));
  }
  if (at(2) != 8) source_.fail(fmt::format("gzip: method: expected 8 (deflate), got {}", at(2)));
  const int flags = at(3);
  if (flags & 0xe0) source_.fail(fmt::format("gzip: flags: reserved bits set ({:02x})", flags));
  int64_t position = kFixed;
  const auto need = [&](int64_t n) {
    if (position + n > head.size())
      source_.fail("gzip: header: does not end within its first 64 KiB");
  };
  if (flags & 4) {
    need(2);
    position += 2 + at(position) + 256 * at(position + 1);
  }
  for (int text : {8, 16}) {
    if (!(flags & text)) continue;
    do {
      need(1);
    } while (at(position++) != 0);
  }
  if (flags & 2) {
    need(2);
    const uint32_t expected = crc32(head.span().first(static_cast<size_t>(position))) & 0xffff;
    const uint32_t got = static_cast<uint32_t>(at(position) + 256 * at(position + 1));
    if (expected != got) {
      source_.fail(fmt::format("gzip: header CRC: expected {:04x}, got {:04x}", expected, got));
    }
    position += 2;
  }
  need(0);
  return position;
}

int64_t GzipReader::read(std::span<std::byte> out) {
  if (ended_) return 0;
  const int64_t n = inflater_.read(out);
  crc_ = crc32(out.first(static_cast<size_t>(n)), crc_);
  produced_ += n;
  if (n < static_cast<int64_t>(out.size())) {
    ended_ = true;
    check_end();
  }
  return n;
}

void GzipReader::check_end() {
  const int64_t position = header_size() + inflater_.consumed();
  const int64_t left = source_.size() - position;
  if (left < 8) {
    source_.fail(fmt::format("gzip: trailer: expected 8 bytes, got {}; truncated?", left));
  }
  const Buffer trailer = source_.read(position, 8);
  if (const uint32_t crc = little_u32(trailer.data()); crc != crc_) {
    source_.fail(fmt::format("gzip: CRC mismatch at end (expected {:08x}, got {:08x})", crc, crc_));
  }
  const uint32_t size = little_u32(trailer.data() + 4);
  if (const auto got = static_cast<uint32_t>(produced_); size != got) {
    source_.fail(fmt::format("gzip: length mismatch at end (expected {}, got {})", size, got));
  }
  if (left > 8) {
    source_.fail(fmt::format("gzip: end of file: expected {} bytes, got {} (a second member?)",
                             position + 8, source_.size()));
  }
  source_.check_unchanged();
}

bool is_gzip(const Source& source) {
  if (source.size() < 2) return false;
  const Buffer magic = source.read(0, 2);
  return magic.data()[0] == std::byte{0x1f} && magic.data()[1] == std::byte{0x8b};
}

Buffer read_gzip(const Source& source, int64_t limit) {
  GzipReader reader(source);
  // The trailer's length is only a guess (modulo 2^32, and unchecked so far): it decides how much
  // to reserve first, within what the input can give.
  const uint32_t declared = little_u32(source.read(source.size() - 4, 4).data());
  int64_t room = std::min({int64_t{declared}, limit, source.size() * kDeflateRatio});
  Buffer out(room, source.name());
  int64_t size = reader.read(out.span());
  std::array<std::byte, 4096> rest;
  for (int64_t n; size == out.size() && (n = reader.read(rest)) > 0;) {
    if (size + n > limit) {
      source.fail(fmt::format("gzip: more than {} bytes of data, the limit here", limit));
    }
    room = std::min(limit, std::max<int64_t>(2 * out.size(), size + kChunk));
    Buffer larger(room, source.name());
    std::copy_n(out.data(), size, larger.data());
    std::copy_n(rest.data(), n, larger.data() + size);
    size += n;
    const auto space = larger.span().subspan(static_cast<size_t>(size));
    size += reader.read(space);
    out = std::move(larger);
  }
  return Buffer(out, 0, size);
}

Buffer read_maybe_gzip(const std::string& path, int64_t limit) {
  const Source source = Source::open(path);
  return is_gzip(source) ? read_gzip(source, limit) : read_file(path, limit);
}

Buffer gzip(std::span<const std::byte> bytes, int level) { return pack(bytes, level, 15 + 16); }

Buffer deflate(std::span<const std::byte> bytes, int level) { return pack(bytes, level, -15); }

}  // namespace varve::formats
