// TOML texts (job files).
#include "formats/toml.h"

#include "support/harness.h"

using namespace varve;

namespace {

void look(const formats::TomlValue& value) {
  fuzz::expect(formats::name_of(value.kind) != nullptr, "a value has a kind");
  fuzz::expect(value.position.line >= 0 && value.position.column >= 0, "a value has a place");
  for (const auto& item : value.items) look(item);
  for (const auto& member : value.members) {
    fuzz::expect(value.find(member.key) == &member.value, "a member is found by its key");
    look(member.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] { look(formats::parse_toml(fuzz::text_of(data, size), "input")); });
  return 0;
}
