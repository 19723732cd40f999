// A network with two inputs and a skip connection.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [model]
  Tensor image = nn::Input{.shape = {8, 8, 1}, .name = "image"};
  Tensor table = nn::Input{.shape = {3}, .name = "table"};
  Tensor h = nn::Conv2D{.filters = 8, .padding = "same", .activation = "relu"}(image);
  h = nn::Add{}({h, nn::Conv2D{.filters = 8, .padding = "same"}(h)});  // the skip connection
  h = nn::Flatten{}(relu(h));  // functions and operators may stand between layers
  Tensor both = nn::Concatenate{}({h, nn::Dense{.units = 8, .activation = "relu"}(table)});
  both = nn::Dense{.units = 16, .activation = "relu"}(both);
  Model model({image, table}, nn::Dense{.units = 2, .name = "class"}(both));
  model.summary();
  // [/model]

  // Pictures with a bright half, and three numbers; the class is whether the bright half is on the
  // side that the first number says.
  const int64_t n = 512;
  Tensor left = random::bernoulli(Key(1), 0.5, {n, 1}),
         asked = random::bernoulli(Key(2), 0.5, {n, 1});
  Tensor column = reshape(arange(8), {1, 1, 8, 1});
  Tensor bright = equal(column < 4, reshape(left, {n, 1, 1, 1}));
  Tensor images = broadcast_to(cast(bright, f32), {n, 8, 8, 1}) +
                  random::normal(Key(3), {n, 8, 8, 1}, {.standard_deviation = 0.1});
  Tensor tables = concat({cast(asked, f32), random::normal(Key(4), {n, 2})});
  Tensor classes = cast(left == asked, i64);

  // [fit]
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.01},
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {"accuracy"}});
  History history =
      model.fit({images, tables}, classes,
                {.epochs = 20, .validation_split = 0.25, .seed = 1, .progress = false});
  std::printf("validation accuracy: %.3f\n", history["val_accuracy"].back());
  // [/fit]
}
