#include "train/training.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::train {

Program::Program(Function f, const CompileOptions& options)
    : f_(std::move(f)),
      eager_(options.run_eagerly),
      compiled_(detail::make_compiled(options.precision)) {}

std::vector<Tensor> Program::operator()(const std::vector<Tensor>& arguments) const {
  std::vector<Tensor> results;
  if (eager_) {
    // A frame holds assignments back until the step has succeeded.
    ir::Frame transaction(ir::Frame::Kind::gradient);
    results = f_(arguments);
    transaction.commit();
    ir::evaluate(results);
    return results;
  }
  detail::run_compiled(
      *compiled_, arguments,
      [this](std::span<const Tensor> x) {
        return detail::Traced{f_(x), nullptr};
      },
      [&results](const void*, std::span<const Tensor> made) {
        results.assign(made.begin(), made.end());
      });
  return results;
}

void Program::rehearse(const std::vector<Tensor>& arguments) const {
  const ir::Frame discarded(eager_ ? ir::Frame::Kind::gradient : ir::Frame::Kind::trace);
  std::vector<Tensor> inputs;
  for (const Tensor& x : arguments) {
    inputs.push_back(eager_ ? x : ir::placeholder(ir::type_of(x)));
  }
  f_(inputs);
}

RunningMean::RunningMean(const std::string& name)
    : totals_(Shape{2}, f64, [] { return zeros({2}, f64); }, {.name = name, .trainable = false}) {}

void RunningMean::add(const Tensor& value, int64_t samples) {
  const auto n = static_cast<double>(samples);
  totals_.assign(totals_.value() + stack({cast(value, f64) * n, scalar(n, f64)}));
}

double RunningMean::result() const {
  const std::vector<double> t = totals_.value().to_doubles();
  return t[0] / t[1];
}

void RunningMean::reset() { totals_.assign(zeros({2}, f64)); }

}  // namespace varve::train
