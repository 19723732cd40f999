// Rows of recurrent networks and attention.
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/attention.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

// Many roundings on the way through the steps.
constexpr Tolerance kSteps{.ulp = 64, .largest = 64};

struct Net {
  int64_t batch, steps, features, units, gates;
  bool two_biases = false;

  std::vector<In> inputs(int states) const {
    const int64_t n = gates * units;
    // Many steps with large weights are chaotic: roundings grow.
    const double w = steps > 4 ? 0.4 : 2;
    std::vector<In> list{in({batch, steps, features}), in({features, n}, -w, w),
                         in({units, n}, -w, w), two_biases ? in({2, n}) : in({n})};
    for (int i = 0; i < states; ++i) list.push_back(in({batch, units}));
    return list;
  }
  std::vector<In> inputs_with_lengths(std::vector<double> lengths) const {
    std::vector<In> list = inputs(0);
    list.push_back(given({batch}, std::move(lengths), i64));
    return list;
  }
};

Net net(const char* size, int64_t gates, bool two_biases = false) {
  if (std::string_view(size) == "tiny") return {1, 2, 1, 1, gates, two_biases};
  if (std::string_view(size) == "longer") return {3, 9, 5, 17, gates, two_biases};
  return {2, 3, 2, 3, gates, two_biases};
}

Row rnn_row() {
  const auto call = [](bool reverse, const char* activation) -> Call {
    return [=](const Tensors& x) -> Tensors {
      const RnnResult r =
          rnn(x[0], x[1], x[2],
              {.bias = x[3], .initial_state = x[4], .reverse = reverse, .activation = activation});
      return {r.output, r.state};
    };
  };
  std::vector<Sample> samples;
  for (const char* size : {"tiny", "plain", "longer"})
    samples.push_back({size, net(size, 1).inputs(1), call(false, "tanh")});
  samples.push_back({"relu", net("plain", 1).inputs(1), call(false, "relu")});
  samples.push_back({"reverse", net("plain", 1).inputs(1), call(true, "tanh")});
  samples.push_back({"clipped", net("plain", 1).inputs(1), [](const Tensors& x) -> Tensors {
                       const RnnResult r = rnn(
                           x[0], x[1], x[2], {.bias = x[3], .activation = "softsign", .clip = 1.5});
                       return {r.output, r.state};
                     }});
  samples.push_back({"lengths", Net{3, 4, 2, 3, 1}.inputs_with_lengths({4, 1, 2}),
                     [](const Tensors& x) -> Tensors {
                       const RnnResult r = rnn(x[0], x[1], x[2], {.bias = x[3], .lengths = x[4]});
                       return {r.output, r.state};
                     }});
  samples.push_back({"no steps", Net{2, 0, 2, 3, 1}.inputs(1), call(false, "tanh")});
  return {.op = "rnn",
          .dtypes = kAll,
          .tolerance = kSteps,
          .samples = std::move(samples),
          .errors = {throws<ShapeError>("rnn: kernel: expected [2, 3] for 2 features and 3 units, "
                                        "got [3, 2]\n  hint: did you mean transpose(kernel)?",
                                        [] {
                                          rnn(ones({1, 4, 2}), ones({3, 2}), ones({3, 3}));
                                        }),
                     throws<ValueError>("rnn: unknown function \"tanhh\"", [] {
                       rnn(ones({1, 4, 2}), ones({2, 3}), ones({3, 3}), {.activation = "tanhh"});
                     })}};
}

Tensors all_of(const LstmResult& r) { return {r.output, r.state, r.cell}; }

Row lstm_row() {
  const auto call = [](bool reverse) -> Call {
    return [=](const Tensors& x) {
      return all_of(
          lstm(x[0], x[1], x[2],
               {.bias = x[3], .initial_state = x[4], .initial_cell = x[5], .reverse = reverse}));
    };
  };
  std::vector<Sample> samples;
  for (const char* size : {"tiny", "plain", "longer"})
    samples.push_back({size, net(size, 4).inputs(2), call(false)});
  samples.push_back({"reverse", net("plain", 4).inputs(2), call(true)});
  samples.push_back(
      {"lengths", Net{3, 4, 2, 3, 4}.inputs_with_lengths({4, 1, 2}), [](const Tensors& x) {
         return all_of(lstm(x[0], x[1], x[2], {.bias = x[3], .lengths = x[4]}));
       }});
  samples.push_back({"lengths backwards", Net{3, 4, 2, 3, 4}.inputs_with_lengths({2, 0, 4}),
                     [](const Tensors& x) {
                       return all_of(lstm(
                           x[0], x[1], x[2],
                           {.bias = x[3], .lengths = x[4], .reverse = true, .zero_masked = false}));
                     }});
  samples.push_back({"peepholes",
                     {in({2, 3, 2}), in({2, 8}), in({2, 8}), in({2, 8}), in({3, 2})},
                     [](const Tensors& x) {
                       return all_of(lstm(x[0], x[1], x[2], {.bias = x[3], .peepholes = x[4]}));
                     }});
  samples.push_back({"functions of its own",
                     {in({3, 2, 2}), in({2, 8}), in({2, 8}), in({8}), in({2, 2})},
                     [](const Tensors& x) {
                       return all_of(lstm(x[0], x[1], x[2],
                                          {.bias = x[3],
                                           .initial_cell = x[4],
                                           .time_major = true,
                                           .activation = {"scaled_tanh", 0.9, 1.1},
                                           .recurrent_activation = "softsign",
                                           .output_activation = {"affine", 0.5, 0.25},
                                           .input_forget = true}));
                     }});
  return {.op = "lstm",
          .dtypes = kAll,
          .tolerance = kSteps,
          .samples = std::move(samples),
          .errors = {throws<ShapeError>(
              "lstm: recurrent kernel: expected [units, 4 units], got [3, 9]", [] {
                lstm(ones({1, 4, 2}), ones({2, 9}), ones({3, 9}));
              })}};
}

Row gru_row() {
  const auto call = [](bool reverse, bool reset_after) -> Call {
    return [=](const Tensors& x) -> Tensors {
      const RnnResult r = gru(
          x[0], x[1], x[2],
          {.bias = x[3], .initial_state = x[4], .reverse = reverse, .reset_after = reset_after});
      return {r.output, r.state};
    };
  };
  std::vector<Sample> samples;
  for (const char* size : {"tiny", "plain", "longer"})
    samples.push_back({size, net(size, 3, true).inputs(1), call(false, true)});
  samples.push_back({"reverse", net("plain", 3, true).inputs(1), call(true, true)});
  samples.push_back({"reset before", net("plain", 3, true).inputs(1), call(false, false)});
  samples.push_back({"lengths", Net{3, 4, 2, 3, 3, true}.inputs_with_lengths({4, 1, 2}),
                     [](const Tensors& x) -> Tensors {
                       const RnnResult r = gru(x[0], x[1], x[2], {.bias = x[3], .lengths = x[4]});
                       return {r.output, r.state};
                     }});
  return {.op = "gru", .dtypes = kAll, .tolerance = kSteps, .samples = std::move(samples)};
}

// --- attention -----------------------------------------------------------------------------------

/// Queries, keys and values: [batch, time, heads, size].
std::vector<In> attention_inputs(Shape q, Shape k, int64_t value_size) {
  return {in(q), in(k), in({k[0], k[1], k[2], value_size})};
}

Call attends(AttentionOptions o = {}) {
  return [o](const Tensors& x) -> Tensors {
    AttentionOptions options = o;
    if (x.size() > 3) options.mask = x[3];
    return attention(x[0], x[1], x[2], options);
  };
}

Row attention_row() {
  std::vector<Sample> samples{
      {"plain", attention_inputs({2, 3, 2, 4}, {2, 5, 2, 4}, 3), attends()},
      {"tiny", attention_inputs({1, 2, 1, 1}, {1, 2, 1, 1}, 1), attends()},
      {"causal", attention_inputs({1, 5, 2, 3}, {1, 5, 2, 3}, 3), attends({.causal = true})},
      {"grouped queries", attention_inputs({1, 3, 6, 4}, {1, 4, 2, 4}, 4), attends()},
      {"scaled", attention_inputs({1, 3, 1, 2}, {1, 3, 1, 2}, 2), attends({.scale = 0.3})},
      {"capped and late", attention_inputs({1, 3, 1, 2}, {1, 4, 1, 2}, 2),
       attends({.causal = true, .softcap = 1.5, .offset = 1})},
      {"nothing to see at first", attention_inputs({1, 3, 1, 2}, {1, 3, 1, 2}, 2),
       attends({.causal = true, .offset = -1})},
      {"long", attention_inputs({1, 70, 2, 8}, {1, 133, 1, 8}, 17), attends()},
      {"long and causal", attention_inputs({1, 67, 1, 16}, {1, 67, 1, 16}, 16),
       attends({.causal = true})},
      {"no keys", attention_inputs({1, 3, 1, 2}, {1, 0, 1, 2}, 2), attends()},
  };
  Sample added{"added mask", attention_inputs({2, 3, 2, 2}, {2, 4, 2, 2}, 2), attends()};
  added.inputs.push_back(in({1, 2, 3, 4}));
  added.dtypes = kFloating;  // integers are refused for a mask
  samples.push_back(added);
  Sample seen{"mask", attention_inputs({2, 3, 2, 2}, {2, 4, 2, 2}, 2), attends({.softcap = 2})};
  seen.inputs.push_back(truth({2, 1, 3, 4}));
  samples.push_back(seen);
  samples.push_back({"one head of three axes",
                     {in({2, 3, 2}), in({2, 3, 2}), in({2, 3, 3}), given({2}, {3, 1}, i64)},
                     [](const Tensors& x) -> Tensors {
                       return attention(x[0], x[1], x[2], {.key_lengths = x[3]});
                     }});
  samples.push_back({"dropped", attention_inputs({2, 3, 2, 4}, {2, 5, 1, 4}, 3),
                     attends({.dropout = 0.4, .key = Key(3)})});
  samples.push_back({"heads first",
                     {in({1, 2, 3, 2}), in({1, 2, 2, 2}), in({1, 2, 2, 2})},
                     attends({.heads_first = true})});
  return {.op = "attention",
          .dtypes = kAll,
          .tolerance = kSteps,
          .samples = std::move(samples),
          .errors = {throws<ShapeError>(
                         "attention: 2 key heads do not divide 3 heads",
                         [] {
                           attention(ones({1, 2, 3, 4}), ones({1, 2, 2, 4}), ones({1, 2, 2, 4}));
                         }),
                     throws<ShapeError>(
                         "attention: mask: [3] does not broadcast to the scores [1, 2, 2, 4]", [] {
                           attention(ones({1, 2, 2, 4}), ones({1, 4, 2, 4}), ones({1, 4, 2, 4}),
                                     {.mask = ones({3})});
                         })}};
}

}  // namespace

std::vector<Row> sequence_samples() { return {rnn_row(), lstm_row(), gru_row(), attention_row()}; }

}  // namespace varve::samples
