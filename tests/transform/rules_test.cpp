// Every rewrite rule by example.
#include <gtest/gtest.h>

#include <set>

#include "graphs.h"
#include "transform/dead_code.h"
#include "transform/rewrite.h"
#include "transform/simplify.h"
#include "varve/ops/pointwise.h"

namespace varve::transform {
namespace {

/// A rule, an expression that it applies to, and what it makes of it.
struct Example {
  const char* rule;
  ir::Types inputs;
  Tensor (*before)(X);
  Tensor (*after)(X);
};

/// Overlapping windows, so that an element may be the largest of several, and padding.
ir::Attributes window() {
  return {{"window", ir::Ints{3, 2}},
          {"strides", ir::Ints{2, 1}},
          {"dilation", ir::Ints{1, 1}},
          {"padding_low", ir::Ints{1, 0}},
          {"padding_high", ir::Ints{1, 1}}};
}
ir::Attributes window_of(const Tensor& x) {
  ir::Attributes a = window();
  a.set("size", ir::Ints{x.shape()[1], x.shape()[2]});
  return a;
}
/// The largest elements and their places.
std::vector<Tensor> pool(const Tensor& x) {
  return ir::apply(ops::get("max_pool"), std::span(&x, 1), window(), {});
}
Tensor positive(const Tensor& x) { return to(bi("greater", x, full(0, f32, x.shape())), f32); }
Tensor spread(const Tensor& gradient, const Tensor& places, const Tensor& x) {
  return make("max_pool_gradient", {gradient, places}, window_of(x));
}
const ir::Attributes kPlain{{"transpose_a", false}, {"transpose_b", false}};
const ir::Types picture = {{f32, {2, 5, 4, 3}}, {f32, {2, 3, 4, 3}}};

const std::vector<Example>& examples() {
  static const std::vector<Example> list = {
      {"c + x -> x + c, of any commutative op", f, [](X x) { return bi("multiply", c(3), x[0]); },
       [](X x) { return bi("multiply", x[0], c(3)); }},
      {"x + 0 -> x (a zero may change its sign)", f, [](X x) { return bi("add", x[0], c(0)); },
       [](X x) { return x[0]; }},
      {"x + -y -> x - y", ff, [](X x) { return bi("add", x[0], un("negative", x[1])); },
       [](X x) { return bi("subtract", x[0], x[1]); }},
      {"x + -y -> x - y", ff, [](X x) { return bi("add", un("negative", x[0]), x[1]); },
       [](X x) { return bi("subtract", x[1], x[0]); }},
      {"x - 0 -> x", f, [](X x) { return bi("subtract", x[0], c(0)); }, [](X x) { return x[0]; }},
      {"0 - x -> -x (a zero may change its sign)", f,
       [](X x) { return bi("subtract", c(0), x[0]); }, [](X x) { return un("negative", x[0]); }},
      {"x - -y -> x + y", ff, [](X x) { return bi("subtract", x[0], un("negative", x[1])); },
       [](X x) { return bi("add", x[0], x[1]); }},
      {"x - x -> 0, integers only", i, [](X x) { return bi("subtract", x[0], x[0]); },
       [](X) { return ci(0); }},
      {"x - x -> 0, integers only", f, [](X x) { return bi("subtract", x[0], x[0]); },
       [](X x) { return bi("subtract", x[0], x[0]); }},
      {"x * 1 -> x", f, [](X x) { return bi("multiply", x[0], c(1)); }, [](X x) { return x[0]; }},
      {"x * -1 -> -x", f, [](X x) { return bi("multiply", x[0], c(-1)); },
       [](X x) { return un("negative", x[0]); }},
      {"x * 0 -> 0, integers only", i, [](X x) { return bi("multiply", x[0], ci(0)); },
       [](X) { return ci(0); }},
      {"x * 0 -> 0, integers only", f, [](X x) { return bi("multiply", x[0], c(0)); },
       [](X x) { return bi("multiply", x[0], c(0)); }},
      {"x * x -> square(x)", f, [](X x) { return bi("multiply", x[0], x[0]); },
       [](X x) { return un("square", x[0]); }},
      {"-x * -y -> x * y", ff,
       [](X x) { return bi("multiply", un("negative", x[0]), un("negative", x[1])); },
       [](X x) { return bi("multiply", x[0], x[1]); }},
      {"(x * a) * b -> x * (a b) (in the last digit)", f,
       [](X x) { return bi("multiply", bi("multiply", x[0], c(3)), c(0.5)); },
       [](X x) { return bi("multiply", x[0], c(1.5)); }},
      // The product would overflow: x * 1e30 * 1e30 is finite where x is small.
      {"(x * a) * b -> x * (a b) (in the last digit)", f,
       [](X x) { return bi("multiply", bi("multiply", x[0], c(1e30)), c(1e30)); },
       [](X x) { return bi("multiply", bi("multiply", x[0], c(1e30)), c(1e30)); }},
      {"-x * a -> x * (-a)", f, [](X x) { return bi("multiply", un("negative", x[0]), c(3)); },
       [](X x) { return bi("multiply", x[0], c(-3)); }},
      {"x / 1 -> x", f, [](X x) { return bi("divide", x[0], c(1)); }, [](X x) { return x[0]; }},
      {"1 / x -> reciprocal(x), floats only", f, [](X x) { return bi("divide", c(1), x[0]); },
       [](X x) { return un("reciprocal", x[0]); }},
      {"1 / x -> reciprocal(x), floats only", i, [](X x) { return bi("divide", ci(1), x[0]); },
       [](X x) { return bi("divide", ci(1), x[0]); }},
      {"x / 2^n -> x * 2^-n, floats only", f, [](X x) { return bi("divide", x[0], c(-4)); },
       [](X x) { return bi("multiply", x[0], c(-0.25)); }},
      {"x / 2^n -> x * 2^-n, floats only", f, [](X x) { return bi("divide", x[0], c(3)); },
       [](X x) { return bi("divide", x[0], c(3)); }},
      {"-(-x) -> x", f, [](X x) { return un("negative", un("negative", x[0])); },
       [](X x) { return x[0]; }},
      {"-(x - y) -> y - x (a zero may change its sign)", ff,
       [](X x) { return un("negative", bi("subtract", x[0], x[1])); },
       [](X x) { return bi("subtract", x[1], x[0]); }},
      {"square(-x), square(|x|) -> square(x)", f,
       [](X x) { return un("square", un("negative", x[0])); },
       [](X x) { return un("square", x[0]); }},
      {"|-x|, ||x|| -> |x|, the first for signed types only", f,
       [](X x) { return un("absolute", un("absolute", x[0])); },
       [](X x) { return un("absolute", x[0]); }},
      {"|square(x)| -> square(x), floats only", f,
       [](X x) { return un("absolute", un("square", x[0])); },
       [](X x) { return un("square", x[0]); }},
      {"|square(x)| -> square(x), floats only", i,
       [](X x) { return un("absolute", un("square", x[0])); },
       [](X x) { return un("absolute", un("square", x[0])); }},
      {"cos(-x), cos(|x|) -> cos(x)", f, [](X x) { return un("cos", un("negative", x[0])); },
       [](X x) { return un("cos", x[0]); }},
      {"cosh(-x), cosh(|x|) -> cosh(x)", f, [](X x) { return un("cosh", un("absolute", x[0])); },
       [](X x) { return un("cosh", x[0]); }},
      {"power(x, c) -> 1, x, square(x), reciprocal(x) for c = 0, 1, 2, -1", f,
       [](X x) { return bi("power", x[0], c(2)); }, [](X x) { return un("square", x[0]); }},
      {"power(x, c) -> 1, x, square(x), reciprocal(x) for c = 0, 1, 2, -1", f,
       [](X x) { return bi("power", x[0], c(0)); }, [](X) { return c(1); }},
      {"power(x, c) -> 1, x, square(x), reciprocal(x) for c = 0, 1, 2, -1", i,
       [](X x) { return bi("power", x[0], ci(-1)); },
       [](X x) { return bi("power", x[0], ci(-1)); }},
      {"reciprocal(sqrt(x)) -> rsqrt(x) (in the last digit)", f,
       [](X x) { return un("reciprocal", un("sqrt", x[0])); },
       [](X x) { return un("rsqrt", x[0]); }},
      {"maximum(x, x) -> x", f, [](X x) { return bi("maximum", x[0], x[0]); },
       [](X x) { return x[0]; }},
      {"minimum(x, x) -> x", b, [](X x) { return bi("minimum", x[0], x[0]); },
       [](X x) { return x[0]; }},
      {"maximum(x, 0) -> relu(x)", f, [](X x) { return bi("maximum", x[0], c(0)); },
       [](X x) { return un("relu", x[0]); }},
      {"maximum(x, 0) -> relu(x)", b, [](X x) { return bi("maximum", x[0], cb(false)); },
       [](X x) { return bi("maximum", x[0], cb(false)); }},
      {"relu(relu(x)) -> relu(x)", f, [](X x) { return un("relu", un("relu", x[0])); },
       [](X x) { return un("relu", x[0]); }},
      {"not not x -> x; not of == -> !=; not of != -> ==", b,
       [](X x) { return un("logical_not", un("logical_not", x[0])); }, [](X x) { return x[0]; }},
      {"not not x -> x; not of == -> !=; not of != -> ==", ff,
       [](X x) { return un("logical_not", bi("equal", x[0], x[1])); },
       [](X x) { return bi("not_equal", x[0], x[1]); }},
      {"not not x -> x; not of == -> !=; not of != -> ==", ff,
       [](X x) { return un("logical_not", bi("less", x[0], x[1])); },
       [](X x) { return un("logical_not", bi("less", x[0], x[1])); }},
      {"x and true -> x; x and false -> false", b,
       [](X x) { return bi("logical_and", x[0], cb(true)); }, [](X x) { return x[0]; }},
      {"x and true -> x; x and false -> false", b,
       [](X x) { return bi("logical_and", x[0], cb(false)); }, [](X) { return cb(false); }},
      {"x or false -> x; x or true -> true", b,
       [](X x) { return bi("logical_or", x[0], cb(true)); }, [](X) { return cb(true); }},
      {"x and x -> x", b, [](X x) { return bi("logical_and", x[0], x[0]); },
       [](X x) { return x[0]; }},
      {"x or x -> x", b, [](X x) { return bi("logical_or", x[0], x[0]); },
       [](X x) { return x[0]; }},

      {"identity(x) -> x", f, [](X x) { return un("identity", x[0]); }, [](X x) { return x[0]; }},
      {"stop_gradient(x) -> x", f, [](X x) { return un("stop_gradient", x[0]); },
       [](X x) { return x[0]; }},
      {"broadcast to the same shape -> x", f,
       [](X x) {
         return wide(x[0], {2, 3});
       },
       [](X x) { return x[0]; }},
      {"broadcast of broadcast -> one", v,
       [](X x) {
         return wide(wide(x[0], {2, 3}), {4, 2, 3});
       },
       [](X x) {
         return wide(x[0], {4, 2, 3});
       }},
      {"broadcast of a reshape that adds leading ones -> broadcast", v,
       [](X x) {
         return wide(shaped(x[0], {1, 3}), {2, 3});
       },
       [](X x) {
         return wide(x[0], {2, 3});
       }},
      {"broadcast of a reshape that adds leading ones -> broadcast", v,
       [](X x) {
         return wide(shaped(x[0], {3, 1}), {3, 2});
       },
       [](X x) {
         return wide(shaped(x[0], {3, 1}), {3, 2});
       }},
      {"reshape to the same shape -> x", f,
       [](X x) {
         return shaped(x[0], {2, 3});
       },
       [](X x) { return x[0]; }},
      {"reshape of reshape -> one", f,
       [](X x) {
         return shaped(shaped(x[0], {6}), {3, 2});
       },
       [](X x) {
         return shaped(x[0], {3, 2});
       }},
      {"reshape of a repeated number -> repeated number", f, [](X) { return shaped(c(7), {6}); },
       [](X) { return full(7, f32, {6}); }},
      {"transpose of transpose -> one",
       {{f32, {2, 3, 4}}},
       [](X x) {
         return turned(turned(x[0], {1, 2, 0}), {1, 0, 2});
       },
       [](X x) {
         return turned(x[0], {2, 1, 0});
       }},
      {"transpose of a repeated number -> repeated number", f,
       [](X) {
         return turned(c(7), {1, 0});
       },
       [](X) {
         return full(7, f32, {3, 2});
       }},
      {"transpose that moves only axes of size 1 -> reshape, or x",
       {{f32, {2, 1, 3}}},
       [](X x) {
         return turned(x[0], {1, 0, 2});
       },
       [](X x) {
         return shaped(x[0], {1, 2, 3});
       }},
      {"transpose that moves only axes of size 1 -> reshape, or x", f,
       [](X x) {
         return turned(x[0], {0, 1});
       },
       [](X x) { return x[0]; }},
      {"slice of slice -> one",
       {{f32, {12}}},
       [](X x) { return cut(cut(x[0], {1}, {5}, {2}), {3}, {2}, {-2}); },
       [](X x) { return cut(x[0], {7}, {2}, {-4}); }},
      {"slice of everything -> x", f,
       [](X x) {
         return cut(x[0], {0, 0}, {2, 3}, {1, 1});
       },
       [](X x) { return x[0]; }},
      {"slice of everything -> x", v, [](X x) { return cut(x[0], {2}, {3}, {-1}); },
       [](X x) { return cut(x[0], {2}, {3}, {-1}); }},
      {"slice of a repeated number -> repeated number", f,
       [](X) {
         return cut(c(7), {0, 1}, {2, 2}, {1, 1});
       },
       [](X) {
         return full(7, f32, {2, 2});
       }},
      {"pad by nothing -> x", f,
       [](X x) {
         const ir::Ints zero{0, 0};
         return make("pad", {x[0], scalar(0, f32)},
                     {{"low", zero}, {"high", zero}, {"interior", zero}});
       },
       [](X x) { return x[0]; }},
      {"concat of one -> x", f,
       [](X x) {
         return make("concat", {x[0]}, {{"axis", int64_t{1}}});
       },
       [](X x) { return x[0]; }},
      {"cast to the same type -> x", f, [](X x) { return to(x[0], f32); },
       [](X x) { return x[0]; }},
      {"cast of cast -> one, where the first loses nothing", f,
       [](X x) { return to(to(x[0], f64), f32); }, [](X x) { return x[0]; }},
      {"cast of cast -> one, where the first loses nothing", b,
       [](X x) { return to(to(x[0], f32), u8); }, [](X x) { return to(x[0], u8); }},
      {"cast of cast -> one, where the first loses nothing", f,
       [](X x) { return to(to(x[0], bf16), f32); }, [](X x) { return to(to(x[0], bf16), f32); }},
      // 300 as i8 wraps; through f64 it is cut off at 127.
      {"cast of cast -> one, where the first loses nothing", i,
       [](X x) { return to(to(x[0], f64), i8); }, [](X x) { return to(to(x[0], f64), i8); }},
      {"select(true, a, b) -> a; select(false, a, b) -> b", ff,
       [](X x) {
         return make("select", {cb(false), x[0], x[1]});
       },
       [](X x) { return x[1]; }},
      {"select(c, a, a) -> a", bff,
       [](X x) {
         return make("select", {x[0], x[1], x[1]});
       },
       [](X x) { return x[1]; }},
      {"select(not c, a, b) -> select(c, b, a)", bff,
       [](X x) {
         return make("select", {un("logical_not", x[0]), x[1], x[2]});
       },
       [](X x) {
         return make("select", {x[0], x[2], x[1]});
       }},
      {"sum over axes of size 1 -> reshape",
       {{f32, {2, 1, 3}}},
       [](X x) { return over("sum", x[0], {1}); },
       [](X x) {
         return shaped(x[0], {2, 3});
       }},
      {"sum over axes of size 1 -> reshape",
       {{f32, {2, 1}}},
       [](X x) { return over("sum", x[0], {1}, true); },
       [](X x) { return x[0]; }},
      {"sum over axes of size 1 -> reshape",
       {{i32, {2, 1}}},
       [](X x) { return over("sum", x[0], {1}); },
       [](X x) { return over("sum", x[0], {1}); }},
      {"mean over axes of size 1 -> reshape",
       {{f32, {1, 3}}},
       [](X x) { return over("mean", x[0], {0}); },
       [](X x) { return shaped(x[0], {3}); }},
      {"prod over axes of size 1 -> reshape",
       {{f32, {1, 3}}},
       [](X x) { return over("prod", x[0], {0}); },
       [](X x) { return shaped(x[0], {3}); }},
      {"max over axes of size 1 -> reshape",
       {{f32, {1, 3}}},
       [](X x) { return over("max", x[0], {0}); },
       [](X x) { return shaped(x[0], {3}); }},
      {"min over axes of size 1 -> reshape",
       {{f32, {1, 3}}},
       [](X x) { return over("min", x[0], {0}); },
       [](X x) { return shaped(x[0], {3}); }},
      {"sum over repeated axes -> x * count (in the last digit)", v,
       [](X x) {
         return over("sum", wide(x[0], {4, 2, 3}), {0, 1});
       },
       [](X x) { return bi("multiply", x[0], full(8, f32, {3})); }},
      {"sum over repeated axes -> x * count (in the last digit)",
       {{f32, {2, 1}}},
       [](X x) {
         return over("sum", wide(x[0], {2, 5}), {1}, true);
       },
       [](X x) {
         return bi("multiply", x[0], full(5, f32, {2, 1}));
       }},
      {"sum over repeated axes -> x * count (in the last digit)", v,
       [](X x) {
         return over("sum", wide(x[0], {4, 3}), {0, 1});
       },
       [](X x) {
         return over("sum", wide(x[0], {4, 3}), {0, 1});
       }},
      {"mean over repeated axes -> x",
       {{f32, {}}},
       [](X x) {
         return over("mean", wide(x[0], {4, 3}), {1});
       },
       [](X x) { return wide(shaped(x[0], {1}), {4}); }},
      {"max over repeated axes -> x", v,
       [](X x) {
         return over("max", wide(x[0], {4, 3}), {0});
       },
       [](X x) { return x[0]; }},
      {"min over repeated axes -> x", v,
       [](X x) {
         return over("min", wide(x[0], {4, 3}), {0}, true);
       },
       [](X x) {
         return shaped(x[0], {1, 3});
       }},
      {"sum of sum -> one (in the last digit)",
       {{f32, {2, 3, 4, 5}}},
       [](X x) {
         return over("sum", over("sum", x[0], {1}), {0, 2});
       },
       [](X x) {
         return over("sum", x[0], {0, 1, 3});
       }},
      {"max of max -> one",
       {{f32, {2, 3, 4}}},
       [](X x) { return over("max", over("max", x[0], {0}, true), {2}, true); },
       [](X x) {
         return over("max", x[0], {0, 2}, true);
       }},
      {"min of min -> one",
       {{f32, {2, 3}}},
       [](X x) { return over("min", over("min", x[0], {0}), {0}); },
       [](X x) {
         return over("min", x[0], {0, 1});
       }},
      {"sum over axes apart -> two sums (in the last digit)",
       {{f64, {2, 3, 4, 5}}},
       [](X x) {
         return over("sum", x[0], {1, 3}, true);
       },
       [](X x) { return over("sum", over("sum", x[0], {1}, true), {3}, true); }},
      {"max over axes apart -> two",
       {{f64, {2, 3, 4, 5}}},
       [](X x) {
         return over("max", x[0], {1, 3}, true);
       },
       [](X x) { return over("max", over("max", x[0], {1}, true), {3}, true); }},
      {"min over axes apart -> two",
       {{f64, {2, 3, 4, 5}}},
       [](X x) {
         return over("min", x[0], {1, 3}, true);
       },
       [](X x) { return over("min", over("min", x[0], {1}, true), {3}, true); }},
      {"matmul of transposed matrices -> matmul with flags",
       {{f32, {3, 2}}, {f32, {4, 3}}},
       [](X x) {
         return product(turned(x[0], {1, 0}), turned(x[1], {1, 0}));
       },
       [](X x) { return product(x[0], x[1], true, true); }},
      {"matmul of transposed matrices -> matmul with flags",
       {{f32, {5, 3, 2}}, {f32, {5, 4, 3}}},
       [](X x) {
         return product(turned(x[0], {0, 2, 1}), x[1], false, true);
       },
       [](X x) { return product(x[0], x[1], true, true); }},
      {"matmul or convolution + vector -> the same with bias",
       {{f32, {2, 4}}, {f32, {4, 3}}, {f32, {3}}},
       [](X x) {
         return bi("add", wide(x[2], {2, 3}), product(x[0], x[1]));
       },
       [](X x) {
         return make("matmul", {x[0], x[1], x[2]},
                     {{"transpose_a", false}, {"transpose_b", false}});
       }},
      {"pointwise op of equally repeated inputs -> repeated result",
       {{f32, {3}}, {f32, {3}}},
       [](X x) {
         return bi("add", wide(x[0], {2, 3}), wide(x[1], {2, 3}));
       },
       [](X x) {
         return wide(bi("add", x[0], x[1]), {2, 3});
       }},
      {"pointwise op of equally repeated inputs -> repeated result", v,
       [](X x) {
         return bi("multiply", wide(x[0], {2, 3}), c(3));
       },
       [](X x) {
         return wide(bi("multiply", x[0], full(3, f32, {3})), {2, 3});
       }},
      {"max_pool_gradient(g) * (x > 0) -> max_pool_gradient(g * (max_pool(x) > 0))", picture,
       [](X x) { return bi("multiply", positive(x[0]), spread(x[1], pool(x[0])[1], x[0])); },
       [](X x) {
         const std::vector<Tensor> p = pool(x[0]);
         return spread(bi("multiply", x[1], positive(p[0])), p[1], x[0]);
       }},
      {"sum of max_pool_gradient(g) over space -> sum of g (in the last digit)", picture,
       [](X x) {
         return over("sum", spread(x[1], pool(x[0])[1], x[0]), {0, 1, 2});
       },
       [](X x) {
         return over("sum", x[1], {0, 1, 2});
       }},
      {"batch norm by given statistics of a product -> the product (in the last digit)",
       {{f64, {4, 2}}, {f64, {2, 3}}, {f64, {3}}, {f64, {3}}, {f64, {3}}, {f64, {3}}},
       [](X x) {
         const Tensor product_of = make("matmul", {x[0], x[1], x[2]}, kPlain);
         return make("batch_norm_inference", {product_of, x[3], un("square", x[4]), x[5], x[3]},
                     {{"axis", int64_t{1}}, {"epsilon", 0.5}});
       },
       [](X x) {
         const Tensor variance = un("square", x[4]);
         const Tensor factor =
             bi("multiply", x[5], un("rsqrt", bi("add", variance, full(0.5, f64, {3}))));
         const Tensor kernel = bi("multiply", x[1], wide(factor, {2, 3}));
         return make(
             "matmul",
             {x[0], kernel, bi("add", x[3], bi("multiply", bi("subtract", x[2], x[3]), factor))},
             kPlain);
       }},
  };
  return list;
}

std::vector<Rule> all_rules() {
  std::vector<Rule> out(arithmetic_rules().begin(), arithmetic_rules().end());
  for (auto family : {shape_rules(), pooling_rules(), normalization_rules()}) {
    for (const Rule& r : family) out.push_back(r);
  }
  return out;
}

TEST(Rules, EachDoesWhatItSays) {
  for (const Example& e : examples()) {
    SCOPED_TRACE(e.rule);
    std::vector<Rule> rules = all_rules();
    std::erase_if(rules, [&](const Rule& r) { return std::string_view(r.name) != e.rule; });
    ASSERT_EQ(rules.size(), 1u) << "no rule of that name";
    const ir::Graph before = traced(e.inputs, e.before);
    ir::Graph g = before;
    for (bool changed = true; changed;) {
      changed = false;
      g = eliminate_dead_code(rewrite(g, rules, changed));
      ir::verify(g);
    }
    const ir::Graph expected = traced(e.inputs, e.after);
    EXPECT_TRUE(ir::same(g, expected)) << ir::to_text(g) << "\nexpected\n" << ir::to_text(expected);
    EXPECT_EQ(difference(before, g, 1), "");
  }
}

/// The function's values on x, as written and simplified.
void expect_kept(const Tensor& x, Tensor (*function)(X)) {
  const ir::Graph before = traced({ir::type_of(x)}, function);
  const ir::Graph after = simplify(before);
  const Tensor input[] = {x};
  EXPECT_EQ(ir::replay(after, input)[0].to_doubles(), ir::replay(before, input)[0].to_doubles())
      << ir::to_text(after);
}

TEST(Rules, WrapIntegersAsTheOperationsDo) {
  expect_kept(tensor({1, -7}), [](X x) {
    const Tensor many = full(100000, i32, {2});
    return bi("multiply", bi("multiply", x[0], many), many);
  });
  expect_kept(cast(tensor({3, 250}), u8), [](X x) {
    const Tensor many = full(200, u8, {2});
    return bi("multiply", bi("multiply", x[0], many), many);
  });
  expect_kept(tensor(std::vector<int64_t>{3, -5}, {2}), [](X x) {
    const Tensor many = full(0x1p40, i64, {2});
    return bi("multiply", bi("multiply", x[0], many), many);
  });
  expect_kept(cast(tensor({3, -128}), i8),
              [](X x) { return bi("multiply", un("negative", x[0]), full(-128, i8, {2})); });
}

TEST(Rules, LeaveTheAbsoluteOfUnsignedNumbersThatWrapped) {
  for (DType d : {u8, u32, i8, i32, f32}) {
    SCOPED_TRACE(name_of(d));
    expect_kept(cast(tensor({0, 1, 100, 127}), d),
                [](X x) { return un("absolute", un("negative", x[0])); });
  }
}

TEST(Rules, LeaveSumsWhoseCountTheTypeDoesNotHold) {
  // 1 / 65536 a hundred thousand times: the count alone is infinite in f16.
  expect_kept(cast(tensor({0x1p-16, 0.}), f16), [](X x) {
    return over("sum", wide(x[0], {100000, 2}), {0});
  });
  expect_kept(cast(tensor({1., 3.}), bf16), [](X x) {
    return over("sum", wide(x[0], {257, 2}), {0});
  });
}

TEST(Rules, EachHasAnExample) {
  std::set<std::string> shown;
  for (const Example& e : examples()) shown.insert(e.rule);
  for (const Rule& r : all_rules()) EXPECT_TRUE(shown.contains(r.name)) << r.name;
}

}  // namespace
}  // namespace varve::transform
