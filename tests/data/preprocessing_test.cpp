#include "data/preprocessing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "varve/warnings.h"

namespace varve::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int64_t> all(const formats::CsvTable& t) {
  std::vector<int64_t> rows(static_cast<size_t>(t.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

formats::CsvTable people() {
  return formats::parse_csv("people.csv",
                            "age,plan,zip,paid\n"
                            "20,basic,01,yes\n"
                            "40,gold,02,no\n"
                            ",basic,01,yes\n"
                            "60,,03,no\n");
}

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(Preprocessing, NumbersAreScaledAndMissingOnesFilledByTheTrainingPart) {
  const formats::CsvTable t = people();
  const TablePreparation p =
      fit_table(t, std::vector<int64_t>{0, 1, 2},
                {"paid", true, {{"plan", {"ignore"}}, {"zip", {"ignore"}}}}, "c");
  ASSERT_EQ(p.columns.size(), 1u);
  EXPECT_DOUBLE_EQ(p.columns[0].fill, 30);
  EXPECT_DOUBLE_EQ(p.columns[0].shift, 30);
  EXPECT_DOUBLE_EQ(p.columns[0].factor, 0.1);  // population deviation of 20 and 40
  const formats::Array x = p.inputs(t, all(t));
  EXPECT_THAT(x.span<float>(), ElementsAre(-1, 1, 0, 3));
  EXPECT_THAT(p.classes, ElementsAre("no", "yes"));
  EXPECT_THAT(p.targets(t, all(t)).span<uint32_t>(), ElementsAre(1u, 0u, 1u, 0u));
}

TEST(Preprocessing, CategoriesAreOneHotAndUnknownOnesAreZerosWithAWarning) {
  const formats::CsvTable t = people();
  const TablePreparation p =
      fit_table(t, std::vector<int64_t>{0, 1, 2},
                {"paid", true, {{"age", {"ignore"}}, {"zip", {"category"}}}}, "c");
  EXPECT_EQ(p.width(), 4);
  take_warnings();
  const formats::Array x = p.inputs(t, std::vector<int64_t>{1, 3});
  EXPECT_THAT(x.span<float>(), ElementsAre(0, 1, 0, 1, 0, 0, 0, 0));
  EXPECT_THAT(take_warnings(), ElementsAre(HasSubstr("column \"zip\": 1 cells hold categories")));
}

TEST(Preprocessing, MedianMinMaxAndZeroAreAsTheySay) {
  const formats::CsvTable t = formats::parse_csv("t.csv", "a,y\n1,0\n2,0\n10,1\n,1\n");
  const auto fill = [&](const char* missing, const char* scale) {
    return fit_table(t, all(t), {"y", false, {{"a", {"number", missing, scale}}}}, "c").columns[0];
  };
  EXPECT_DOUBLE_EQ(fill("median", "none").fill, 2);
  EXPECT_DOUBLE_EQ(fill("zero", "none").fill, 0);
  EXPECT_DOUBLE_EQ(fill("mean", "none").fill, 13.0 / 3);
  EXPECT_DOUBLE_EQ(fill("", "min_max").shift, 1);
  EXPECT_DOUBLE_EQ(fill("", "min_max").factor, 1.0 / 9);
}

TEST(Preprocessing, AConstantColumnIsToldAndBecomesZero) {  // B114
  const formats::CsvTable t = formats::parse_csv("t.csv", "a,b,y\n5,1,0\n5,2,1\n");
  take_warnings();
  const TablePreparation p = fit_table(t, all(t), {"y"}, "c");
  EXPECT_THAT(take_warnings(), ElementsAre("t.csv: column \"a\" is constant in the training part"));
  EXPECT_THAT(p.inputs(t, all(t)).span<float>(), ElementsAre(0, -1, 0, 1));
}

TEST(Preprocessing, ClassesOfNumbersAreInTheirOrder) {
  const formats::CsvTable t = formats::parse_csv("t.csv", "a,y\n1,10\n2,9\n3,-1\n");
  EXPECT_THAT(classes_of(t, t.column("y")), ElementsAre("-1", "9", "10"));
}

TEST(Preprocessing, WhatDoesNotFitIsNamed) {
  const formats::CsvTable t = people();
  const auto fit = [&](TableFit f) {
    return message([&] { fit_table(t, all(t), f, "data.columns"); });
  };
  EXPECT_EQ(fit({"pay", true, {}}),
            "people.csv: column \"pay\" not found; columns: age, plan, zip, paid");
  EXPECT_EQ(fit({"paid", true, {{"agee", {"ignore"}}}}), "data.columns.agee: no such column");
  EXPECT_EQ(fit({"paid", true, {{"age", {"numeric"}}}}),
            "data.columns.age.kind: expected one of \"number\", \"category\", \"ignore\", got "
            "\"numeric\"");
  EXPECT_EQ(fit({"paid", true, {{"plan", {"number"}}}}),
            "people.csv: line 2 column \"plan\": expected number, got \"basic\"");
  EXPECT_EQ(fit({"paid", false, {}}),
            "people.csv: line 2 column \"paid\": expected number, got \"yes\"");
  EXPECT_EQ(fit({"paid", true, {{"age", {"number", "error"}}}}),
            "people.csv: line 4 column \"age\": missing");
  EXPECT_EQ(fit({"paid", true, {{"paid", {"ignore"}}}}),
            "data.columns.paid: is the target, which takes no rule");
  const TablePreparation p = fit_table(t, all(t), {"paid"}, "c");
  const formats::CsvTable other =
      formats::parse_csv("new.csv", "age,plan,zip,paid\n1,basic,01,maybe\n2,gold,01,\n");
  EXPECT_EQ(message([&] { p.targets(other, std::vector<int64_t>{0}); }),
            "new.csv: line 2 column \"paid\": unknown class \"maybe\"");
  EXPECT_EQ(message([&] { p.targets(other, std::vector<int64_t>{1}); }),
            "new.csv: line 3 column \"paid\": expected a target, got an empty cell");
}

TEST(Preprocessing, ColumnsOfNamesAreRefusedUntilTheJobSaysWhatTheyAre) {
  std::string text = "name,y\n";
  for (int i = 0; i < 60; ++i)
    text += "person" + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  const formats::CsvTable t = formats::parse_csv("t.csv", text);
  EXPECT_EQ(message([&] { fit_table(t, all(t), {"y"}, "data.columns"); }),
            "t.csv: column \"name\": 60 different texts in 60 rows");
  EXPECT_EQ(fit_table(t, all(t), {"y", true, {{"name", {"category"}}}}, "c").width(), 60);
}

TEST(Preprocessing, JsonBringsBackTheSameNumbersBitByBit) {
  const formats::CsvTable t = people();
  TablePreparation p = fit_table(t, all(t), {"paid"}, "c");
  p.columns[0].shift = 0.1 + 0.2;
  const auto back =
      std::get<TablePreparation>(preprocessing_from_json(to_json(p), "m.safetensors"));
  EXPECT_EQ(to_json(back), to_json(p));
  EXPECT_EQ(back.columns[0].shift, p.columns[0].shift);
  const formats::Array a = p.inputs(t, all(t)), b = back.inputs(t, all(t));
  for (size_t i = 0; i < a.span<float>().size(); ++i)
    EXPECT_EQ(a.span<float>()[i], b.span<float>()[i]);
  const ImagePreparation image{28, 28, 1, true, {"0", "1"}};
  EXPECT_EQ(to_json(preprocessing_from_json(to_json(image), "m")), to_json(image));
  EXPECT_THAT(class_names(preprocessing_from_json("null", "m")), IsEmpty());
  EXPECT_THAT(message([] { preprocessing_from_json("{\"kind\": \"sound\"}", "m"); }),
              HasSubstr("m: preprocessing: kind: expected \"table\" or \"image\""));
  EXPECT_THAT(message([] { preprocessing_from_json("{\"kind\": \"image\"}", "m"); }),
              HasSubstr("m: preprocessing: "));
}

}  // namespace
}  // namespace varve::data
