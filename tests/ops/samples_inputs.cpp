#include "samples_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/philox.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "runtime/evaluate.h"
#include "varve/ops/pointwise.h"

namespace varve::samples {

Tensor from_doubles(const std::vector<double>& v, const Shape& shape, DType dtype) {
  ir::Array a = ir::allocate(dtype, shape);
  ir::dispatch(dtype, [&]<class T>(T) {
    T* p = reinterpret_cast<T*>(a.data());
    for (size_t i = 0; i < v.size(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        p[i] = v[i] != 0;
      } else if constexpr (ir::is_float_element<T>) {
        p[i] = convert<T>(v[i]);
      } else {
        // Beyond the range of i64 only u64 has values.
        p[i] = v[i] >= 0x1p63 ? static_cast<T>(convert<uint64_t>(v[i]))
                              : static_cast<T>(convert<int64_t>(v[i]));
      }
    }
  });
  return ir::computed(dtype, shape, a);
}

namespace {

uint64_t seed_of(const std::string& text) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

/// Numbers of [low, high] that keep away from some.
std::vector<double> fill(const In& in, DType dtype, uint64_t seed) {
  if (!in.elements.empty()) return in.elements;
  double low = in.low, high = in.high;
  const bool whole = !is_floating(dtype);
  if (whole) {
    low = std::ceil(is_signed(dtype) ? low : std::max(low, 0.));
    high = std::max(low, std::floor(high));
  }
  std::vector<double> v(static_cast<size_t>(in.shape.size()));
  uint64_t draw = 0;
  for (double& x : v) {
    bool close = true;
    // Where no value keeps away (an integer range around a pole), the last draw stands.
    for (int attempt = 0; close && attempt < 100; ++attempt) {
      const double u = philox::unit_double(seed, 0, draw++);
      x = whole ? low + std::floor(u * (high - low + 1)) : low + u * (high - low);
      close = false;
      for (double a : in.away) close |= std::abs(x - a) < 0.1;
    }
  }
  return v;
}

}  // namespace

Tensors make_inputs(const Row& row, const Sample& sample, DType dtype) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const In& in = sample.inputs[i];
    const DType d = in.typed ? in.dtype : dtype;
    const uint64_t seed =
        seed_of(std::string(row.op) + "/" + sample.name + "/" + std::to_string(i));
    out.push_back(from_doubles(fill(in, d, seed), in.shape, d));
  }
  return Tensors(out);
}

bool takes_type(const Sample& sample) {
  return std::any_of(sample.inputs.begin(), sample.inputs.end(),
                     [](const In& in) { return !in.typed; });
}

const std::vector<DType>& dtypes_of(const Row& row, const Sample& sample) {
  static const std::vector<DType> any = {f32};
  if (!takes_type(sample)) return any;
  return sample.dtypes.empty() ? row.dtypes : sample.dtypes;
}

Tensors run(const Row& row, const Sample& sample, const Tensors& inputs) {
  return sample.call ? sample.call(inputs) : row.call(inputs);
}

bool skipped(const Row& row, Check check) {
  return std::any_of(row.skips.begin(), row.skips.end(),
                     [&](const Skip& s) { return s.check == check; });
}

Plain plain(const Tensor& x) { return {x.shape(), x.to_doubles()}; }

Plains plain(const Tensors& x) {
  Plains out;
  for (const Tensor& t : x) out.push_back(plain(t));
  return out;
}

Tensors widened(const Tensors& x) {
  std::vector<Tensor> out;
  for (const Tensor& t : x)
    out.push_back(
        t.defined() && is_floating(t.dtype()) ? from_doubles(t.to_doubles(), t.shape(), f64) : t);
  return Tensors(out);
}

const char* name_of(Lying lying) {
  constexpr const char* kNames[] = {"reversed axes", "backwards", "gaps", "misaligned", "repeated"};
  return kNames[static_cast<int>(lying)];
}

Tensor laid_out(const Tensor& x, Lying lying) {
  const Shape& shape = x.shape();
  const auto rank = static_cast<size_t>(shape.rank());
  const int64_t width = size_of(x.dtype());
  ir::Strides strides(rank);
  int64_t step = lying == Lying::gaps ? 3 : 1, first = lying == Lying::misaligned ? 1 : 0;
  for (size_t k = 0; k < rank; ++k) {
    const size_t axis = lying == Lying::reversed_axes ? k : rank - 1 - k;
    const int64_t n = shape.dims()[axis];
    strides[axis] = step;
    if (lying == Lying::repeated && k == 0) strides[axis] = 0;
    if (lying == Lying::backwards) {
      strides[axis] = -step;
      first += step * std::max<int64_t>(n - 1, 0);
    }
    // A gap after each row as well.
    step *= std::max<int64_t>(n, 1) + (lying == Lying::gaps ? 1 : 0);
  }
  ir::Array a;
  a.storage = std::make_shared<ir::Storage>((step + first + 1) * width);
  // All bits set: NaN in every floating type; no valid truth value is all bits, so bools get 1.
  std::memset(a.storage->data(), x.dtype() == DType::bool_ ? 1 : 0xff,
              static_cast<size_t>(a.storage->bytes()));
  a.offset = first * width;
  a.strides = strides;
  const std::byte* from = ir::contiguous_array(x).data();
  std::vector<int64_t> index(rank, 0);
  for (int64_t n = 0; n < shape.size(); ++n) {
    int64_t at = 0;
    bool kept = true;  // of repeated elements the first
    for (size_t k = 0; k < rank; ++k) {
      at += index[k] * strides[k];
      kept &= strides[k] != 0 || index[k] == 0;
    }
    if (kept) std::memcpy(a.data() + at * width, from + n * width, static_cast<size_t>(width));
    for (size_t k = rank; k-- > 0;) {
      if (++index[k] < shape.dims()[k]) break;
      index[k] = 0;
    }
  }
  return ir::computed(x.dtype(), shape, a);
}

Expected expect(const Row& row, const Sample& sample, const Tensors& inputs) {
  const Reference& formula = sample.reference ? sample.reference : row.reference;
  const Plains x = plain(inputs);
  auto values = [&](const Plains& at) {
    if (formula) return formula(at);
    std::vector<Tensor> wide;
    for (size_t i = 0; i < at.size(); ++i) {
      const DType d = inputs[i].dtype();
      wide.push_back(from_doubles(at[i].v, at[i].shape, is_floating(d) ? f64 : d));
    }
    const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
    return plain(run(row, sample, Tensors(wide)));
  };
  Expected e{values(x), {}, 0};
  if (row.tolerance.sums) {
    Plains sizes = x;
    for (size_t i = 0; i < sizes.size(); ++i) {
      e.terms = std::max(e.terms, static_cast<double>(sizes[i].v.size()));
      if (!is_floating(inputs[i].dtype())) continue;
      for (double& v : sizes[i].v) v = std::abs(v);
    }
    for (const Plain& p : values(sizes)) e.magnitudes.push_back(p.v);
  }
  return e;
}

namespace {

struct Precision {
  double epsilon, least;  // spacing at 1; least positive number
};
Precision precision(DType d) {
  switch (d) {
    case DType::f16:
      return {0x1p-10, 0x1p-24};
    case DType::bf16:
      return {0x1p-7, 0x1p-133};
    case DType::f32:
      return {0x1p-23, 0x1p-149};
    default:
      return {0x1p-52, 0x1p-1074};
  }
}

std::string number(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", v);
  return text;
}

}  // namespace

std::string difference(const Tensors& got, const Expected& expected, const Tolerance& tolerance,
                       double factor) {
  if (got.size() < expected.values.size()) return "too few outputs";
  for (size_t o = 0; o < expected.values.size(); ++o) {
    const Plain& want = expected.values[o];
    const std::string which = "output " + std::to_string(o);
    if (got[o].shape() != want.shape) {
      return which + " has shape " + got[o].shape().to_string() + ", expected " +
             want.shape.to_string();
    }
    const DType d = got[o].dtype();
    const std::vector<double> have = got[o].to_doubles();
    const std::vector<double> rounded = from_doubles(want.v, want.shape, d).to_doubles();
    const Precision p = precision(d);
    double largest = 0;
    for (double v : want.v) largest = std::max(largest, std::abs(v));
    for (size_t i = 0; i < have.size(); ++i) {
      if (have[i] == rounded[i] || (std::isnan(have[i]) && std::isnan(rounded[i]))) continue;
      double allowed = 0;
      if (is_floating(d)) {
        allowed = p.epsilon * (tolerance.ulp * std::abs(want[i]) + tolerance.largest * largest);
        if (tolerance.sums) {
          allowed += 2 * std::sqrt(expected.terms) * p.epsilon * expected.magnitudes[o][i];
        }
        allowed = factor * allowed + p.least;
      }
      if (std::abs(have[i] - want[i]) <= allowed) continue;
      return which + " (" + varve::name_of(d) + want.shape.to_string() + "), element " +
             std::to_string(i) + ": " + number(have[i]) + ", expected " + number(want[i]) +
             (is_floating(d) ? " within " + number(allowed) : "");
    }
  }
  return {};
}

std::string bit_difference(const Tensors& got, const Tensors& expected) {
  if (got.size() != expected.size()) return "another number of outputs";
  for (size_t o = 0; o < got.size(); ++o) {
    if (ir::type_of(got[o]) != ir::type_of(expected[o]))
      return "output " + std::to_string(o) + " is " + ir::type_of(got[o]).to_string();
    const auto a = got[o].to_doubles(), b = expected[o].to_doubles();
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == b[i] && std::signbit(a[i]) == std::signbit(b[i])) continue;
      if (std::isnan(a[i]) && std::isnan(b[i])) continue;
      return "output " + std::to_string(o) + ", element " + std::to_string(i) + ": " +
             number(a[i]) + ", expected " + number(b[i]);
    }
  }
  return {};
}

namespace {

std::vector<double> numbers(const nlohmann::json& list) {
  std::vector<double> out;
  for (const auto& v : list) {
    out.push_back(v.is_string() ? std::stod(v.get<std::string>()) : v.get<double>());
  }
  return out;
}

Shape shape_of(const nlohmann::json& array) {
  return Shape(array.at("shape").get<std::vector<int64_t>>());
}

}  // namespace

const std::vector<Golden>& golden_cases() {
  static const std::vector<Golden> cases = [] {
    std::vector<Golden> all;
    for (const auto& entry :
         std::filesystem::directory_iterator(VARVE_SOURCE_DIR "/tests/golden")) {
      if (entry.path().extension() != ".json") continue;
      std::ifstream file(entry.path());
      const auto content = nlohmann::json::parse(file);
      if (!content.contains("cases")) continue;  // a table of another test
      for (const auto& j : content.at("cases")) {
        Golden g{entry.path().filename(), j.at("op"), j.at("sample"), {}, {}};
        for (const auto& x : j.at("inputs")) {
          g.inputs.push_back(from_doubles(numbers(x.at("values")), shape_of(x),
                                          parse_dtype(x.value("dtype", "f64"))));
        }
        for (const auto& y : j.at("outputs"))
          g.outputs.push_back({shape_of(y), numbers(y.at("values"))});
        all.push_back(std::move(g));
      }
    }
    return all;
  }();
  return cases;
}

Counts& counts() {
  static Counts c;
  return c;
}

}  // namespace varve::samples
