// Files of llama2.c: seven i32 numbers, then f32 weights in a fixed order.
#include <array>
#include <cstring>

#include "base/error.h"
#include "formats/file.h"
#include "varve/ops/shape.h"
#include "varve/zoo_text.h"

namespace varve::zoo {
namespace {

class Weights {
 public:
  explicit Weights(formats::Source source) : source_(std::move(source)) {
    if (source_.size() < 28) source_.fail("no file of llama2.c: shorter than its header");
    source_.read(0, std::as_writable_bytes(std::span(header_)));
    at_ = 28;
  }
  int64_t header(size_t i) const { return header_[i]; }
  const formats::Source& source() const { return source_; }
  void skip(int64_t count) { at_ += 4 * count; }
  /// The next matrix, [rows, columns], or `rows` numbers where columns is 0.
  Tensor next(int64_t rows, int64_t columns = 0) {
    const Shape shape = columns ? Shape{rows, columns} : Shape{rows};
    const int64_t size = 4 * shape.size();
    if (size > source_.size() - at_) source_.fail("the weights end too early");
    const formats::Buffer bytes = source_.read(at_, size);
    at_ += size;
    return tensor_from_bytes(bytes.data(), f32, shape);
  }

 private:
  formats::Source source_;
  std::array<int32_t, 7> header_{};
  int64_t at_ = 0;
};

}  // namespace

Model load_llama2c(std::string_view path) {
  Weights w(formats::Source::open(std::string(path)));
  const int64_t units = w.header(0), hidden = w.header(1), layers = w.header(2),
                heads = w.header(3), key_heads = w.header(4), context = w.header(6);
  // A negative vocabulary says that the last layer has weights of its own.
  const bool tied = w.header(5) > 0;
  const int64_t vocabulary = std::abs(w.header(5));
  constexpr int64_t kMost = int64_t{1} << 24;
  for (int64_t n : {units, hidden, layers, heads, key_heads, context, vocabulary}) {
    if (n < 1 || n > kMost) w.source().fail("a size of " + std::to_string(n));
  }
  if (layers > 1000) w.source().fail("expected at most 1000 layers, got " + std::to_string(layers));
  if (units % heads != 0 || heads % key_heads != 0 || units / heads % 2 != 0) {
    w.source().fail("heads that do not divide");
  }
  const int64_t key_units = units / heads * key_heads;
  // Before anything is made of it: as many numbers as the sizes say, in doubles that cannot wrap.
  const double each =
      2. * units + 2. * units * units + 2. * units * key_units + 3. * units * hidden;
  const double count = static_cast<double>(vocabulary) * units * (tied ? 1 : 2) + layers * each +
                       units + static_cast<double>(context) * (units / heads);
  if (4 * count + 28 != static_cast<double>(w.source().size())) {
    w.source().fail("expected " + std::to_string(static_cast<int64_t>(4 * count) + 28) + " bytes");
  }
  Model model = Llama{.vocabulary = vocabulary,
                      .context = context,
                      .layers = layers,
                      .heads = heads,
                      .key_heads = key_heads,
                      .units = units,
                      .hidden = hidden,
                      .tied = tied};
  model.build({context}, i64);
  const auto set = [&](const std::string& name, const Tensor& value) {
    model.variable(name).assign(value);
  };
  const auto each_layer = [&](const char* name, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < layers; ++i) {
      const std::string part = "layer" + std::to_string(i) + "_" + name;
      // [out, in] there, [in, out] here.
      set(part + (columns ? ".kernel" : ".scale"),
          columns ? transpose(w.next(rows, columns)) : w.next(rows));
    }
  };
  set("tokens.embeddings", w.next(vocabulary, units));
  each_layer("attention_norm", units, 0);
  each_layer("wq", units, units);
  each_layer("wk", key_units, units);
  each_layer("wv", key_units, units);
  each_layer("wo", units, units);
  each_layer("ffn_norm", units, 0);
  each_layer("w1", hidden, units);
  each_layer("w2", units, hidden);
  each_layer("w3", hidden, units);
  set("norm.scale", w.next(units));
  w.skip(context * (units / heads));  // tables of cosines and sines, which are computed here
  if (!tied) set("output.kernel", transpose(w.next(vocabulary, units)));
  return model;
}

}  // namespace varve::zoo
