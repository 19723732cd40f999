// What a file is by its first bytes, and that readers say so of one that is not theirs.
#include "formats/kind.h"

#include <gtest/gtest.h>

#include "formats/csv.h"
#include "formats/idx.h"
#include "formats/image.h"
#include "formats/npy.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "helpers.h"

namespace varve::formats {
namespace {

using std::string_literals::operator""s;

std::string kind_name(const std::string& head) {
  return name_of(kind_of(std::as_bytes(std::span(head))));
}

struct Head {
  std::string bytes, name;
};
const std::vector<Head> kHeads{
    {"", "an empty file"},
    {"\x89PNG\r\n\x1a\n", "a PNG image"},
    {"\xff\xd8\xff\xe0\0\x10JFIF"s, "a JPEG image"},
    {"GIF89a", "a GIF image"},
    {"BM\x36\x30\0\0\0\0\0\0\x36"s, "a BMP image"},
    {"II*\0\x08\0\0\0"s, "a TIFF image"},
    {"RIFF\x24\0\0\0WEBPVP8 "s, "a WebP image"},
    {"\x1f\x8b\x08\0"s, "a gzip file"},
    {"PK\x03\x04"s + std::string(22, '\0') + "\x05\0\0\0x.npy"s, "a .npz file"},
    {"PK\x03\x04"s + std::string(22, '\0') + "\x10\0\0\0archive/data.pkl"s, "a file of torch.save"},
    {"PK\x03\x04 and so on", "a zip archive"},
    {"\x93NUMPY\x01\0"s, "a .npy file"},
    {"\0\0\x08\x03\0\0\0\x0a"s, "an IDX file"},
    {"\x10\0\0\0\0\0\0\0{\"a\":"s, "a safetensors file"},
    // Lengths that begin like other magic numbers.
    {"\x1f\x8b\0\0\0\0\0\0{\"a\":"s, "a safetensors file"},
    {"\xff\xd8\xff\0\0\0\0\0{\"a\":"s, "a safetensors file"},
    {"\x08\x08\x12\x05varve", "an ONNX model"},
    {"\x08\x0a\x3a\x80\x01"s, "an ONNX model"},
    {"\x89HDF\r\n\x1a\n", "an HDF5 file"},
    {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46", "a file of torch.save"},
    {"\x80\x04\x95", "a Python pickle"},
    {"%PDF-1.7", "a PDF document"},
    {"<?xml version", "XML or HTML"},
    {" {\n \"a\": 1}", "JSON"},
    {"[\n [1, 2]]", "JSON"},
    {"{}", "JSON"},
    {"# a job\n\n[data]\n", "TOML"},
    {"[[layers]] # first\n", "TOML"},
    {"seed = 3\n", "TOML"},
    {"a,b\n1,2\n", "text"},
    {"[a note] that is none of a section", "text"},
    {"caf\xc3\xa9\n", "text"},
    {std::string(511, 'x') + "\xc3\xa9", "text"},  // cut within a character
    {std::string(512, '#'), "text"},
};

TEST(Kind, IsToldByTheFirstBytes) {
  for (const Head& head : kHeads) EXPECT_EQ(kind_name(head.bytes), head.name) << head.bytes;
  for (const std::string& bytes : {"\x01\x02\x03"s, "caf\xe9\n"s, "a\0b"s, "\x08"s, "\x80"s})
    EXPECT_EQ(kind_name(bytes), "") << bytes;
}

TEST(Kind, OfEveryBeginningHasAnAnswer) {
  for (const Head& head : kHeads) {
    for (size_t n = 0; n <= head.bytes.size(); ++n) kind_name(head.bytes.substr(0, n));
  }
}

struct Reader {
  const char* id;
  std::function<void(const std::string&)> read;
  const char* expected;
};

TEST(Kind, IsWhatReadersSayOfAFileThatIsNotTheirs) {
  const std::vector<Reader> readers{
      {"a safetensors file", [](const auto& p) { SafetensorsFile::open(p); }, "a safetensors file"},
      {"a .npy file", [](const auto& p) { read_npy(p); }, "a .npy file"},
      {"a .npz file", [](const auto& p) { NpzFile::open(p); }, "a zip archive, as .npz files are"},
      {"an IDX file", [](const auto& p) { read_idx(p); }, "an IDX file"},
      {"a PNG image", [](const auto& p) { read_image(p); }, "a PNG or JPEG"},
      {"text", [](const auto& p) { read_csv(p); }, "a table"},
      {"an ONNX model", [](const auto& p) { onnx::read_model(p); }, "an ONNX model"}};
  const Folder folder;
  const std::string path = folder / "input";
  for (const Reader& reader : readers) {
    for (const char* kind : {"a PNG image", "a GIF image", "a .npz file", "a .npy file",
                             "a safetensors file", "an ONNX model", "an HDF5 file", "JSON"}) {
      if (std::string(kind) == reader.id) continue;
      const auto head =
          std::find_if(kHeads.begin(), kHeads.end(), [&](const Head& h) { return h.name == kind; });
      write_file(path, head->bytes);
      EXPECT_EQ(message_of([&] { reader.read(path); }),
                path + ": not " + reader.expected + " (it begins like " + kind + ")");
    }
  }
}

}  // namespace
}  // namespace varve::formats
