#include "kernel_costs.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <list>
#include <utility>
#include <vector>

#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "backend/kernel.h"
#include "base/math.h"
#include "ops/table.h"
#include "ops/window.h"
#include "varve/error.h"

namespace varve::bench {
namespace {

using backend::Format;
using backend::Layout;
using Clock = std::chrono::steady_clock;

/// Square pictures and kernels, padded so that only the stride makes them smaller.
struct Convolution {
  int64_t batch, side, in, out, kernel, stride = 1;
};

// Layers of the networks in the zoo, and small batches of them.
const std::vector<Convolution> kConvolutions{
    {128, 28, 1, 32, 3},     {64, 28, 1, 6, 5},       {32, 32, 1, 64, 3},
    {128, 32, 3, 16, 3},     {32, 32, 3, 64, 3},      {8, 112, 3, 32, 3, 2},
    {8, 224, 3, 64, 7, 2},   {64, 14, 6, 16, 5},      {128, 26, 32, 64, 3},
    {128, 13, 32, 64, 3},    {128, 32, 16, 16, 3},    {128, 16, 32, 32, 3},
    {128, 8, 64, 64, 3},     {128, 32, 16, 32, 3, 2}, {128, 16, 32, 64, 3, 2},
    {8, 56, 64, 64, 3},      {8, 28, 128, 128, 3},    {8, 14, 256, 256, 3},
    {8, 7, 512, 512, 3},     {8, 56, 64, 128, 3, 2},  {8, 28, 128, 256, 3, 2},
    {32, 32, 64, 128, 3},    {32, 16, 128, 256, 3},   {32, 8, 256, 512, 3},
    {32, 4, 512, 512, 3},    {4, 128, 16, 16, 3},     {4, 128, 32, 32, 3},
    {4, 64, 64, 64, 3},      {1, 56, 64, 64, 3},      {1, 28, 128, 128, 3},
    {1, 14, 256, 256, 3},    {1, 7, 512, 512, 3},     {32, 17, 128, 128, 3},
    {32, 9, 256, 256, 3},    {32, 5, 512, 512, 3},    {32, 28, 32, 32, 5},
    {32, 14, 64, 64, 5},     {32, 28, 64, 128, 1},    {32, 28, 128, 64, 1},
    {32, 14, 256, 256, 1},   {32, 56, 64, 64, 1},     {32, 7, 512, 512, 1},
    {32, 28, 64, 128, 1, 2}, {32, 48, 16, 96, 1},     {32, 24, 144, 32, 1},
    {128, 14, 16, 32, 3, 2}, {1, 28, 16, 32, 3},      {16, 48, 32, 16, 1},
    {16, 12, 32, 192, 1},    {16, 12, 192, 32, 1},    {16, 6, 96, 576, 1},
    {16, 6, 576, 96, 1},     {16, 3, 160, 960, 1},    {16, 3, 960, 160, 1},
    {16, 3, 320, 1280, 1},   {1, 14, 256, 256, 1}};

/// Of what networks predict: those layers, and of one picture.
std::vector<Convolution> packed_convolutions() {
  std::vector<Convolution> all = kConvolutions;
  for (Convolution c : kConvolutions) {
    if (std::exchange(c.batch, 1) > 1) all.push_back(c);
  }
  const std::vector<Convolution> small{{1, 16, 64, 128, 3}, {1, 8, 128, 256, 3},
                                       {1, 8, 256, 256, 3}, {1, 4, 256, 512, 3},
                                       {1, 2, 512, 512, 3}, {16, 2, 512, 512, 3}};
  all.insert(all.end(), small.begin(), small.end());
  return all;
}

const std::vector<int64_t> kRelayBytes{1 << 16, 1 << 19, 1 << 22, 1 << 24, 1 << 26};

/// A dense layer: its own product, and those of its gradients.
struct Dense {
  int64_t batch, in, out;
};
const std::vector<Dense> kDense{
    {64, 784, 128},   {64, 128, 10},     {128, 9216, 128},  {256, 784, 2048}, {256, 2048, 2048},
    {256, 2048, 10},  {2048, 128, 512},  {2048, 512, 128},  {2048, 128, 128}, {2048, 128, 65},
    {700, 650, 2600}, {700, 650, 10000}, {2048, 256, 1024}, {2048, 256, 65},  {1024, 256, 8000},
    {1024, 256, 256}, {1024, 256, 1024}, {1024, 1024, 256}, {128, 400, 784},  {128, 784, 400},
    {16, 1280, 100},  {8, 512, 1000},    {32, 2048, 1000},  {512, 512, 512},  {1000, 1000, 1000},
    {100, 500, 300},  {333, 333, 333},   {90, 90, 90},      {2708, 1433, 16}, {4096, 768, 3072},
    {1600, 400, 120}, {512, 100, 3000},  {300, 1500, 1500}, {64, 6272, 100}};

std::vector<float> filled(const Layout& l) {
  std::vector<float> v(static_cast<size_t>(l.shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i % 7) / 8;
  return v;
}

using Prepare = backend::Offer (*)(const backend::Request&);
backend::Offer direct(const backend::Request& r) { return backend::cpu::onednn_convolution(r); }

/// The least seconds of a kernel over a while, its operands being taken in turn from `sets` of
/// them; 0 where there is no such kernel.
double seconds_of(Prepare prepare, const char* op, const ir::Attributes& attributes,
                  const std::vector<Layout>& in, const Layout& out, int threads, size_t sets = 1) {
  const std::vector<Layout> outputs{out};
  const backend::Offer offer = prepare({ops::get(op), attributes, in, outputs, threads});
  if (!offer.kernel) return 0;
  std::vector<std::vector<float>> memory;
  std::vector<std::vector<void*>> inputs(sets), results(sets);
  for (size_t k = 0; k < sets; ++k) {
    for (const Layout& l : in) {
      memory.push_back(filled(l));
      inputs[k].push_back(memory.back().data());
    }
    memory.push_back(filled(out));
    results[k].push_back(memory.back().data());
  }
  const ir::Storage scratch(offer.kernel->scratch_bytes());
  backend::Fault fault;
  double least = 1e9;
  size_t round = 0;
  for (const auto start = Clock::now();
       round < 3 + 2 * sets || Clock::now() - start < std::chrono::milliseconds(40); ++round) {
    const size_t k = round % sets;
    const auto begin = Clock::now();
    offer.kernel->run({inputs[k].data(), results[k].data(), scratch.data(), &fault});
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    if (round >= sets) least = std::min(least, took);
  }
  return least;
}

/// The least seconds of a kernel that reads kernels of so many bytes in turn.
double seconds_of_packed(const backend::Kernel& kernel, const Layout& x, int64_t bytes, size_t sets,
                         const Layout& y) {
  std::vector<float> read = filled(x), made = filled(y);
  const ir::Storage scratch(kernel.scratch_bytes());
  std::list<ir::Storage> kernels;
  std::vector<void*> packed;
  for (size_t k = 0; k < sets; ++k) {
    kernels.emplace_back(bytes);
    packed.push_back(kernels.back().data());
    std::memset(packed.back(), 0, static_cast<size_t>(bytes));
  }
  backend::Fault fault;
  double least = 1e9;
  size_t round = 0;
  for (const auto start = Clock::now();
       round < 8 || Clock::now() - start < std::chrono::milliseconds(20); ++round) {
    void* inputs[] = {read.data(), packed[round % sets]};
    void* outputs[] = {made.data()};
    const auto begin = Clock::now();
    kernel.run({inputs, outputs, scratch.data(), &fault});
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    if (round >= 3) least = std::min(least, took);
  }
  return least;
}

/// So many sets of operands that no cache holds them all.
size_t sets_beyond_caches(const std::vector<Layout>& in, const Layout& out) {
  int64_t bytes = 4 * out.shape.size();
  for (const Layout& l : in) bytes += 4 * l.shape.size();
  return static_cast<size_t>(std::max<int64_t>(1, (64 << 20) / bytes));
}

Layout picture(std::vector<int64_t> dims, Format format) {
  Layout l{f32, Shape(std::move(dims)), {}, Format::plain};
  l.strides = ir::row_major(l.shape);
  if (l.shape[-1] != 1 && ir::fits(format, l.shape)) l.format = format;
  return l;
}

void print_row(const Convolution& c, Format blocks) {
  ops::Window w{{c.kernel, c.kernel}, {c.stride, c.stride}, {1, 1}, {}, {}};
  w.low = w.high = {c.kernel / 2, c.kernel / 2};
  const int64_t side = w.positions(0, c.side);
  ir::Attributes window;
  w.put(window);
  window.set("groups", int64_t{1});
  ir::Attributes of_input = window, of_filter = window;
  of_input.set("size", ir::Ints{c.side, c.side});
  of_filter.set("size", ir::Ints{c.kernel, c.kernel});
  const double operations =
      2. * static_cast<double>(c.batch * side * side * c.in * c.out * c.kernel * c.kernel);
  // By pass: plain, blocks, Winograd, and from memory, as operands mostly lie in a network: a
  // product of matrices, and the direct kernel, which reads them by columns.
  double speed[3][5][2] = {};
  // Round after round, so that what disturbs the machine for a while disturbs all alike.
  for (int round = 0; round < 4; ++round) {
    for (size_t k : {0, 1, 2, 3, 4}) {
      const Format f = k == 1 ? blocks : Format::plain;
      const Prepare prepare = k == 2   ? backend::cpu::any_winograd
                              : k == 3 ? backend::cpu::any_pixel_product
                                       : direct;
      // Winograd's kernels compute whole tiles of 4x4 positions.
      const auto tiled =
          static_cast<double>(round_up(side, int64_t{4})) / static_cast<double>(side);
      const double counted = k == 2 ? operations * tiled * tiled : operations;
      const Layout x = picture({c.batch, c.side, c.side, c.in}, f),
                   y = picture({c.batch, side, side, c.out}, f),
                   kernel = picture({c.kernel, c.kernel, c.in, c.out}, Format::plain);
      if (k == 4 && speed[0][3][0] == 0) continue;  // it is no product
      if (k == 1 && (y.format != f || (x.format != f && c.in != 1))) continue;
      for (int threads : {1, 2}) {
        const auto note = [&](int pass, double seconds) {
          double& best = speed[pass][k][threads - 1];
          if (seconds > 0) best = std::max(best, counted / seconds / 1e9);
        };
        const auto seconds = [&](const char* op, const ir::Attributes& a,
                                 const std::vector<Layout>& in, const Layout& out) {
          const size_t sets = k < 3 ? 1 : sets_beyond_caches(in, out);
          return seconds_of(prepare, op, a, in, out, threads, sets);
        };
        note(0, seconds("convolution", window, {x, kernel}, y));
        note(1, seconds("convolution_input_gradient", of_input, {y, kernel}, x));
        note(2, seconds("convolution_filter_gradient", of_filter, {x, y}, kernel));
      }
    }
  }
  std::printf("    {\"%s\", {%lld, %lld, %lld, %lld, %lld, %s}, {", varve::cpu::instruction_set(),
              static_cast<long long>(c.batch), static_cast<long long>(side * side),
              static_cast<long long>(c.in), static_cast<long long>(c.out),
              static_cast<long long>(c.kernel * c.kernel), c.stride > 1 ? "true" : "false");
  for (auto& pass : speed) {
    // What the product gains from memory, on the scale of the others.
    for (size_t t : {0, 1}) pass[3][t] *= pass[4][t] > 0 ? pass[0][t] / pass[4][t] : 0;
    std::printf("{");
    for (size_t k : {0, 1, 2, 3})
      std::printf("{%.4g, %.4g}%s", pass[k][0], pass[k][1], k == 3 ? "}" : ", ");
    std::printf("%s", &pass == &speed[2] ? "" : ", ");
  }
  std::printf("}},\n");
  std::fflush(stdout);
}

/// Convolutions of kernels that were laid out beforehand. Those lie where they would in a network
/// of 32 such layers: small ones in a cache, large ones in memory.
void print_packed_row(const Convolution& c, Format blocks) {
  constexpr int64_t kLayers = 32, kMostBytes = int64_t{128} << 20;
  ops::Window w{{c.kernel, c.kernel}, {c.stride, c.stride}, {1, 1}, {}, {}};
  w.low = w.high = {c.kernel / 2, c.kernel / 2};
  const int64_t side = w.positions(0, c.side);
  ir::Attributes window;
  w.put(window);
  window.set("groups", int64_t{1});
  const double operations =
      2. * static_cast<double>(c.batch * side * side * c.in * c.out * c.kernel * c.kernel);
  const auto tiled = static_cast<double>(round_up(side, int64_t{4})) / static_cast<double>(side);
  double speed[4][2] = {};
  for (int round = 0; round < 4; ++round) {
    for (size_t k : {0, 1, 2, 3}) {
      const Format f = k == 1 ? blocks : Format::plain;
      const Prepare prepare = k == 2   ? backend::cpu::any_winograd
                              : k == 3 ? backend::cpu::any_pixel_product
                                       : direct;
      const std::vector<Layout> in{picture({c.batch, c.side, c.side, c.in}, f),
                                   picture({c.kernel, c.kernel, c.in, c.out}, Format::plain)};
      const std::vector<Layout> out{picture({c.batch, side, side, c.out}, f)};
      if (k == 1 && (out[0].format != f || (in[0].format != f && c.in != 1))) continue;
      for (int threads : {1, 2}) {
        const backend::Offer offer = prepare({ops::get("convolution"), window, in, out, threads});
        if (!offer.kernel) continue;
        const backend::Packing packing = offer.kernel->take_packing(1);
        const int64_t bytes = packing.kernel ? packing.bytes : 4 * in[1].shape.size();
        const double seconds = seconds_of_packed(
            *offer.kernel, in[0], bytes,
            static_cast<size_t>(std::clamp<int64_t>(kMostBytes / bytes, 1, kLayers)), out[0]);
        const double counted = k == 2 ? operations * tiled * tiled : operations;
        double& best = speed[k][threads - 1];
        best = std::max(best, counted / seconds / 1e9);
      }
    }
  }
  std::printf("    {\"%s\", {%lld, %lld, %lld, %lld, %lld, %s}, {", varve::cpu::instruction_set(),
              static_cast<long long>(c.batch), static_cast<long long>(side * side),
              static_cast<long long>(c.in), static_cast<long long>(c.out),
              static_cast<long long>(c.kernel * c.kernel), c.stride > 1 ? "true" : "false");
  for (size_t k : {0, 1, 2, 3})
    std::printf("{%.4g, %.4g}%s", speed[k][0], speed[k][1], k == 3 ? "}},\n" : ", ");
  std::fflush(stdout);
}

/// y[rows, columns], the operands being turned where said.
struct Product {
  int64_t rows, columns, depth;
  bool turned_a, turned_b;
};

void print_row(const Product& p) {
  const Layout a = picture(p.turned_a ? std::vector{p.depth, p.rows} : std::vector{p.rows, p.depth},
                           Format::plain),
               b = picture(
                   p.turned_b ? std::vector{p.columns, p.depth} : std::vector{p.depth, p.columns},
                   Format::plain),
               y = picture({p.rows, p.columns}, Format::plain);
  const ir::Attributes turns{{"transpose_a", p.turned_a}, {"transpose_b", p.turned_b}};
  const Prepare libraries[] = {
      [](const backend::Request& r) { return backend::cpu::onednn_matmul(r); },
      backend::cpu::openblas_matmul};
  const double operations = 2. * static_cast<double>(p.rows * p.columns * p.depth);
  double speed[2][2] = {};
  for (int round = 0; round < 4; ++round) {
    for (size_t l : {0, 1}) {
      for (int threads : {1, 2}) {
        const double seconds = seconds_of(libraries[l], "matmul", turns, {a, b}, y, threads);
        double& best = speed[l][threads - 1];
        if (seconds > 0) best = std::max(best, operations / seconds / 1e9);
      }
    }
  }
  std::printf("    {\"%s\", %lld, %lld, %lld, %s, %s, {%.4g, %.4g}, {%.4g, %.4g}},\n",
              varve::cpu::instruction_set(), static_cast<long long>(p.rows),
              static_cast<long long>(p.columns), static_cast<long long>(p.depth),
              p.turned_a ? "true" : "false", p.turned_b ? "true" : "false", speed[0][0],
              speed[0][1], speed[1][0], speed[1][1]);
  std::fflush(stdout);
}

}  // namespace

void print_kernel_costs(std::string_view which) {
  varve::cpu::instruction_set();  // capped before a kernel is made
  if (which == "products") {
    for (const Dense& d : kDense) {
      print_row(Product{d.batch, d.out, d.in, false, false});
      print_row(Product{d.batch, d.in, d.out, false, true});
      print_row(Product{d.in, d.out, d.batch, true, false});
    }
    return;
  }
  const Format blocks = backend::cpu::liked_format();
  if (blocks == Format::plain)
    throw UnsupportedError("kernel costs: there are no formats to choose from with " +
                           std::string(varve::cpu::instruction_set()));
  if (which == "convolutions") {
    for (const Convolution& c : kConvolutions) print_row(c, blocks);
    return;
  }
  if (which == "packed") {
    for (const Convolution& c : packed_convolutions()) print_packed_row(c, blocks);
    return;
  }
  for (int64_t bytes : kRelayBytes) {
    const int64_t rows = bytes / (4 * 64);
    const Layout from = picture({1, rows, 64}, Format::plain), to = picture({1, rows, 64}, blocks);
    double speed[2] = {};
    // As many as no cache holds: what is changed was often made long before.
    const auto sets = static_cast<size_t>(std::max<int64_t>(2, (256 << 20) / bytes));
    for (int threads : {1, 2}) {
      const ir::Attributes type{{"dtype", f32}};
      speed[threads - 1] =
          static_cast<double>(bytes) /
          seconds_of(backend::cpu::relay, "cast", type, {from}, to, threads, sets) / 1e9;
    }
    std::printf("    {\"%s\", %lld, {%.4g, %.4g}},\n", varve::cpu::instruction_set(),
                static_cast<long long>(bytes), speed[0], speed[1]);
  }
}

}  // namespace varve::bench
