// Runs one node by chosen kernels and compares it with the reference loops.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "backend/kernel.h"
#include "ir/dispatch.h"
#include "ops/table.h"
#include "varve/ops/random.h"

namespace varve {

/// A strided operand within a block whose other elements are NaN (where its type has one), so that
/// a stray read shows.
struct TestOperand {
  backend::Layout layout;
  std::vector<double> storage;  // as doubles, converted when bytes are made
  int64_t first = 0;            // position of element 0

  std::vector<std::byte> bytes;
  void* data() { return bytes.data() + first * size_of(layout.dtype); }
};

/// `order` lists the axes from the outermost to the innermost in memory; `gap` elements lie
/// between rows of the innermost axis.
inline TestOperand make_operand(DType dtype, const Shape& shape, uint64_t seed,
                                std::vector<int> order = {}, int64_t gap = 0) {
  TestOperand t;
  const int rank = shape.rank();
  if (order.empty()) {
    for (int i = 0; i < rank; ++i) order.push_back(i);
  }
  t.layout = {dtype, shape, ir::Strides(static_cast<size_t>(rank))};
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    t.layout.strides[static_cast<size_t>(order[i])] = step;
    step *= std::max<int64_t>(shape[order[i]], 1);
    if (i + 1 == order.size()) step += gap;
  }
  constexpr int64_t kMargin = 16;
  t.first = kMargin;
  const int64_t count = step + 2 * kMargin;
  t.bytes.resize(static_cast<size_t>(count * size_of(dtype)));
  const Tensor values = random::uniform(Key(seed), shape, {.low = -1, .high = 1});
  const auto v = values.span<float>();
  ir::dispatch(dtype, [&]<class T>(T) {
    T* p = reinterpret_cast<T*>(t.bytes.data());
    for (int64_t i = 0; i < count; ++i) p[i] = convert<T>(std::numeric_limits<double>::quiet_NaN());
    std::vector<int64_t> index(static_cast<size_t>(rank), 0);
    for (float value : v) {
      int64_t at = t.first;
      for (size_t a = 0; a < index.size(); ++a) at += index[a] * t.layout.strides[a];
      p[at] = convert<T>(static_cast<double>(value));
      for (size_t a = index.size(); a-- > 0;) {
        if (++index[a] < shape.dims()[a]) break;
        index[a] = 0;
      }
    }
  });
  return t;
}

/// Every element repeated along the axes whose step is 0.
inline TestOperand repeated(DType dtype, const Shape& shape, double value) {
  TestOperand t = make_operand(dtype, Shape{}, 1);
  t.layout.shape = shape;
  t.layout.strides.assign(static_cast<size_t>(shape.rank()), 0);
  ir::dispatch(dtype, [&]<class T>(T) { *static_cast<T*>(t.data()) = convert<T>(value); });
  return t;
}

struct Ran {
  std::string kernel;
  std::vector<std::string> declined;
  std::vector<std::vector<double>> outputs;
};

/// Runs a kernel twice, and once more with what it takes laid out beforehand, by which no bit of
/// the results may change.
inline void run_prepared(backend::Kernel& kernel, std::vector<void*> from,
                         const std::vector<backend::Layout>& out, const std::vector<void*>& to) {
  backend::Fault fault;
  const auto run = [&] {
    const ir::Storage scratch(kernel.scratch_bytes());
    // NaN, so that what is read before it is written shows.
    std::memset(scratch.data(), 0xff, static_cast<size_t>(kernel.scratch_bytes()));
    std::vector<std::vector<std::byte>> made;
    for (size_t i = 0; i < out.size(); ++i) {
      made.emplace_back(static_cast<size_t>(out[i].shape.size() * size_of(out[i].dtype)));
      std::memset(to[i], 0xff, made[i].size());
    }
    kernel.run({from.data(), to.data(), scratch.data(), &fault});
    for (size_t i = 0; i < out.size(); ++i) std::memcpy(made[i].data(), to[i], made[i].size());
    return made;
  };
  const auto first = run();
  EXPECT_EQ(run(), first);
  std::vector<std::unique_ptr<ir::Storage>> laid_out;
  for (size_t i = 0; i < from.size(); ++i) {
    const backend::Packing packing = kernel.take_packing(static_cast<int>(i));
    if (!packing.kernel) continue;
    laid_out.push_back(std::make_unique<ir::Storage>(packing.bytes));
    void* at = laid_out.back()->data();
    const ir::Storage scratch(packing.kernel->scratch_bytes());
    packing.kernel->run({&from[i], &at, scratch.data(), &fault});
    from[i] = at;
  }
  EXPECT_EQ(run(), first) << "with " << laid_out.size() << " operands laid out beforehand";
  EXPECT_FALSE(fault.set);
}

/// Runs a node by the first kernel of the set that takes it.
inline Ran run_kernel(const char* op_name, std::vector<TestOperand>& inputs,
                      const ir::Attributes& attributes, backend::KernelSet set, int threads = 2,
                      DType as = DType::bool_) {
  const ir::OpDef& op = ops::get(op_name);
  std::vector<TestOperand> operands = inputs;
  if (as != DType::bool_) {  // the same values in another type
    for (TestOperand& t : operands) {
      if (!is_floating(t.layout.dtype)) continue;
      const auto count = t.bytes.size() / static_cast<size_t>(size_of(t.layout.dtype));
      std::vector<std::byte> bytes(count * static_cast<size_t>(size_of(as)));
      ir::dispatch(t.layout.dtype, [&]<class From>(From) {
        ir::dispatch(as, [&]<class To>(To) {
          for (size_t i = 0; i < count; ++i) {
            reinterpret_cast<To*>(bytes.data())[i] =
                convert<To>(reinterpret_cast<const From*>(t.bytes.data())[i]);
          }
        });
      });
      t.bytes = std::move(bytes);
      t.layout.dtype = as;
    }
  }
  ir::Types types;
  std::vector<backend::Layout> in, out;
  std::vector<void*> from, to;
  for (TestOperand& t : operands) {
    types.push_back({t.layout.dtype, t.layout.shape});
    in.push_back(t.layout);
    from.push_back(t.data());
  }
  std::vector<ir::Array> arrays;
  for (const ir::TensorType& t : op.infer({op, types, attributes})) {
    arrays.push_back(ir::allocate(t.dtype, t.shape));
    out.push_back({t.dtype, t.shape, ir::row_major(t.shape)});
    to.push_back(arrays.back().data());
  }
  backend::Choice choice = backend::choose_kernel({op, attributes, in, out, threads}, set);
  Ran ran{choice.name, choice.declined, {}};
  if (!choice.kernel) return ran;
  run_prepared(*choice.kernel, from, out, to);
  for (size_t i = 0; i < arrays.size(); ++i) {
    ran.outputs.emplace_back();
    ir::dispatch(out[i].dtype, [&]<class T>(T) {
      const T* p = reinterpret_cast<const T*>(arrays[i].data());
      for (int64_t k = 0; k < out[i].shape.size(); ++k)
        ran.outputs.back().push_back(static_cast<double>(p[k]));
    });
  }
  return ran;
}

/// Sums of K products of rounded numbers lie within 2 sqrt(K) epsilon times the sum of absolute
/// products (twice the expected error of random roundings), plus the rounding of the result.
/// `growth`: by how much more an algorithm lets roundings grow than a plain sum does.
inline void expect_sums(const Ran& fast, const char* op, std::vector<TestOperand> inputs,
                        const ir::Attributes& attributes, const char* kernel, int64_t k,
                        double growth = 1) {
  std::string why;
  for (const std::string& d : fast.declined) why += "\n  " + d;
  EXPECT_EQ(fast.kernel, kernel) << why;
  const Ran exact = run_kernel(op, inputs, attributes, backend::KernelSet::ref, 1, f64);
  for (TestOperand& t : inputs) {
    ir::dispatch(t.layout.dtype, [&]<class T>(T) {
      T* p = reinterpret_cast<T*>(t.bytes.data());
      for (size_t i = 0; i < t.bytes.size() / sizeof(T); ++i)
        p[i] = convert<T>(std::abs(static_cast<double>(p[i])));
    });
  }
  const Ran size = run_kernel(op, inputs, attributes, backend::KernelSet::ref, 1, f64);
  const DType d = inputs[0].layout.dtype;
  const double stored = d == f64 ? 0x1p-53 : d == bf16 ? 0x1p-8 : 0x1p-24;
  const double summed = d == f64 ? 0x1p-53 : 0x1p-24;
  ASSERT_EQ(fast.outputs.size(), exact.outputs.size());
  for (size_t o = 0; o < exact.outputs.size(); ++o) {
    for (size_t i = 0; i < exact.outputs[o].size(); ++i) {
      const double sums = 2 * std::sqrt(static_cast<double>(k) + 1) * summed * size.outputs[o][i];
      const double bound = growth * sums + 2 * stored * std::abs(exact.outputs[o][i]);
      ASSERT_NEAR(fast.outputs[o][i], exact.outputs[o][i], bound)
          << op << " output " << o << " element " << i;
    }
  }
}

inline void expect_sums(const char* op, std::vector<TestOperand> inputs,
                        const ir::Attributes& attributes, const char* kernel, int64_t k,
                        int threads = 2) {
  const Ran fast = run_kernel(op, inputs, attributes, backend::KernelSet::all, threads);
  expect_sums(fast, op, std::move(inputs), attributes, kernel, k);
}

}  // namespace varve
