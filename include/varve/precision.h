// room: base
// In which type compiled functions compute and keep activations.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace varve {

/// "f32": every operation in the types that it was given; or "mixed_bf16": products and
/// convolutions of f32 tensors read and write bf16 and add in f32, activations are stored in bf16;
/// parameters, their updates, normalization, losses and softmax keep f32 (Micikevicius et al.,
/// Mixed Precision Training, 2018; Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training,
/// 2019). For processors that compute in bf16 (`varve doctor` tells); slower elsewhere. A
/// literal is checked while compiling; files use `parse`.
/// Example: model.compile({.optimizer = optim::Adam{}, .loss = "mse", .precision = "mixed_bf16"});
struct Precision {
  enum class Kind : uint8_t { f32, mixed_bf16 };
  Kind kind = Kind::f32;

  constexpr Precision() = default;
  constexpr Precision(Kind k) : kind(k) {}
  consteval Precision(const char* name) : kind(kind_of(name)) {
    // A name that is none of these ends the evaluation: the compiler points at it.
    if (kind == Kind::f32 && std::string_view(name) != "f32")
      throw "a precision is \"f32\" or \"mixed_bf16\"";
  }
  static const Precision f32, mixed_bf16;
  /// Throws ValueError with the nearest name.
  static Precision parse(std::string_view text);
  /// What `parse` reads.
  const char* to_string() const { return kind == Kind::f32 ? "f32" : "mixed_bf16"; }
  bool operator==(const Precision&) const = default;

 private:
  static constexpr Kind kind_of(std::string_view name) {
    return name == "mixed_bf16" ? Kind::mixed_bf16 : Kind::f32;
  }
};
inline constexpr Precision Precision::f32{Kind::f32};
inline constexpr Precision Precision::mixed_bf16{Kind::mixed_bf16};

}  // namespace varve
