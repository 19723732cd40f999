// room: ops
// How spatial operations treat the borders, and where the channels lie: closed sets of choices.
#pragma once
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "varve/types.h"

namespace varve {

namespace detail {
void padding_must_be_valid_same_or_causal();  // never defined: names the mistake while compiling
void data_format_must_be_channels_last_or_channels_first();
}  // namespace detail

/// Elements added around the spatial axes (zeros; least values for max pooling):
///   "valid"   none;
///   "same"    so that the output has ceil(input / stride) positions, half on each side and the odd
///             one at the end, as in Keras and TensorFlow;
///   "causal"  at the beginning alone, so that output t sees inputs up to t (one spatial axis
///   only); 2         so many on every side; {1, 2}    so many on both sides of the first and
///   second axis;
///   {{0, 1}, {2, 3}}  low and high side of each axis.
/// A literal is checked while compiling; files use `parse`.
struct Padding {
  enum class Kind : uint8_t { valid, same, causal, sides };
  /// Elements before and after one axis.
  struct Side {
    int64_t low = 0, high = 0;
    constexpr Side() = default;
    constexpr Side(Integer auto both) : low(static_cast<int64_t>(both)), high(low) {}
    constexpr Side(Dim low_, Dim high_) : low(low_), high(high_) {}
    bool operator==(const Side&) const = default;
  };

  Kind kind = Kind::valid;
  int count = 0;  ///< of sides given: 0, 1 (for every axis) or one an axis
  std::array<Side, 3> sides = {};

  constexpr Padding() = default;
  consteval Padding(const char* name) : kind(kind_of(name)) {
    if (kind == Kind::sides) detail::padding_must_be_valid_same_or_causal();
  }
  constexpr Padding(Integer auto all) : kind(Kind::sides), count(1), sides{Side(all)} {}
  constexpr Padding(std::initializer_list<Side> each)
      : kind(Kind::sides), count(static_cast<int>(each.size())) {
    size_t i = 0;
    for (const Side& s : each) {
      if (i < sides.size()) sides[i++] = s;
    }
  }
  /// "valid", "same", "causal" or a number. Throws ValueError with the nearest name.
  static Padding parse(std::string_view text);
  /// What `parse` reads where it can ("same", "2"), else "[[0, 1], [2, 3]]".
  std::string to_string() const;
  bool operator==(const Padding&) const = default;

 private:
  static constexpr Kind kind_of(std::string_view name) {
    return name == "valid"    ? Kind::valid
           : name == "same"   ? Kind::same
           : name == "causal" ? Kind::causal
                              : Kind::sides;
  }
};

/// "channels_last" ([batch, spatial..., channels], as Keras and TensorFlow) or "channels_first"
/// ([batch, channels, spatial...], as PyTorch and ONNX).
struct DataFormat {
  bool channels_first = false;

  constexpr DataFormat() = default;
  consteval DataFormat(const char* name)
      : channels_first(std::string_view(name) == "channels_first") {
    if (!channels_first && std::string_view(name) != "channels_last")
      detail::data_format_must_be_channels_last_or_channels_first();
  }
  /// Throws ValueError with the nearest name.
  static DataFormat parse(std::string_view text);
  const char* to_string() const { return channels_first ? "channels_first" : "channels_last"; }
  bool operator==(const DataFormat&) const = default;
};

}  // namespace varve
