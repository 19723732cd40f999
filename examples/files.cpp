// Files: whole models, weights alone, partial loads, checkpoints to go on from.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

Sequential network(int64_t classes) {
  return {nn::Input{.shape = {4}}, nn::Dense{.units = 16, .activation = "relu", .name = "body"},
          nn::Dense{.units = classes, .name = "head"}};
}

int main() {
  Tensor x = random::normal(Key(1), {400, 4});
  Tensor y = cast(sum(x, {.axes = {1}}) > 0, i64);
  // Made anew for each model: an optimizer is a handle, and models that are given the same one
  // share its state.
  auto how = [] {
    return CompileOptions{.optimizer = "adam",
                          .loss = losses::CrossEntropy{.from_logits = true},
                          .metrics = {"accuracy"}};
  };

  // [model]
  Model model = network(2);
  model.compile(how());
  model.fit(x, y, {.epochs = 3, .seed = 1, .progress = false});
  model.set_class_names({"below", "above"});
  model.save("model.safetensors");  // weights, architecture, settings, class names

  Model loaded = Model::load("model.safetensors");
  bool same = bool(all(model.predict(x) == loaded.predict(x)));
  std::printf("the same bits: %s; class 1 is \"%s\"\n", same ? "yes" : "no",
              loaded.class_names()[1].c_str());
  // [/model]

  // [weights]
  model.save_weights("weights.safetensors");
  Model other = network(5);  // the same body, another head
  try {
    other.load_weights("weights.safetensors");
  } catch (const FormatError& e) {
    std::printf("%s\n", e.what());  // nothing was changed
  }
  LoadReport report = other.load_weights("weights.safetensors", {.partial = true});
  std::printf("left as they were: %zu\n", report.different.size());
  other.freeze("body");
  // [/weights]

  // [resume]
  random::seed(3);
  Model whole = network(2), broken = whole.clone();
  whole.compile(how());
  FitOptions options{.epochs = 4,
                     .callbacks = {callbacks::Checkpoint{"checkpoint.safetensors"}},
                     .seed = 1,
                     .progress = false};
  whole.fit(x, y, options);

  broken.compile(how());
  options.epochs = 2;
  broken.fit(x, y, options);  // ... and the power fails
  options.epochs = 4;
  options.resume = "checkpoint.safetensors";
  broken.fit(x, y, options);
  same = bool(all(whole.predict(x) == broken.predict(x)));
  std::printf("a resumed training ends with the same bits: %s\n", same ? "yes" : "no");
  // [/resume]
}
