// The notes on gradients and losses: by hand, by differences and by the library.
#include "helpers.h"

namespace varve {
namespace {

using namespace notes;

// P4-10.
TEST(NotesDerivatives, OfTheSumTimesZ) {
  const auto f = [](const Tensor& x, const Tensor& y, const Tensor& z) { return (x + y) * z; };
  const auto g = grad(f)(scalar(-2, f64), scalar(5, f64), scalar(-4, f64));
  EXPECT_EQ(g[0].to_double(), -4);
  EXPECT_EQ(g[1].to_double(), -4);
  EXPECT_EQ(g[2].to_double(), 3);
}

/// The library's cotangents beside those by hand, and both modes beside central differences.
void expect_by_hand(const TensorsFunction& f, const Tensors& at, const Tensors& cotangents,
                    const Tensors& by_hand) {
  const Tensors got = vjp(f, at, cotangents).cotangents;
  for (size_t i = 0; i < by_hand.size(); ++i) {
    EXPECT_EQ(got[i].shape(), by_hand[i].shape()) << i;
    EXPECT_LT(distance(got[i], by_hand[i]), 1e-12) << "argument " << i;
  }
  const GradcheckReport r =
      gradcheck(f, at, {.absolute_tolerance = 1e-6, .relative_tolerance = 1e-6});
  EXPECT_TRUE(r) << r.to_string();
}

// P4-46: L1. (The notes leave out the mean; the library averages once, in the loss.)
TEST(NotesDerivatives, OfTheAbsoluteErrorIsTheSign) {
  const Tensor p = normal({4, 3}, 1, f64), y = normal({4, 3}, 2, f64);
  const Loss loss = "mae";
  expect_by_hand([&](const Tensors& x) -> Tensors { return loss(x[0], y); }, p, scalar(1, f64),
                 sign(p - y) / 12);
}

// P4-46: MSE. (The notes lose the factor 2 of the loss that they define.)
TEST(NotesDerivatives, OfTheSquaredErrorIsTwiceTheDifference) {
  const Tensor p = normal({4, 3}, 3, f64), y = normal({4, 3}, 4, f64);
  const Loss loss = "mse";
  expect_by_hand([&](const Tensors& x) -> Tensors { return loss(x[0], y); }, p, scalar(1, f64),
                 2 * (p - y) / 12);
  // Of a linear net by its weights: (2 / n) sum (W x_i - y_i) x_i'.
  const Tensor x = normal({5, 3}, 5, f64), w = normal({3, 1}, 6, f64), t = normal({5, 1}, 7, f64);
  expect_by_hand([&](const Tensors& v) -> Tensors { return loss(matmul(x, v[0]), t); }, w,
                 scalar(1, f64), 2.0 / 5 * matmul(transpose(x), matmul(x, w) - t));
}

// P4-46: binary cross-entropy. (One of the notes loses the minus sign; both divide by 0 at 0 and 1,
// where the library clips.)
TEST(NotesDerivatives, OfBinaryCrossEntropy) {
  const Tensor p = sigmoid(normal({4, 3}, 8, f64));
  const Tensor y = cast(random::bernoulli(Key(9), 0.5, {4, 3}), f64);
  const Loss loss = losses::BinaryCrossEntropy{};
  const Tensor by_hand = (-y / p + (1 - y) / (1 - p)) / 12;
  expect_by_hand([&](const Tensors& x) -> Tensors { return loss(x[0], y); }, p, scalar(1, f64),
                 by_hand);
  EXPECT_GT(loss(p, y).to_double(), 0);
  // From logits it is the difference of probability and target.
  const Tensor logits = normal({4, 3}, 8, f64);
  const Loss from_logits = losses::BinaryCrossEntropy{.from_logits = true};
  expect_by_hand([&](const Tensors& x) -> Tensors { return from_logits(x[0], y); }, logits,
                 scalar(1, f64), (p - y) / 12);
  // At the edges of the range nothing is infinite.
  const Tensor edges = tensor({0.0, 1.0}, {2, 1}), right = tensor({1.0, 0.0}, {2, 1});
  EXPECT_TRUE(std::isfinite(loss(edges, right).to_double()));
  const auto at_edges = [&](const Tensor& e) { return loss(e, right); };
  for (double g : grad(at_edges)(edges).to_doubles()) EXPECT_TRUE(std::isfinite(g));
}

// P4-46: ReLU. (The notes change the gradient that came in, and let it through at 0.)
TEST(NotesDerivatives, OfReluPassWhereTheInputIsPositive) {
  const Tensor x = normal({4, 3}, 10, f64), dout = normal({4, 3}, 11, f64);
  const Doubles before = dout.to_doubles();
  expect_by_hand([](const Tensors& v) -> Tensors { return relu(v[0]); }, x, dout,
                 where(x > 0, dout, 0));
  EXPECT_EQ(dout.to_doubles(), before);
  const auto sum_of_relu = [](const Tensor& v) { return sum(relu(v)); };
  EXPECT_EQ(grad(sum_of_relu)(tensor({-1.0, 0.0, 1.0})).to_doubles(), (Doubles{0, 0, 1}));
}

// P4-46: the affine layer. (The notes divide dw and db by n, but not dx: the mean belongs in the
// loss, once.)
TEST(NotesDerivatives, OfAnAffineLayer) {
  const Tensor x = normal({5, 3}, 12, f64), w = normal({3, 4}, 13, f64), b = normal({4}, 14, f64);
  const Tensor dout = normal({5, 4}, 15, f64);
  expect_by_hand(
      [](const Tensors& v) -> Tensors { return matmul(v[0], v[1]) + v[2]; }, {x, w, b}, dout,
      {matmul(dout, transpose(w)), matmul(transpose(x), dout), sum(dout, {.axes = {0}})});
}

// P4-46: batch normalization. (The notes' first formula has no epsilon; the variance is divided by
// the count.)
TEST(NotesDerivatives, OfBatchNormalization) {
  const double n = 6, epsilon = 1e-3;
  const Tensor x = normal({6, 3}, 16, f64) * 2 + 1, gamma = normal({3}, 17, f64);
  const Tensor beta = normal({3}, 18, f64), dout = normal({6, 3}, 19, f64);
  const auto norm = [&](const Tensors& v) -> Tensors {
    return batch_norm(v[0], {.scale = v[1], .offset = v[2], .epsilon = epsilon}).output;
  };
  const Tensor mu = mean(x, {.axes = {0}}), inverse = rsqrt(var(x, {.axes = {0}}) + epsilon);
  const Tensor hat = (x - mu) * inverse, dhat = dout * gamma;
  const Tensor dx =
      inverse / n * (n * dhat - sum(dhat, {.axes = {0}}) - hat * sum(dhat * hat, {.axes = {0}}));
  expect_by_hand(norm, {x, gamma, beta}, dout,
                 {dx, sum(dout * hat, {.axes = {0}}), sum(dout, {.axes = {0}})});
}

// P4-44.
TEST(NotesDerivatives, TheAbsoluteErrorIsLeastAtTheMedianAndTheSquaredOneAtTheMean) {
  const Tensor y = tensor({1.f, 2.f, 3.f, 4.f, 100.f}, {5, 1}), x = ones({5, 1});
  const auto fitted = [&](const char* loss, const Schedule& rate) {
    Sequential model{nn::Input{.shape = {1}}, nn::Dense{.units = 1, .use_bias = false}};
    model.compile({.optimizer = optim::SGD{.learning_rate = rate}, .loss = loss});
    model.fit(x, y, {.batch_size = 5, .epochs = 600, .progress = false});
    return model.variable("dense_1.kernel").value().to_double();
  };
  EXPECT_NEAR(fitted("mse", 0.1), 22, 1e-3);
  EXPECT_NEAR(fitted("mae", schedules::Cosine{.initial = 0.5, .steps = 500}), 3, 1e-2);
}

// P4-45. (The notes: hinge is 0 "if predicted correctly". Only with a lead of the margin.)
TEST(NotesDerivatives, HingeIsZeroBeyondItsMarginAndCrossEntropyNever) {
  const Tensor leads_by_two = tensor({3.f, 1.f}, {1, 2}),
               leads_by_half = tensor({1.5f, 1.f}, {1, 2});
  const Tensor label = tensor<int64_t>({0});
  const Loss hinge = losses::CategoricalHinge{};
  const Loss entropy = losses::CrossEntropy{.from_logits = true};
  const auto slope = [&](const Loss& loss, const Tensor& scores) {
    const auto f = [&](const Tensor& s) { return loss(s, label); };
    return max(abs(grad(f)(scores))).to_double();
  };
  EXPECT_EQ(hinge(leads_by_two, label).to_double(), 0);
  EXPECT_EQ(slope(hinge, leads_by_two), 0);
  EXPECT_NEAR(entropy(leads_by_two, label).to_double(), std::log1p(std::exp(-2.0)), 1e-6);
  EXPECT_GT(slope(entropy, leads_by_two), 0.1);
  EXPECT_NEAR(hinge(leads_by_half, label).to_double(), 0.5, 1e-6);
  EXPECT_EQ(slope(hinge, leads_by_half), 1);
}

// The four kinds of the notes, of one function: by differences, by symbols, forward (dual numbers
// and tangents) and reverse.
TEST(NotesDerivatives, OfTheFourKindsAgree) {
  const auto f = [](const Tensor& x) { return exp(sin(x)) / x; };
  const auto g = [](auto x) { return exp(sin(x)) / x; };
  EXPECT_EQ(formula(grad(f), "x"), "exp(sin(x))*(cos(x)/x - 1/x^2)");
  for (const double x : {0.4, 1.0, 2.7}) {
    const double truth = std::exp(std::sin(x)) * (std::cos(x) / x - 1 / (x * x));
    EXPECT_NEAR(numeric_gradient(f, scalar(x, f64)).to_double(), truth, 1e-8);
    EXPECT_NEAR(derivative(g, x), truth, 1e-14);
    const auto as_list = [&](const Tensors& v) -> Tensors { return f(v[0]); };
    EXPECT_NEAR(jvp(as_list, scalar(x, f64), scalar(1, f64)).tangents[0].to_double(), truth, 1e-14);
    EXPECT_NEAR(grad(f)(scalar(x, f64)).to_double(), truth, 1e-14);
  }
  // "d x^2 / dx = 2 x."
  EXPECT_EQ(formula(grad([](const Tensor& x) { return x * x; }), "x"), "2*x");
}

// Values that are used several times gather the gradients of all uses.
TEST(NotesDerivatives, OfFannedOutValuesAreAdded) {
  const auto f = [](const Tensor& x, const Tensor& y) {
    const Tensor shared = x * y;
    return shared * shared + sin(shared) + shared;
  };
  const double x = 0.7, y = -1.3, s = x * y, slope = 2 * s + std::cos(s) + 1;
  const auto g = grad(f)(scalar(x, f64), scalar(y, f64));
  EXPECT_NEAR(g[0].to_double(), slope * y, 1e-14);
  EXPECT_NEAR(g[1].to_double(), slope * x, 1e-14);
}

// A net of two layers with sigmoids and binary cross-entropy, by hand: dL/ds = p - y, dL/dw2 =
// (p - y) h, dL/dw1 = (p - y) w2 h (1 - h) x. (The notes mix indices in two of the steps.)
TEST(NotesDerivatives, OfATwoLayerNetAreTheChainByHand) {
  const Tensor x = normal({6, 3}, 20, f64), w1 = normal({3, 4}, 21, f64), b1 = normal({4}, 22, f64);
  const Tensor w2 = normal({4, 2}, 23, f64), b2 = normal({2}, 24, f64);
  const Tensor y = cast(random::bernoulli(Key(25), 0.5, {6, 2}), f64);
  const Loss loss = losses::BinaryCrossEntropy{.from_logits = true};
  const Tensor h = sigmoid(matmul(x, w1) + b1), p = sigmoid(matmul(h, w2) + b2);
  const Tensor ds = (p - y) / 12, dh = matmul(ds, transpose(w2)) * h * (1 - h);
  expect_by_hand(
      [&](const Tensors& v) -> Tensors {
        return loss(matmul(sigmoid(matmul(x, v[0]) + v[1]), v[2]) + v[3], y);
      },
      {w1, b1, w2, b2}, scalar(1, f64),
      {matmul(transpose(x), dh), sum(dh, {.axes = {0}}), matmul(transpose(h), ds),
       sum(ds, {.axes = {0}})});
}

/// h <- tanh(w h + u x_t), step after step.
Tensor unrolled(const Tensor& w, const Tensor& u, const Tensor& x, int64_t first, int64_t last,
                Tensor h) {
  for (int64_t t = first; t < last; ++t) h = tanh(matmul(h, w) + matmul(slice(x, {{t, t + 1}}), u));
  return h;
}

// Backpropagation through time: the gradients of a shared weight are those of a copy a step, added;
// truncated ones leave out the steps before the window.
TEST(NotesDerivatives, ThroughTimeAreTheSumOverTheSteps) {
  constexpr int64_t kSteps = 5, kWindow = 2;
  const Tensor x = normal({kSteps, 2}, 26, f64), u = normal({2, 3}, 27, f64);
  const Tensor w = normal({3, 3}, 28, f64), h0 = zeros({1, 3}, f64);
  const Tensor whole =
      grad([&](const Tensor& v) { return sum(unrolled(v, u, x, 0, kSteps, h0)); })(w);
  const auto of_copies = [&](const Tensors& copies) -> Tensors {
    Tensor h = h0;
    for (int64_t t = 0; t < kSteps; ++t)
      h = unrolled(copies[static_cast<size_t>(t)], u, x, t, t + 1, h);
    return sum(h);
  };
  const Tensors parts =
      vjp(of_copies, Tensors(std::vector<Tensor>(kSteps, w)), scalar(1, f64)).cotangents;
  Tensor total = parts[0], last = parts[kSteps - kWindow];
  for (size_t t = 1; t < kSteps; ++t) total = total + parts[t];
  for (size_t t = kSteps - kWindow + 1; t < kSteps; ++t) last = last + parts[t];
  EXPECT_LT(distance(whole, total), 1e-14);
  const Tensor truncated = grad([&](const Tensor& v) {
    const Tensor before = stop_gradient(unrolled(v, u, x, 0, kSteps - kWindow, h0));
    return sum(unrolled(v, u, x, kSteps - kWindow, kSteps, before));
  })(w);
  EXPECT_LT(distance(truncated, last), 1e-14);
}

// Saturated sigmoids pass at most a quarter of the gradient on, each layer anew. (The notes: "the
// further the parameters get from zero"; it is the sums before the sigmoid.)
TEST(NotesDerivatives, VanishThroughManySigmoidsAndNotThroughRelus) {
  const auto deep = [](Tensor (*activation)(const Operand&), int layers) {
    return grad([=](const Tensor& x) {
             Tensor h = x;
             for (int i = 0; i < layers; ++i) h = activation(h);
             return h;
           })(scalar(0.5, f64))
        .to_double();
  };
  EXPECT_LT(deep(varve::sigmoid, 10), std::pow(0.25, 10));
  EXPECT_GT(deep(varve::sigmoid, 10), 0);
  EXPECT_EQ(deep(varve::relu, 10), 1);
}

// A recurrent net without activation: h_T = W^T h_0, so gradients grow or shrink by the largest
// eigenvalue, step after step.
TEST(NotesDerivatives, ExplodeByTheLargestEigenvalue) {
  const auto after = [](double eigenvalue, int steps) {
    const Tensor w = tensor<double>({eigenvalue, 0.3, 0, 0.5}, {2, 2});
    return max(abs(grad([&](const Tensor& h) {
             Tensor y = h;
             for (int i = 0; i < steps; ++i) y = matmul(y, w);
             return sum(slice(y, {{}, {0, 1}}));
           })(ones({1, 2}, f64))))
        .to_double();
  };
  EXPECT_NEAR(after(1.2, 40) / after(1.2, 39), 1.2, 1e-12);
  EXPECT_NEAR(after(1.2, 40), std::pow(1.2, 40), 1e-9);
  EXPECT_LT(after(0.8, 40), 2e-4);
}

// "Cut gradients larger than a threshold" is two things: by norm, all together, g c / max(c, |g|)
// (Pascanu 2013), which keeps the direction; and by value, each element.
TEST(NotesDerivatives, AreClippedByTheirNormTogetherOrByValueEach) {
  const Tensor start = zeros({3}), slopes = tensor({3.f, -4.f, 12.f});
  const auto step = [&](const Optimizer& optimizer) {
    Variable w(start, {.name = "w"});
    Optimizer update = optimizer;
    update.update(value_and_grad([&] { return sum(w.value() * slopes); }, {w})().grads);
    return w.value().to_doubles();
  };
  using optim::SGD;
  expect_near(step(SGD{.learning_rate = 1, .clip_norm = 1}), {-3. / 13, 4. / 13, -12. / 13}, 1e-6);
  expect_near(step(SGD{.learning_rate = 1, .clip_norm = 20}), {-3, 4, -12}, 0);
  expect_near(step(SGD{.learning_rate = 1, .clip_value = 3.5}), {-3, 3.5, -3.5}, 0);
}

// H(x) = F(x) + x: the gradient is dL/dH (dF/dx + 1), so one layer's part never vanishes.
TEST(NotesDerivatives, ThroughASkipConnectionHaveAOneAdded) {
  const Tensor x = normal({4}, 29, f64), dout = normal({4}, 30, f64);
  expect_by_hand([](const Tensors& v) -> Tensors { return tanh(v[0]) + v[0]; }, x, dout,
                 dout*(1 - square(tanh(x)) + 1));
  const auto through = [&](bool skip) {
    return max(abs(grad([&](const Tensor& v) {
             Tensor h = v;
             for (int i = 0; i < 30; ++i) h = 0.1 * tanh(h) + (skip ? 1 : 0) * h;
             return sum(h);
           })(x)))
        .to_double();
  };
  EXPECT_LT(through(false), 1e-25);
  EXPECT_GT(through(true), 1);
}

}  // namespace
}  // namespace varve
