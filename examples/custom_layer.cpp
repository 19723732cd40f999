// A layer of your own: a plain struct with `call` and `fields`.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

// [layer]
struct Residual {
  Dim units = 64;
  Real rate = 0.1;

  Tensor call(const Tensor& x, Scope& s) const {
    Tensor gain = s.variable("gain", {}, {.initializer = 0});
    Tensor h = s("up", nn::Dense{units, "gelu"}, x);
    h = s("down", nn::Dense{x.shape()[-1]}, h);
    if (s.training()) h = h * random::bernoulli(s.key(), 1 - rate, h.shape()) / (1 - rate);
    return x + gain * h;
  }
  void fields(Fields& f) {
    f("units", units, "Hidden width.", {.min = 1});
    f("rate", rate, "Dropout rate.", {.min = 0, .below = 1});
  }
};
// [/layer]

int main() {
  // [use]
  nn::register_layer<Residual>("residual");  // so that files can name it
  Sequential model{nn::Input{.shape = {16}}, nn::Dense{32}, Residual{.units = 128}, nn::Dense{1}};
  for (const NamedVariable& v : model.named_variables("residual_1")) {
    std::printf("%-28s %s\n", v.path.c_str(), v.variable.shape().to_string().c_str());
  }
  model.save("residual.safetensors");
  Model loaded = Model::load("residual.safetensors");
  std::printf("%s\n", loaded["residual_1"].to_string().c_str());
  // [/use]

  Tensor x = random::normal(Key(1), {5, 16});
  std::printf("the loaded model gives the same bits: %s\n",
              bool(all(model.predict(x) == loaded.predict(x))) ? "yes" : "no");
  try {
    Layer wrong = Residual{.units = 0};
  } catch (const ValueError& e) {
    std::printf("%s\n", e.message().c_str());
  }
}
