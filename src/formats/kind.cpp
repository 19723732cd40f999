#include "formats/kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "formats/text.h"

namespace varve::formats {
namespace {

using std::string_view_literals::operator""sv;

constexpr int64_t kHead = 512;

struct Magic {
  std::string_view bytes;
  FileKind kind;
};
constexpr std::array kMagics{
    Magic{"\x89PNG"sv, FileKind::png}, Magic{"\xff\xd8\xff"sv, FileKind::jpeg},
    Magic{"GIF8"sv, FileKind::gif}, Magic{"II*\0"sv, FileKind::tiff},
    Magic{"MM\0*"sv, FileKind::tiff}, Magic{"\x1f\x8b"sv, FileKind::gzip},
    Magic{"PK\x05\x06"sv, FileKind::zip}, Magic{"\x93NUMPY"sv, FileKind::npy},
    Magic{"\x89HDF\r\n"sv, FileKind::hdf5}, Magic{"%PDF-"sv, FileKind::pdf},
    // The older form of torch.save: a magic number, as a pickle of its own.
    Magic{"\x80\x02\x8a\x0a\x6c\xfc"sv, FileKind::torch}};

unsigned byte_at(std::string_view s, size_t i) {
  return i < s.size() ? static_cast<unsigned char>(s[i]) : 256u;
}

// An archive's first member tells whose it is.
FileKind kind_of_zip(std::string_view s) {
  constexpr size_t kLength = 26, kName = 30;
  const size_t length = byte_at(s, kLength) + 256 * byte_at(s, kLength + 1);
  const std::string_view name = s.size() > kName ? s.substr(kName, length) : ""sv;
  if (name.ends_with(".npy")) return FileKind::npz;
  return name.ends_with("data.pkl") ? FileKind::torch : FileKind::zip;
}

// Eight bytes of length, and what they count begins with a brace.
bool is_safetensors(std::string_view s) {
  return byte_at(s, 8) == '{' && byte_at(s, 4) + byte_at(s, 5) + byte_at(s, 6) + byte_at(s, 7) == 0;
}

// ir_version, a small number, and another field of ModelProto behind it.
bool is_onnx(std::string_view s) {
  constexpr std::string_view kNext = "\x12\x1a\x22\x28\x32\x3a\x42\x72";
  return byte_at(s, 0) == 8 && byte_at(s, 1) >= 1 && byte_at(s, 1) < 64 && s.size() > 2 &&
         kNext.find(s[2]) != kNext.npos;
}

bool is_idx(std::string_view s) {
  const unsigned type = byte_at(s, 2), rank = byte_at(s, 3);
  return byte_at(s, 0) == 0 && byte_at(s, 1) == 0 && type >= 8 && type <= 14 && rank >= 1 &&
         rank <= 8;
}

bool is_text(std::string_view s) {
  const auto control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') ||
           c == 0x7f;
  };
  if (std::any_of(s.begin(), s.end(), control)) return false;
  const int64_t bad = first_invalid_utf8(s);
  // The last character may be cut by the end of the head.
  constexpr int64_t kCut = 4;
  return bad < 0 || (static_cast<int64_t>(s.size()) == kHead && bad > kHead - kCut);
}

// The first line that says something, without the blanks around it.
std::string_view first_line(std::string_view s) {
  constexpr std::string_view kBlanks = " \t\r";
  while (!s.empty()) {
    std::string_view line = s.substr(0, s.find('\n'));
    s.remove_prefix(std::min(s.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(kBlanks)));
    if (line.empty() || line[0] == '#') continue;
    return line.substr(0, line.find_last_not_of(kBlanks) + 1);
  }
  return {};
}

// [section], or key = value.
bool is_toml(std::string_view line) {
  const auto name = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return std::isalnum(c) || c == '_' || c == '-' || c == '.';
    });
  };
  if (line.starts_with('[')) {
    const size_t begin = line.find_first_not_of('['), end = line.find(']');
    return end != line.npos && begin < end && name(line.substr(begin, end - begin)) &&
           std::isalpha(static_cast<unsigned char>(line[begin]));
  }
  const std::string_view key = line.substr(0, line.find_first_of(" ="));
  const std::string_view rest = line.substr(key.size());
  return name(key) && rest.find_first_not_of(' ') == rest.find('=') && rest.find('=') != rest.npos;
}

bool is_json(std::string_view s) {
  const auto next = [&](size_t from) { return s.find_first_not_of(" \t\r\n", from); };
  const size_t first = next(0);
  if (first == s.npos) return false;
  const size_t second = next(first + 1);
  const char inside = second == s.npos ? '\0' : s[second];
  return (s[first] == '{' && (inside == '"' || inside == '}')) ||
         (s[first] == '[' && (inside == '"' || inside == '{' || inside == '['));
}

}  // namespace

FileKind kind_of(std::span<const std::byte> head) {
  const std::string_view s(reinterpret_cast<const char*>(head.data()),
                           std::min<size_t>(head.size(), kHead));
  if (s.empty()) return FileKind::empty;
  // First, for its length may begin like a gzip's or a JPEG's magic number.
  if (is_safetensors(s)) return FileKind::safetensors;
  for (const Magic& m : kMagics) {
    if (s.starts_with(m.bytes)) return m.kind;
  }
  if (s.starts_with("PK\x03\x04")) return kind_of_zip(s);
  if (s.starts_with("RIFF") && s.size() > 8 && s.substr(8).starts_with("WEBP"))
    return FileKind::webp;
  if (s.starts_with("BM") && s.size() > 6 && s.substr(6).starts_with("\0\0\0\0"sv))
    return FileKind::bmp;
  if (byte_at(s, 0) == 0x80 && byte_at(s, 1) >= 2 && byte_at(s, 1) <= 5) return FileKind::pickle;
  if (is_onnx(s)) return FileKind::onnx;
  if (is_idx(s)) return FileKind::idx;
  if (!is_text(s)) return FileKind::unknown;
  const std::string_view line = first_line(s.starts_with("\xef\xbb\xbf") ? s.substr(3) : s);
  if (is_toml(line)) return FileKind::toml;
  if (is_json(s)) return FileKind::json;
  return line.starts_with('<') ? FileKind::markup : FileKind::text;
}

FileKind kind_of(const Source& source) {
  return kind_of(source.read(0, std::min(source.size(), kHead)).span());
}

const char* name_of(FileKind kind) {
  constexpr std::array kNames{"",
                              "an empty file",
                              "a PNG image",
                              "a JPEG image",
                              "a GIF image",
                              "a BMP image",
                              "a TIFF image",
                              "a WebP image",
                              "a gzip file",
                              "a .npz file",
                              "a file of torch.save",
                              "a zip archive",
                              "a .npy file",
                              "an IDX file",
                              "a safetensors file",
                              "an ONNX model",
                              "an HDF5 file",
                              "a Python pickle",
                              "a PDF document",
                              "XML or HTML",
                              "JSON",
                              "TOML",
                              "text"};
  return kNames[static_cast<size_t>(kind)];
}

std::string not_expected(const std::string& expected, FileKind kind) {
  return "not " + expected +
         (kind == FileKind::empty ? " (it is empty)"
                                  : std::string(" (it begins like ") + name_of(kind) + ")");
}

std::string other_kind(std::span<const std::byte> head, const std::string& expected,
                       std::initializer_list<FileKind> own, const std::string& detail) {
  const FileKind kind = kind_of(head);
  if (kind == FileKind::unknown || std::find(own.begin(), own.end(), kind) != own.end())
    return detail;
  const std::string text = not_expected(expected, kind);
  const bool vague = kind == FileKind::empty || kind == FileKind::text;
  return vague && !detail.empty() ? text + ": " + detail : text;
}

void fail_kind(const Source& source, const std::string& expected,
               std::initializer_list<FileKind> own, const std::string& detail) {
  const Buffer head = source.read(0, std::min(source.size(), kHead));
  source.fail(other_kind(head.span(), expected, own, detail));
}

}  // namespace varve::formats
