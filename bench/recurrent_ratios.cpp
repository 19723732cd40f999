// LSTM and GRU over whole sequences beside oneDNN's own primitives.
#include <dnnl.hpp>
#include <unordered_map>

#include "ratios.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/recurrent.h"
#include "varve/threads.h"

namespace varve::bench {
namespace {

struct RecurrentCase {
  int64_t batch, time, features, units;
};
// Letters, words (medium and large: Zaremba 2014), a long series, and one sample at a time.
constexpr RecurrentCase kCases[] = {{64, 64, 128, 256},
                                    {20, 35, 650, 650},
                                    {20, 35, 1500, 1500},
                                    {32, 256, 32, 64},
                                    {1, 64, 128, 128}};

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

/// oneDNN's primitive, time-major as it has it, weights laid as it likes them beforehand.
class Peer {
 public:
  Peer(const RecurrentCase& c, bool lstm, bool training) : training_(training) {
    const int64_t gates = lstm ? 4 : 3;
    const auto plain = [](memory::dims dims, memory::format_tag tag) {
      return memory::desc(std::move(dims), memory::data_type::f32, tag);
    };
    using Tag = memory::format_tag;
    const auto x = plain({c.time, c.batch, c.features}, Tag::tnc);
    const auto y = plain({c.time, c.batch, c.units}, Tag::tnc);
    const auto state = plain({1, 1, c.batch, c.units}, Tag::ldnc);
    const auto kernel = plain({1, 1, c.features, gates, c.units}, Tag::any);
    const auto recurrent = plain({1, 1, c.units, gates, c.units}, Tag::any);
    const auto bias = plain({1, 1, 4, c.units}, Tag::ldgo);
    const auto kind =
        training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    constexpr auto kDirection = dnnl::rnn_direction::unidirectional_left2right;
    constexpr auto kBackward = dnnl::prop_kind::backward;
    if (lstm) {
      const dnnl::lstm_forward::primitive_desc forward(
          {kind, kDirection, x, state, state, kernel, recurrent, bias, y, state, state}, engine_);
      take(forward, dnnl::lstm_forward(forward));
      arguments_[DNNL_ARG_SRC_ITER_C] = made(forward.src_iter_c_desc());
      arguments_[DNNL_ARG_DST_ITER_C] = made(forward.dst_iter_c_desc());
      if (!training) return;
      const dnnl::lstm_backward::primitive_desc backward(
          {kBackward, kDirection, x,     state, state,  kernel,    recurrent, bias, y,     state,
           state,     x,          state, state, kernel, recurrent, bias,      y,    state, state},
          engine_, forward);
      take_back(backward, dnnl::lstm_backward(backward));
      back_arguments_[DNNL_ARG_SRC_ITER_C] = arguments_[DNNL_ARG_SRC_ITER_C];
      back_arguments_[DNNL_ARG_DST_ITER_C] = arguments_[DNNL_ARG_DST_ITER_C];
      back_arguments_[DNNL_ARG_DIFF_SRC_ITER_C] = made(backward.diff_src_iter_c_desc());
      back_arguments_[DNNL_ARG_DIFF_DST_ITER_C] = made(backward.diff_dst_iter_c_desc());
    } else {
      const dnnl::lbr_gru_forward::primitive_desc forward(
          {kind, kDirection, x, state, kernel, recurrent, bias, y, state}, engine_);
      take(forward, dnnl::lbr_gru_forward(forward));
      if (!training) return;
      const dnnl::lbr_gru_backward::primitive_desc backward(
          {kBackward, kDirection, x, state, kernel, recurrent, bias, y, state, x, state, kernel,
           recurrent, bias, y, state},
          engine_, forward);
      take_back(backward, dnnl::lbr_gru_backward(backward));
    }
  }

  void run() {
    forward_.execute(stream_, arguments_);
    if (training_) {
      // It adds to the gradients of weights.
      for (int which :
           {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
        const memory& m = back_arguments_.at(which);
        std::fill_n(static_cast<char*>(m.get_data_handle()), m.get_desc().get_size(), char{0});
      }
      backward_.execute(stream_, back_arguments_);
    }
    stream_.wait();
  }

 private:
  memory made(const memory::desc& desc) {
    memory m(desc, engine_);
    auto* values = static_cast<float*>(m.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      values[i] = static_cast<float>(i * 7919 % 31) / 300 - 0.05f;
    }
    return m;
  }
  /// Weights may be packed, with more in them than numbers.
  memory laid(const memory::desc& desc) {
    memory plain = made({desc.dims(), memory::data_type::f32, memory::format_tag::ldigo});
    memory m(desc, engine_);
    dnnl::reorder(plain, m).execute(stream_, plain, m);
    stream_.wait();
    return m;
  }
  template <class Desc, class Primitive>
  void take(const Desc& d, Primitive p) {
    forward_ = std::move(p);
    arguments_ = {{DNNL_ARG_SRC_LAYER, made(d.src_layer_desc())},
                  {DNNL_ARG_SRC_ITER, made(d.src_iter_desc())},
                  {DNNL_ARG_WEIGHTS_LAYER, laid(d.weights_layer_desc())},
                  {DNNL_ARG_WEIGHTS_ITER, laid(d.weights_iter_desc())},
                  {DNNL_ARG_BIAS, made(d.bias_desc())},
                  {DNNL_ARG_DST_LAYER, made(d.dst_layer_desc())},
                  {DNNL_ARG_DST_ITER, made(d.dst_iter_desc())},
                  {DNNL_ARG_WORKSPACE, memory(d.workspace_desc(), engine_)}};
  }
  template <class Desc, class Primitive>
  void take_back(const Desc& d, Primitive p) {
    backward_ = std::move(p);
    back_arguments_ = arguments_;
    back_arguments_[DNNL_ARG_WEIGHTS_LAYER] = laid(d.weights_layer_desc());
    back_arguments_[DNNL_ARG_WEIGHTS_ITER] = laid(d.weights_iter_desc());
    back_arguments_[DNNL_ARG_DIFF_SRC_LAYER] = made(d.diff_src_layer_desc());
    back_arguments_[DNNL_ARG_DIFF_SRC_ITER] = made(d.diff_src_iter_desc());
    back_arguments_[DNNL_ARG_DIFF_WEIGHTS_LAYER] = made(d.diff_weights_layer_desc());
    back_arguments_[DNNL_ARG_DIFF_WEIGHTS_ITER] = made(d.diff_weights_iter_desc());
    back_arguments_[DNNL_ARG_DIFF_BIAS] = made(d.diff_bias_desc());
    back_arguments_[DNNL_ARG_DIFF_DST_LAYER] = made(d.diff_dst_layer_desc());
    back_arguments_[DNNL_ARG_DIFF_DST_ITER] = made(d.diff_dst_iter_desc());
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  bool training_;
  dnnl::primitive forward_, backward_;
  Arguments arguments_, back_arguments_;
};

Tensor values(const Shape& shape) {
  std::vector<float> v(static_cast<size_t>(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i * 7919 % 31) / 300 - 0.05f;
  return tensor(v, shape);
}

/// The same by a compiled function, with the gradients of all that is given.
std::function<void()> ours(const RecurrentCase& c, bool lstm, bool training) {
  const int64_t gates = lstm ? 4 : 3;
  const Tensor x = values({c.time, c.batch, c.features});
  const Tensor w = values({c.features, gates * c.units}), u = values({c.units, gates * c.units});
  const Tensor b = values(lstm ? Shape{4 * c.units} : Shape{2, 3 * c.units});
  const Tensor h = values({c.batch, c.units}), dy = values({c.time, c.batch, c.units});
  const auto f = [lstm](const Tensors& in) -> Tensors {
    if (!lstm) {
      return {varve::gru(in[0], in[1], in[2],
                         {.bias = in[3], .initial_state = in[4], .time_major = true})
                  .output};
    }
    return {varve::lstm(
                in[0], in[1], in[2],
                {.bias = in[3], .initial_state = in[4], .initial_cell = in[5], .time_major = true})
                .output};
  };
  // The first state serves as the first cell, too.
  if (!training) {
    const auto run = jit(
        [f](const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& b, const Tensor& h) {
          return f({x, w, u, b, h, h})[0];
        });
    return [=] { run(x, w, u, b, h).evaluate(); };
  }
  const auto run = jit([f](const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& b,
                           const Tensor& h, const Tensor& dy) {
    return vjp(f, {x, w, u, b, h, h}, {dy}).cotangents;
  });
  return [=] { run(x, w, u, b, h, dy); };
}

}  // namespace

void print_recurrent(int threads, double min_time) {
  set_thread_count(threads);
  for (const bool lstm : {true, false}) {
    for (const RecurrentCase& c : kCases) {
      for (const bool training : {false, true}) {
        auto peer = std::make_shared<Peer>(c, lstm, training);
        const std::string name = std::string(lstm ? "lstm" : "gru") + " [" +
                                 std::to_string(c.batch) + ", " + std::to_string(c.time) + ", " +
                                 std::to_string(c.features) + "] to " + std::to_string(c.units) +
                                 (training ? " training" : " inference");
        print_ratio(
            name, ours(c, lstm, training), [peer] { peer->run(); }, threads, min_time);
      }
    }
  }
}

}  // namespace varve::bench
