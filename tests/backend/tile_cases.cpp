#include "backend/tile_cases.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "backend/targets.h"
#include "base/convert.h"
#include "base/philox.h"
#include "base/threads.h"
#include "ir/dispatch.h"

namespace varve::cpu::cases {
namespace {

using tiling::Opcode;
using tiling::Reduce;

template <class T>
Value value_of(T v) {
  if constexpr (std::is_integral_v<T>) return {0, static_cast<int64_t>(v)};
  return {static_cast<double>(v), 0};
}
template <class T>
T in_type(Value v) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(v.i);
  return T(v.f);
}
Value convert_value(Value v, Type from, DType through) {
  return ir::dispatch(native(from), [&](auto a) {
    return ir::dispatch(
        through, [&](auto b) { return value_of(convert<decltype(b)>(in_type<decltype(a)>(v))); });
  });
}

template <class F>
void for_each_element(const std::array<int64_t, 3>& e, F f) {
  for (int64_t o = 0; o < e[0]; ++o) {
    for (int64_t m = 0; m < e[1]; ++m) {
      for (int64_t i = 0; i < e[2]; ++i) f(o, m, i);
    }
  }
}

/// All slots of one element.
std::vector<Value> evaluate(Case& c, int64_t o, int64_t m, int64_t i) {
  std::vector<Value> slots;
  for (const tiling::Instruction& in : c.program.instructions) {
    const auto arg = [&](size_t k) { return slots[static_cast<size_t>(in.arguments[k])]; };
    Value v;
    switch (in.opcode) {
      case Opcode::load: {
        Array& array = c.operands[static_cast<size_t>(in.operand)];
        v = load_value(array.at(o, m, i), array.dtype, in.type);
        break;
      }
      case Opcode::constant:
        v = is_floating(in.type) ? Value{in.number, 0} : Value{0, in.integer};
        v = convert_value(v, in.type, native(in.type));
        break;
      case Opcode::cast: {
        const Type from = c.program.instructions[static_cast<size_t>(in.arguments[0])].type;
        const Value rounded = convert_value(arg(0), from, in.through);
        v = ir::dispatch(in.through, [&](auto a) {
          const auto element = in_type<decltype(a)>(rounded);
          return load_value(&element, in.through, in.type);
        });
        break;
      }
      case Opcode::random_bits:
      case Opcode::random_unit: {
        const auto* key =
            reinterpret_cast<const uint64_t*>(c.operands[static_cast<size_t>(in.operand)].data());
        const Strides& s = in.index_strides;
        const uint32_t word =
            philox::word(key[0], key[1], static_cast<uint64_t>(o * s[0] + m * s[1] + i * s[2]));
        v = in.opcode == Opcode::random_unit ? value_of(philox::unit_float(word))
                                             : value_of(static_cast<int32_t>(word));
        break;
      }
      case Opcode::call:
        v = ir::dispatch(native(in.type), [&](auto a) {
          using T = decltype(a);
          if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> ||
                        std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t>) {
            const int n = info(in.function).arity;
            return value_of(plain_pointwise<T>(in.function)(in_type<T>(arg(0)),
                                                            n > 1 ? in_type<T>(arg(1)) : T{},
                                                            n > 2 ? in_type<T>(arg(2)) : T{}));
          } else {
            return Value{};
          }
        });
        break;
    }
    slots.push_back(v);
  }
  return slots;
}

double combine(Reduce reduce, double a, double b) {
  if (reduce == Reduce::sum) return a + b;
  if (reduce == Reduce::prod) return a * b;
  if (std::isnan(a) || std::isnan(b)) return std::nan("");
  return reduce == Reduce::max ? std::max(a, b) : std::min(a, b);
}

/// Where two arrays differ, margins included; NaN is NaN and zero is zero, whatever their bits.
std::string first_difference(Array& got, Array& want) {
  const auto size = static_cast<size_t>(size_of(want.dtype));
  for (size_t at = 0; at < want.bytes.size(); at += size) {
    if (std::memcmp(&got.bytes[at], &want.bytes[at], size) == 0) continue;
    const double a = load_value(&got.bytes[at], want.dtype, Type::f64).f;
    const double b = load_value(&want.bytes[at], want.dtype, Type::f64).f;
    if (is_floating(want.dtype) && (a == b || (std::isnan(a) && std::isnan(b)))) continue;
    const auto index = (static_cast<int64_t>(at) - want.origin) / static_cast<int64_t>(size);
    return "at offset " + std::to_string(index) + ": got " + std::to_string(a) + ", expected " +
           std::to_string(b);
  }
  return "";
}

/// What the outputs must hold. Reductions in double, with the sum of absolute values for the bound.
void expect_outputs(Case& c, std::vector<Array>& got) {
  const TileProgram& p = c.program;
  std::vector<Array> want = outputs_of(p);
  struct Sum {
    double value = 0, size = 0;
    int64_t count = 0;
  };
  std::vector<std::map<uint8_t*, Sum>> sums(p.outputs.size());
  for_each_element(p.extents, [&](int64_t o, int64_t m, int64_t i) {
    const std::vector<Value> slots = evaluate(c, o, m, i);
    for (size_t k = 0; k < p.outputs.size(); ++k) {
      const tiling::Output& out = p.outputs[k];
      const Type type = p.instructions[static_cast<size_t>(out.slot)].type;
      const Value v = slots[static_cast<size_t>(out.slot)];
      uint8_t* place = want[k].at(o, m, i);
      if (out.reduce != Reduce::none) {
        const double x = is_floating(type) ? v.f : static_cast<double>(v.i);
        auto [it, fresh] = sums[k].try_emplace(place, Sum{x, std::fabs(x), 1});
        if (!fresh) {
          it->second = {combine(out.reduce, it->second.value, x), it->second.size + std::fabs(x),
                        it->second.count + 1};
        }
      } else {
        const Value stored = convert_value(v, type, out.dtype);
        ir::dispatch(out.dtype, [&](auto a) {
          const auto element = in_type<decltype(a)>(stored);
          std::memcpy(place, &element, sizeof(element));
        });
      }
    }
  });
  for (size_t k = 0; k < p.outputs.size(); ++k) {
    const tiling::Output& out = p.outputs[k];
    for (auto& [place, sum] : sums[k]) {
      const auto offset = static_cast<size_t>(place - want[k].bytes.data());
      const double value = load_value(&got[k].bytes[offset], out.dtype, Type::f64).f;
      const bool exact = out.reduce == Reduce::max || out.reduce == Reduce::min ||
                         !is_floating(p.instructions[static_cast<size_t>(out.slot)].type);
      // 2 sqrt(K) 2^-24 of the sum of sizes; a product: as many roundings of its own size.
      const double bound = 2 * std::sqrt(static_cast<double>(sum.count)) * 0x1p-24 *
                           (out.reduce == Reduce::sum ? sum.size : std::fabs(sum.value));
      ASSERT_NEAR(value, sum.value, exact ? 0 : bound) << tiling::to_string(p) << "output " << k;
      std::memcpy(place, &got[k].bytes[offset], static_cast<size_t>(size_of(out.dtype)));
    }
    ASSERT_EQ(first_difference(got[k], want[k]), "") << tiling::to_string(p) << "output " << k;
  }
}

}  // namespace

Value load_value(const void* p, DType from, Type to) {
  return ir::dispatch(from, [&](auto a) {
    decltype(a) element;
    std::memcpy(&element, p, sizeof(element));
    return ir::dispatch(native(to),
                        [&](auto b) { return value_of(convert<decltype(b)>(element)); });
  });
}

Case make(std::array<int64_t, 3> extents, const std::vector<tiling::Operand>& operands) {
  Case c{{.extents = extents}, {}};
  for (const tiling::Operand& o : operands) {
    c.program.operands.push_back(o);
    c.operands.emplace_back(o.dtype, o.strides, extents);
  }
  return c;
}

void fill(Case& c, uint32_t seed) {
  std::mt19937_64 random(seed);
  for (Array& array : c.operands) {
    if (array.dtype == DType::u64) {
      const uint64_t key[2] = {0x0123456789abcdef, 7};
      array.bytes.resize(array.bytes.size() + 16);
      std::memcpy(array.data(), key, 16);
      continue;
    }
    for_each_element(c.program.extents, [&](int64_t o, int64_t m, int64_t i) {
      const double v = static_cast<double>(static_cast<int64_t>(random() % 4001) - 2000) / 256;
      ir::dispatch(array.dtype, [&](auto a) {
        const auto element = convert<decltype(a)>(v * 8);
        std::memcpy(array.at(o, m, i), &element, sizeof(element));
      });
    });
  }
}

std::vector<Array> outputs_of(const TileProgram& program) {
  std::vector<Array> outputs;
  for (const tiling::Output& o : program.outputs) {
    outputs.emplace_back(o.dtype, o.strides, program.extents);
  }
  return outputs;
}

void run(const TileKernel& kernel, const std::vector<const void*>& in,
         const std::vector<void*>& out, int threads) {
  const size_t bytes = kernel.scratch_bytes(threads);
  std::vector<std::byte> memory(bytes + 64, std::byte{0xff});
  void* scratch = memory.data();
  size_t room = memory.size();
  std::align(64, bytes, scratch, room);
  set_thread_count(threads);
  kernel.run(in.data(), out.data(), scratch, threads);
}

std::vector<Array> run(Case& c, const TileKernel& kernel, int threads) {
  std::vector<Array> outputs = outputs_of(c.program);
  std::vector<const void*> in;
  std::vector<void*> out;
  for (Array& a : c.operands) in.push_back(a.data());
  for (Array& a : outputs) out.push_back(a.data());
  run(kernel, in, out, threads);
  return outputs;
}

void check_case(Case c, uint32_t seed) {
  fill(c, seed);
  for_each_target([&] {
    const TileKernel kernel(c.program);
    std::vector<Array> one = run(c, kernel, 1);
    expect_outputs(c, one);
    for (const int threads : {2, 3}) {
      std::vector<Array> many = run(c, kernel, threads);
      for (size_t k = 0; k < one.size(); ++k) ASSERT_EQ(one[k].bytes, many[k].bytes);
    }
  });
  set_thread_count(2);
}

}  // namespace varve::cpu::cases
