// Fields: every member of every spec is told, once and in order; what reading and checking them
// says.
#include "varve/fields.h"

#include <concepts>
#include <set>

#include "nn/config.h"
#include "nn/helpers.h"

namespace varve {
namespace {

using config::Json;
using test::message_of;
using test::text_of;

/// Converts to any member. (Not to double: std::optional<double> would take that way too.)
struct Anything {
  template <class T>
  requires(!std::same_as<T, double>) operator T() const;
};
template <class S, class... A>
constexpr size_t members() {
  if constexpr (requires { S{A{}..., Anything{}}; }) {
    return members<S, A..., Anything>();
  } else {
    return sizeof...(A);
  }
}

template <class S>
void expect_all_told() {
  S spec;
  const auto names = config::names([&](Fields& f) { spec.fields(f); });
  const std::string type(detail::type_name(detail::spelled<S>()));
  EXPECT_EQ(names.size(), members<S>()) << type;
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size()) << type;
}

TEST(Fields, EveryMemberOfEverySpecIsTold) {
  static_assert(members<nn::Dense>() == 10);
  expect_all_told<nn::Activation>();
  expect_all_told<nn::ReLU>();
  expect_all_told<nn::LeakyReLU>();
  expect_all_told<nn::PReLU>();
  expect_all_told<nn::ELU>();
  expect_all_told<nn::Softmax>();
  expect_all_told<nn::Input>();
  expect_all_told<nn::Dense>();
  expect_all_told<nn::EinsumDense>();
  expect_all_told<nn::Flatten>();
  expect_all_told<nn::Reshape>();
  expect_all_told<nn::Permute>();
  expect_all_told<nn::RepeatVector>();
  expect_all_told<nn::Rescaling>();
  expect_all_told<nn::Lambda>();
  expect_all_told<nn::Dropout>();
  expect_all_told<nn::SpatialDropout1D>();
  expect_all_told<nn::SpatialDropout2D>();
  expect_all_told<nn::SpatialDropout3D>();
  expect_all_told<nn::GaussianNoise>();
  expect_all_told<nn::BatchNorm>();
  expect_all_told<nn::LayerNorm>();
  expect_all_told<nn::Embedding>();
  expect_all_told<nn::AdditiveAttention>();
  expect_all_told<nn::Attention>();
  expect_all_told<nn::Bidirectional>();
  expect_all_told<nn::ConvLSTM2D>();
  expect_all_told<nn::GRU>();
  expect_all_told<nn::LSTM>();
  expect_all_told<nn::Masking>();
  expect_all_told<nn::MultiHeadAttention>();
  expect_all_told<nn::ApplyMask>();
  expect_all_told<nn::DropMask>();
  expect_all_told<nn::PaddingMask>();
  expect_all_told<nn::PositionEmbedding>();
  expect_all_told<nn::RotaryEmbedding>();
  expect_all_told<nn::SimpleRNN>();
  expect_all_told<nn::SinusoidalPositions>();
  expect_all_told<nn::TimeDistributed>();
  expect_all_told<nn::TransformerDecoder>();
  expect_all_told<nn::TransformerEncoder>();
  expect_all_told<nn::Conv1D>();
  expect_all_told<nn::Conv2D>();
  expect_all_told<nn::Conv3D>();
  expect_all_told<nn::Conv1DTranspose>();
  expect_all_told<nn::Conv2DTranspose>();
  expect_all_told<nn::Conv3DTranspose>();
  expect_all_told<nn::DepthwiseConv2D>();
  expect_all_told<nn::ZeroPadding2D>();
  expect_all_told<nn::UpSampling2D>();
  expect_all_told<nn::AdaptiveAveragePool1D>();
  expect_all_told<nn::AdaptiveAveragePool2D>();
  expect_all_told<nn::AdaptiveAveragePool3D>();
  expect_all_told<nn::AdaptiveMaxPool1D>();
  expect_all_told<nn::AdaptiveMaxPool2D>();
  expect_all_told<nn::AdaptiveMaxPool3D>();
  expect_all_told<nn::AlphaDropout>();
  expect_all_told<nn::BlurPool2D>();
  expect_all_told<nn::Cropping1D>();
  expect_all_told<nn::Cropping2D>();
  expect_all_told<nn::Cropping3D>();
  expect_all_told<nn::DepthwiseConv1D>();
  expect_all_told<nn::GaussianDropout>();
  expect_all_told<nn::GroupNorm>();
  expect_all_told<nn::InstanceNorm>();
  expect_all_told<nn::LocalResponseNorm>();
  expect_all_told<nn::PixelShuffle>();
  expect_all_told<nn::ReflectionPadding1D>();
  expect_all_told<nn::ReflectionPadding2D>();
  expect_all_told<nn::ReflectionPadding3D>();
  expect_all_told<nn::Resizing>();
  expect_all_told<nn::RMSNorm>();
  expect_all_told<nn::SeparableConv1D>();
  expect_all_told<nn::SeparableConv2D>();
  expect_all_told<nn::UnitNorm>();
  expect_all_told<nn::UpSampling1D>();
  expect_all_told<nn::UpSampling3D>();
  expect_all_told<nn::ZeroPadding1D>();
  expect_all_told<nn::ZeroPadding3D>();
  expect_all_told<nn::SpectralNorm>();
  expect_all_told<nn::WeightNorm>();
  expect_all_told<nn::MaxPool1D>();
  expect_all_told<nn::MaxPool2D>();
  expect_all_told<nn::MaxPool3D>();
  expect_all_told<nn::AveragePool1D>();
  expect_all_told<nn::AveragePool2D>();
  expect_all_told<nn::AveragePool3D>();
  expect_all_told<nn::GlobalAveragePool1D>();
  expect_all_told<nn::GlobalAveragePool2D>();
  expect_all_told<nn::GlobalAveragePool3D>();
  expect_all_told<nn::GlobalMaxPool1D>();
  expect_all_told<nn::GlobalMaxPool2D>();
  expect_all_told<nn::GlobalMaxPool3D>();
  expect_all_told<nn::Concatenate>();
  expect_all_told<nn::Add>();
  expect_all_told<nn::Subtract>();
  expect_all_told<nn::Multiply>();
  expect_all_told<nn::Average>();
  expect_all_told<nn::Maximum>();
  expect_all_told<nn::Minimum>();
  expect_all_told<nn::Dot>();
  expect_all_told<nn::RandomNormal>();
  expect_all_told<nn::RandomUniform>();
  expect_all_told<nn::TruncatedNormal>();
  expect_all_told<nn::VarianceScaling>();
  expect_all_told<nn::Constant>();
  expect_all_told<nn::Orthogonal>();
  expect_all_told<nn::L1>();
  expect_all_told<nn::L2>();
  expect_all_told<nn::L1L2>();
}

/// One field of every kind.
struct Everything {
  Dim count = 3;
  int axis = -1;
  Real rate = 0.5;
  bool flag = false;
  std::string text = "a";
  Shape shape = {2, 3};
  DType dtype = f32;
  Padding padding = "same";
  DataFormat format = "channels_last";
  Extents<1> one = 1;
  Extents<2> two = {1, 2};
  Extents<3> three = 3;
  std::vector<int> axes = {0, 2};
  std::vector<std::string> names = {"x", "y"};
  std::optional<double> limit = {};
  Activation activation = "relu";
  Initializer initializer = nn::RandomNormal{.stddev = 0.5};
  void fields(Fields& f) {
    f("count", count, "", {.min = 1, .max = 9});
    f("axis", axis, "", {.min = -4});
    f("rate", rate, "", {.above = 0, .below = 1});
    f("flag", flag, "");
    f("text", text, "");
    f("shape", shape, "", {.min = 0});
    f("dtype", dtype, "");
    f("padding", padding, "");
    f("format", format, "");
    f("one", one, "", {.min = 1});
    f("two", two, "", {.min = 1});
    f("three", three, "", {.min = 1});
    f("axes", axes, "");
    f("names", names, "");
    f("limit", limit, "", {.min = 0});
    f("activation", activation, "");
    f("initializer", initializer, "");
  }
};

Json written(Everything& e) {
  return config::write("everything", [&](Fields& f) { e.fields(f); });
}
void read(Everything& e, const char* json) {
  config::read(Json::parse(json), "a", [&](Fields& f) { e.fields(f); });
}

TEST(Fields, GoThroughJsonAndBack) {
  Everything e;
  EXPECT_EQ(
      written(e).dump(),
      R"({"count":3,"axis":-1,"rate":0.5,"flag":false,"text":"a","shape":[2,3],"dtype":"f32",)"
      R"("padding":"same","format":"channels_last","one":1,"two":[1,2],"three":3,"axes":[0,2],)"
      R"("names":["x","y"],"activation":"relu",)"
      R"("initializer":{"type":"random_normal","mean":0.0,"stddev":0.5}})");
  Everything other;
  read(other, R"({"count": 9, "axis": 2, "rate": 0.25, "flag": true, "text": "", "shape": [],
                  "dtype": "bf16", "padding": [[0, 1], 2], "format": "channels_first", "one": [4],
                  "two": 5, "three": [1, 2, 3], "axes": [], "names": [], "limit": 1,
                  "activation": {"type": "elu", "alpha": 2}, "initializer": 3})");
  EXPECT_EQ(written(other).dump(),
            R"({"count":9,"axis":2,"rate":0.25,"flag":true,"text":"","shape":[],"dtype":"bf16",)"
            R"("padding":[[0,1],[2,2]],"format":"channels_first","one":4,"two":5,"three":[1,2,3],)"
            R"("axes":[],"names":[],"limit":1.0,)"
            R"("activation":{"type":"elu","alpha":2.0},)"
            R"("initializer":{"type":"constant","value":3.0}})");
  read(e, written(other).dump().c_str());
  EXPECT_EQ(written(e), written(other));
}

TEST(Fields, ReadingNamesTheFieldWhatWasExpectedAndWhatCame) {
  Everything e;
  auto refused = [&](const char* json) { return message_of<ConfigError>([&] { read(e, json); }); };
  EXPECT_EQ(refused(R"({"count": 0})"), "a.count: expected integer 1..9, got 0");
  EXPECT_EQ(refused(R"({"count": 2.5})"), "a.count: expected integer 1..9, got 2.5");
  EXPECT_EQ(refused(R"({"count": "3"})"), "a.count: expected integer 1..9, got \"3\"");
  EXPECT_EQ(refused(R"({"count": 99999999999999999999})"),
            "a.count: expected integer 1..9, got 1e+20");
  EXPECT_EQ(refused(R"({"axis": -9})"), "a.axis: expected integer >= -4, got -9");
  EXPECT_EQ(refused(R"({"axis": 3000000000})"), "a.axis: expected integer >= -4, got 3000000000");
  EXPECT_EQ(refused(R"({"rate": 1})"), "a.rate: expected number > 0 and < 1, got 1");
  EXPECT_EQ(refused(R"({"rate": "0.1"})"), "a.rate: expected number > 0 and < 1, got \"0.1\"");
  EXPECT_EQ(refused(R"({"flag": 1})"), "a.flag: expected true or false, got 1");
  EXPECT_EQ(refused(R"({"shape": [2, -3]})"),
            "a.shape: expected list of integers >= 0, got [2,-3]");
  EXPECT_EQ(refused(R"({"two": [1, 2, 3]})"),
            "a.two: expected integer >= 1 or a list of 2, got [1,2,3]");
  EXPECT_EQ(refused(R"({"names": [1]})"), "a.names: expected list of strings, got [1]");
  EXPECT_EQ(refused(R"([1])"), "a: expected an object, got [1]");
  EXPECT_EQ(refused(R"({"initializer": true})"),
            "a.initializer: expected a name or an object with \"type\", got true");
  EXPECT_EQ(text_of<ConfigError>([&] { read(e, R"({"rat": 2})"); }),
            "a.rat: unknown key\n  hint: did you mean \"rate\"?");
  EXPECT_EQ(text_of<ConfigError>([&] { read(e, R"({"activation": "rellu"})"); }),
            "a.activation: unknown name \"rellu\"\n  hint: did you mean \"relu\"?");
  EXPECT_EQ(text_of<ConfigError>([&] { read(e, R"({"padding": "smae"})"); }).substr(0, 10),
            "a.padding:");
}

TEST(Choices, AnUnknownNameIsRefusedAtOnceAtItsLine) {
  EXPECT_EQ(text_of<ValueError>([] { Activation a = "sigmod"; }),
            "activation: unknown name \"sigmod\"\n  hint: did you mean \"sigmoid\"?\n  at "
            "fields_test.cpp:" +
                std::to_string(__LINE__ - 3));
  EXPECT_EQ(message_of<ValueError>([] { Initializer i = "glorot"; }),
            "initializer: unknown name \"glorot\"");
  EXPECT_EQ(message_of<ValueError>([] { Regularizer r = "l3"; }),
            "regularizer: unknown name \"l3\"");
  EXPECT_EQ(message_of<ValueError>([] { Regularizer r = nn::L2{.rate = -1}; }),
            "l2: rate: expected number >= 0, got -1");
}

TEST(Choices, FunctionsOfOnesOwnWorkAndCannotBeSaved) {
  const Activation twice = [](const Tensor& x) { return x * 2; };
  EXPECT_EQ(twice(tensor({1.f})).item<float>(), 2);
  EXPECT_THROW((void)twice.config(), UnsupportedError);
  const Activation function = varve::tanh;
  EXPECT_EQ(function(tensor({0.f})).item<float>(), 0);
  const Initializer ones = [](const Key&, const Shape& s) { return tensor({1.f, 1.f}, s); };
  EXPECT_EQ(ones(Key(1), {2}).to_doubles(), (std::vector<double>{1, 1}));
  EXPECT_EQ(message_of<UnsupportedError>([] {
              (void)Layer(nn::Dense{2, [](const Tensor& x) { return x; }}).config();
            }),
            "layer \"dense\": activation: the activation is a function of your own and has no text "
            "form");
}

TEST(Choices, EveryNameOfAnActivationIsComputed) {
  const Tensor x = tensor({-2.f, -0.5f, 0.f, 1.f, 3.f, 4.f});
  ASSERT_GT(nn::activation_names().size(), 10u);
  for (const std::string& name : nn::activation_names()) {
    const Activation a = name;
    const bool halves = name.ends_with("glu");
    EXPECT_EQ(a(x).shape(), halves ? (Shape{3}) : x.shape()) << name;
    EXPECT_EQ(a.config(), "\"" + name + "\"");
    EXPECT_EQ(test::distance(Activation::from_config(a.config())(x), a(x)), 0) << name;
  }
  EXPECT_TRUE(Activation("linear").is_linear());
  test::expect_near(Activation("softmax")(tensor({1.f, 2.f, 3.f})),
                    {0.0900305732, 0.2447284711, 0.6652409558}, 1e-6);
  test::expect_near(Activation(nn::ReLU{.max_value = 2, .negative_slope = 0.1, .threshold = 1})(x),
                    {-0.3, -0.15, -0.1, 1, 2, 2}, 1e-6);
}

}  // namespace
}  // namespace varve
