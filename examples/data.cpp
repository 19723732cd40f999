// Data: tensors in memory, tables from CSV, pictures; splits, loaders, preparation.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [tensors]
  Tensor x = random::normal(Key(1), {1000, 4});
  Tensor y = cast(index(x, {Slice{}, 0}) > 0, i64);
  Dataset all(x, y, {.class_names = {"below", "above"}});
  auto [train, test] = split(all, 0.2, {.seed = 7, .stratify = true});
  std::printf("%d for training, %d for testing\n", int(train.size()), int(test.size()));
  // [/tensors]

  // [loader]
  Loader loader(train, {.batch_size = 128, .shuffle = true, .seed = 7});
  for (const Batch& b : loader) {
    std::printf("%s ", b.x().shape().to_string().c_str());
  }
  std::printf("\n");
  // [/loader]

  // [folds]
  for (const TrainTest& fold : k_fold(all, 5, {.seed = 7})) {
    std::printf("%d + %d  ", int(fold.train.size()), int(fold.test.size()));
  }
  std::printf("\n");
  // [/folds]

  // [pictures]
  // Digits lie in memory as bytes; what `map` is given runs inside the compiled step.
  Dataset digits = datasets::mnist().train.take(100);
  Dataset shifted = digits.map([](const Tensors& x) -> Tensors { return roll(x.only(), 2, 1); });
  std::printf("%s, %s stored\n", shifted.batch({0, 1}).x().shape().to_string().c_str(),
              name_of(shifted.stored_inputs()[0].dtype()));
  // [/pictures]

  // [table]
  Table table = Table::parse(
      "customer,plan,age,churned\n"
      "1,basic,31,no\n"
      "2,pro,,no\n"
      "3,basic,64,yes\n"
      "4,pro,25,no\n"
      "5,basic,58,yes\n"
      "6,free,44,no\n");
  TablePreprocessing fitted = TablePreprocessing::fit(
      table, {.target = "churned",
              .columns = {{"customer", "ignore"},
                          {"age", {"number", "median", "standard"}}}});  // the rest is inferred
  for (const std::string& name : fitted.feature_names()) std::printf("%s  ", name.c_str());
  std::printf("\n%s\n", fitted.inputs(table).to_string().c_str());
  // [/table]

  // [table_training]
  TableData data = prepare_table(table, {.target = "churned", .columns = {{"customer", "ignore"}}},
                                 {.test = 0.34, .seed = 1});
  std::printf("%d rows for training, %d features\n", int(data.train.size()),
              int(data.preprocessing.features()));
  // [/table_training]
}
