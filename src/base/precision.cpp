#include "varve/precision.h"

#include "base/error.h"

namespace varve {

Precision Precision::parse(std::string_view text) {
  const Precision p(kind_of(text));
  if (text == p.to_string()) return p;
  throw ValueError("precision: expected \"f32\" or \"mixed_bf16\", got \"" + escaped(text) + "\"",
                   did_you_mean(text, {"f32", "mixed_bf16"}));
}

}  // namespace varve
