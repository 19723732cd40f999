#include <algorithm>

#include "formats/npy.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

constexpr std::string_view kEnding = ".npy";

}  // namespace

NpzFile NpzFile::open(const std::string& path) { return NpzFile(Source::open(path)); }

NpzFile::NpzFile(Source source) : zip_(std::move(source)) {
  for (const ZipFile::Member& member : zip_.members()) {
    if (!member.name.ends_with(kEnding)) {
      zip_.source().fail("member " + in_quotes(member.name) +
                         ": expected a name that ends in .npy");
    }
    names_.push_back(member.name.substr(0, member.name.size() - kEnding.size()));
  }
}

bool NpzFile::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

Array NpzFile::read(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) {
    std::string list;
    for (const std::string& n : names_) list += (list.empty() ? "" : ", ") + in_quotes(n);
    zip_.source().fail("array " + in_quotes(name) + " not found; arrays: " + list);
  }
  const auto& member = zip_.members()[static_cast<size_t>(found - names_.begin())];
  return parse_npy(zip_.read(member), zip_.source().name() + ": member " + in_quotes(member.name));
}

void write_npz(const std::string& path, const std::map<std::string, Array>& arrays, bool compress) {
  std::vector<ZipContent> members;
  for (const auto& [name, array] : arrays) {
    members.push_back({name + std::string(kEnding), encode_npy(array)});
  }
  write_zip(path, members, compress);
}

}  // namespace varve::formats
