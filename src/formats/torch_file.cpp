#include "formats/torch_file.h"

#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "formats/pickle.h"
#include "formats/zip.h"

namespace varve::formats {
namespace {

using pickle::Items;
using pickle::TensorView;

/// A storage's bytes: a member of the archive, or a range of the file.
struct Place {
  const ZipFile::Member* member = nullptr;
  int64_t offset = 0, size = 0;
};

constexpr int64_t kMaxPickle = int64_t{1} << 28;

}  // namespace

struct TorchFile::Content {
  Source source;
  std::optional<ZipFile> zip;
  std::map<std::string, Place> places;
  std::vector<Entry> entries;
  std::vector<TensorView> views;
  int64_t visits = 0;

  explicit Content(Source s) : source(std::move(s)) {}
  void collect(const pickle::Ref& value, const std::string& name);
  void check(const TensorView& view, const std::string& name) const;
  void open_zip();
  void open_legacy();
};

void TorchFile::Content::check(const TensorView& v, const std::string& name) const {
  const auto fail = [&](const std::string& what) {
    source.fail("tensor \"" + escaped(name) + "\": " + what);
  };
  const auto at = places.find(v.storage.key);
  if (at == places.end()) fail("its storage \"" + escaped(v.storage.key) + "\" is not there");
  const int64_t item = size_of(v.storage.dtype), held = at->second.size / item;
  if (v.storage.count < 0 || v.storage.count > held) fail("its storage is too short");
  // No more elements than the storage has: repeating them by strides of 0 is refused, too.
  int64_t count = 1, last = v.offset;
  if (v.offset < 0) fail("a negative offset");
  for (size_t i = 0; i < v.sizes.size(); ++i) {
    if (v.sizes[i] < 0 || v.strides[i] < 0) fail("a negative size or stride");
    if (v.sizes[i] == 0) return;
  }
  for (size_t i = 0; i < v.sizes.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(count, v.sizes[i], &count) ||
        __builtin_mul_overflow(v.sizes[i] - 1, v.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last) || count > v.storage.count ||
        last >= v.storage.count) {
      fail("it reaches beyond its storage");
    }
  }
  if (last >= v.storage.count) fail("it reaches beyond its storage");
}

void TorchFile::Content::collect(const pickle::Ref& value, const std::string& name) {
  // A value may stand in many places: a small file could name more of them than there are atoms.
  constexpr int64_t kMostVisits = int64_t{1} << 20;
  if (++visits > kMostVisits) source.fail("more than 1048576 values");
  if (const auto* view = std::get_if<TensorView>(&value->v)) {
    entries.push_back({name, view->storage.dtype, Shape(view->sizes)});
    views.push_back(*view);
    return;
  }
  const auto* items = std::get_if<Items>(&value->v);
  if (!items) return;  // numbers and texts beside the tensors
  const std::string prefix = name.empty() ? "" : name + ".";
  if (items->kind == Items::Kind::dict) {
    for (size_t i = 0; i + 1 < items->list.size(); i += 2) {
      const auto* key = std::get_if<std::string>(&items->list[i]->v);
      const auto* number = std::get_if<int64_t>(&items->list[i]->v);
      if (key || number)
        collect(items->list[i + 1], prefix + (key ? *key : std::to_string(*number)));
    }
    return;
  }
  for (size_t i = 0; i < items->list.size(); ++i)
    collect(items->list[i], prefix + std::to_string(i));
}

void TorchFile::Content::open_zip() {
  const ZipFile::Member* program = nullptr;
  for (const ZipFile::Member& m : zip->members()) {
    if (m.name.ends_with("/data.pkl") || m.name == "data.pkl") program = &m;
    if ((m.name.ends_with("/byteorder") || m.name == "byteorder") &&
        zip->read(m).text() != "little") {
      source.fail("byte order \"" + escaped(zip->read(m).text()) + "\": expected little");
    }
  }
  if (!program || program->size > kMaxPickle) source.fail("no torch.save archive: no data.pkl");
  const std::string root = program->name.substr(0, program->name.size() - 8) + "data/";
  for (const ZipFile::Member& m : zip->members()) {
    if (m.name.starts_with(root)) places[m.name.substr(root.size())] = {&m, 0, m.size};
  }
  const Buffer bytes = zip->read(*program);
  size_t at = 0;
  collect(pickle::read(bytes.span(), at), "");
}

// Magic number, version, system, the object, keys of the storages; then each storage: its count
// and its elements.
void TorchFile::Content::open_legacy() {
  const int64_t head = std::min(source.size(), kMaxPickle);
  const Buffer bytes = source.read(0, head);
  size_t at = 0;
  const std::string_view magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
  const auto first = pickle::read(bytes.span(), at);
  const auto* found = std::get_if<std::string>(&first->v);
  if (!found || *found != magic) source.fail("no file of torch.save: another magic number");
  pickle::read(bytes.span(), at);
  pickle::read(bytes.span(), at);
  const pickle::Ref object = pickle::read(bytes.span(), at);
  const pickle::Ref keys = pickle::read(bytes.span(), at);
  collect(object, "");
  std::map<std::string, int64_t> items;
  for (const TensorView& v : views) items[v.storage.key] = size_of(v.storage.dtype);
  const auto* list = std::get_if<Items>(&keys->v);
  if (!list) source.fail("no list of storages");
  auto offset = static_cast<int64_t>(at);
  for (const pickle::Ref& k : list->list) {
    const auto* key = std::get_if<std::string>(&k->v);
    if (!key || offset > source.size() - 8) source.fail("the storages end too early");
    uint64_t count = 0;
    std::memcpy(&count, source.read(offset, 8).data(), 8);
    offset += 8;
    const auto item = items.find(*key);
    if (item == items.end()) source.fail("storage \"" + escaped(*key) + "\" is nobody's");
    if (count > static_cast<uint64_t>(source.size() - offset) / static_cast<uint64_t>(item->second))
      source.fail("the storages end too early");
    const int64_t size = static_cast<int64_t>(count) * item->second;
    places[*key] = {nullptr, offset, size};
    offset += size;
  }
}

TorchFile::TorchFile(Source source) : content_(std::make_unique<Content>(std::move(source))) {
  Content& c = *content_;
  char start[4] = {};
  if (c.source.size() >= 4) c.source.read(0, std::as_writable_bytes(std::span(start)));
  try {
    if (std::memcmp(start, "PK\3\4", 4) == 0) {
      c.zip.emplace(std::move(c.source));
      c.source = Source::memory(c.zip->source().name(), {});
      c.open_zip();
    } else {
      c.open_legacy();
    }
  } catch (const FormatError& e) {
    if (e.message().starts_with("pickle: ")) c.source.fail(e.message());
    throw;
  }
  std::set<std::string> names;
  for (size_t i = 0; i < c.views.size(); ++i) {
    c.check(c.views[i], c.entries[i].name);
    if (!names.insert(c.entries[i].name).second)
      c.source.fail("tensor \"" + escaped(c.entries[i].name) + "\" stands twice");
  }
}
TorchFile::~TorchFile() = default;
TorchFile::TorchFile(TorchFile&&) noexcept = default;

TorchFile TorchFile::open(const std::string& path) { return TorchFile(Source::open(path)); }

const std::vector<TorchFile::Entry>& TorchFile::tensors() const { return content_->entries; }
const std::string& TorchFile::name() const { return content_->source.name(); }

Array TorchFile::read(size_t i) const {
  const Entry& entry = content_->entries.at(i);
  const TensorView& v = content_->views[i];
  const Place& place = content_->places.at(v.storage.key);
  const Buffer bytes = place.member ? content_->zip->read(*place.member)
                                    : content_->source.read(place.offset, place.size);
  Array out(entry.dtype, entry.shape, "tensor");
  const auto item = static_cast<size_t>(size_of(entry.dtype));
  const size_t rank = v.sizes.size();
  std::vector<int64_t> index(rank, 0);
  int64_t from = v.offset;
  std::byte* to = out.bytes.data();
  for (int64_t n = entry.shape.size(); n > 0; --n, to += item) {
    std::memcpy(to, bytes.data() + static_cast<size_t>(from) * item, item);
    for (size_t a = rank; a-- > 0;) {
      from += v.strides[a];
      if (++index[a] < v.sizes[a]) break;
      from -= v.strides[a] * v.sizes[a];
      index[a] = 0;
    }
  }
  if (entry.dtype == DType::bool_ && first_non_bool(out.bytes.span()) >= 0) {
    content_->source.fail("tensor \"" + escaped(entry.name) + "\": a bool is neither 0 nor 1");
  }
  return out;
}

}  // namespace varve::formats
