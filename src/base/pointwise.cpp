#include "base/pointwise.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/plain_lane.h"
#include "base/pointwise_table.h"

namespace varve {
namespace {

template <class T, int i>
constexpr PointwiseFn<T> entry() {
  if constexpr (defined_in(kPointwiseTable[i].domain, std::is_floating_point_v<T>)) {
    return plain::evaluate<static_cast<Pointwise>(i), kPointwiseTable[i].arity, T>;
  } else {
    return nullptr;
  }
}

template <class T, int... i>
PointwiseFn<T> look_up(Pointwise function, std::integer_sequence<int, i...>) {
  static constexpr PointwiseFn<T> kTable[] = {entry<T, i>()...};
  return kTable[static_cast<int>(function)];
}

}  // namespace

const PointwiseInfo& info(Pointwise function) {
  return kPointwiseTable[static_cast<int>(function)];
}

Pointwise parse_pointwise(std::string_view name) {
  std::vector<std::string> names;
  for (const PointwiseInfo& row : kPointwiseTable) {
    if (name == row.name) return row.function;
    names.emplace_back(row.name);
  }
  throw ValueError("pointwise function \"" + escaped(name) + "\" is unknown",
                   did_you_mean(name, names));
}

bool defined_for(Pointwise function, bool is_float) {
  return defined_in(info(function).domain, is_float);
}

template <class T>
PointwiseFn<T> plain_pointwise(Pointwise function) {
  return look_up<T>(function, std::make_integer_sequence<int, kPointwiseCount>{});
}
template PointwiseFn<double> plain_pointwise<double>(Pointwise);
template PointwiseFn<float> plain_pointwise<float>(Pointwise);
template PointwiseFn<int32_t> plain_pointwise<int32_t>(Pointwise);
template PointwiseFn<int64_t> plain_pointwise<int64_t>(Pointwise);
template PointwiseFn<uint64_t> plain_pointwise<uint64_t>(Pointwise);

}  // namespace varve
