// What jit makes of a function: traces, the plan, the time of each kernel.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [plan]
  Variable w(random::normal(Key(1), {64, 32})), b(zeros({32}));
  auto layer = jit([&](const Tensor& x) { return sum(relu(matmul(x, w) + b), {.axes = {1}}); });
  layer(ones({16, 64}));
  layer(ones({16, 64}));  // replayed
  layer(ones({5, 64}));   // another shape: another trace and a plan of its own
  std::printf("traced %d times\n", layer.info().traces());
  std::printf("%s\n", layer.info().plan().c_str());
  // [/plan]

  // [profile]
  layer.info().profile(true);
  for (int i = 0; i < 100; ++i) layer(ones({5, 64}));
  std::printf("%s\n", layer.info().profile().c_str());
  // [/profile]
}
