#include "varve/table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/folder.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using test::message_of;

constexpr const char* kChurn =
    "customer_id,age,plan,minutes,churned\n"
    "a1,20,basic,1.5,no\n"
    "a2,,pro,2.5,yes\n"
    "a3,40,basic,3.5,no\n"
    "a4,60,,4.5,yes\n"
    "a5,80,pro,5.5,no\n"
    "a6,20,basic,0.5,no\n";

TableOptions churn() { return {.target = "churned", .columns = {{"customer_id", "ignore"}}}; }

TEST(Table, BecomesFeaturesAndClasses) {
  const Table table = Table::parse(kChurn);
  const TablePreprocessing p = TablePreprocessing::fit(table, churn());
  EXPECT_EQ(p.feature_names(), (std::vector<std::string>{"age", "plan=basic", "plan=pro",
                                                         "plan=(missing)", "minutes"}));
  EXPECT_EQ(p.class_names(), (std::vector<std::string>{"no", "yes"}));
  EXPECT_TRUE(p.is_classification());
  const Dataset d = p.dataset(table);
  EXPECT_EQ(d.classes(), (std::vector<int64_t>{0, 1, 0, 1, 0, 0}));
  const std::vector<double> x = d.all().x().to_doubles();
  // age: known 20 40 60 80 20, mean 44, standard deviation sqrt(544), median 40 for the missing
  // one.
  const double s = std::sqrt(544);
  const std::vector<double> ages{-24 / s, -4 / s, -4 / s, 16 / s, 36 / s, -24 / s};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(x[5 * i], ages[i], 1e-6);
  EXPECT_EQ(std::vector<double>(x.begin() + 5 * 3 + 1, x.begin() + 5 * 3 + 4),
            (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(std::vector<double>(x.begin() + 1, x.begin() + 4), (std::vector<double>{1, 0, 0}));
}

TEST(Table, ColumnsAreTreatedAsAsked) {
  const Table table = Table::parse(kChurn);
  TableOptions o = churn();
  o.columns["age"] = Column("number", "zero", "none");
  o.columns["plan"] = Column("category", "most_frequent");
  o.columns["minutes"] = Column("number", "auto", "unit");
  const TablePreprocessing p = TablePreprocessing::fit(table, o);
  const std::vector<double> x = p.inputs(table).to_doubles();
  EXPECT_EQ(std::vector<double>(x.begin() + 4, x.begin() + 8),
            (std::vector<double>{0, 0, 1, 0.4f}));
  EXPECT_EQ(std::vector<double>(x.begin() + 12, x.begin() + 15), (std::vector<double>{60, 1, 0}));
  o.columns["age"] = Column("number", "error");
  EXPECT_EQ(message_of([&] { TablePreprocessing::fit(table, o); }),
            "table: line 3 column \"age\": the value is missing");
}

TEST(Table, PreprocessingIsFittedOnTrainingRowsAlone) {
  const Table table = Table::parse(kChurn);
  const std::vector<int64_t> rows{0, 2};
  take_warnings();
  const TablePreprocessing p = TablePreprocessing::fit(
      table, {.columns = {{"customer_id", "ignore"}, {"churned", "ignore"}}}, rows);
  const std::vector<double> x = p.inputs(table).to_doubles();
  EXPECT_EQ(p.features(), 3);  // age, plan=basic, minutes
  EXPECT_NEAR(x[0], -1, 1e-6);
  EXPECT_NEAR(x[3], 0, 1e-6);  // the median of 20 and 40
  const std::vector<std::string> warnings = take_warnings();
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0],
            "table: column \"plan\" is constant in the training rows; it tells nothing");
  EXPECT_EQ(
      warnings[1],
      "table: column \"plan\": 2 cells hold values that were not there in training (\"pro\"); "
      "they count as none of the known ones");
}

TEST(Table, PreprocessingComesBackFromItsText) {
  const Table table = Table::parse(kChurn);
  const TablePreprocessing p = TablePreprocessing::fit(table, churn());
  const TablePreprocessing again = TablePreprocessing::from_json(p.to_json());
  EXPECT_EQ(again.to_json(), p.to_json());
  // A table without the target, with columns in another order.
  const Table fresh = Table::parse("minutes,plan,age\n1.5,basic,20\n");
  EXPECT_EQ(again.inputs(fresh).to_doubles(), p.dataset(table).batch({0}).x().to_doubles());
  EXPECT_EQ(again.reading().separator, ",");
  const Table other =
      Table::parse("1;x\n2;-\n", {.separator = ";", .header = false, .missing = {"-"}});
  const TableReadOptions reading =
      TablePreprocessing::from_json(TablePreprocessing::fit(other, {}).to_json()).reading();
  EXPECT_EQ(reading.separator, ";");
  EXPECT_FALSE(reading.header);
  EXPECT_EQ(reading.missing, (std::vector<std::string>{"-"}));
  EXPECT_THROW(TablePreprocessing::from_json("{\"type\": \"table\"}"), FormatError);
  EXPECT_THROW(TablePreprocessing::from_json("{"), FormatError);
}

TEST(Table, WhatWasTextIsTextInLaterTablesThoughAllItsCellsMightBeNumbers) {
  const Table table =
      Table::parse("zone;x;label\n007;1;01\nA;2;x\n7;3;02\n", {.separator = ";", .missing = {"-"}});
  const TablePreprocessing p =
      TablePreprocessing::from_json(TablePreprocessing::fit(table, {.target = "label"}).to_json());
  EXPECT_EQ(p.reading().text, (std::vector<std::string>{"label", "zone"}));
  const test::Folder folder;
  const Dataset later =
      p.dataset(p.read(folder.file("later.csv", "label;zone;x\n02;007;1\n01;7;-\n")));
  EXPECT_EQ(later.classes(), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(p.feature_names(), (std::vector<std::string>{"zone=007", "zone=7", "zone=A", "x"}));
  const std::vector<double> x = later.all().x().to_doubles();
  EXPECT_EQ(std::vector<double>(x.begin(), x.begin() + 3), (std::vector<double>{1, 0, 0}));
  EXPECT_EQ(std::vector<double>(x.begin() + 4, x.end()), (std::vector<double>{0, 1, 0, 0}));
  // The target may be missing, where nothing is compared with it; what is used may not.
  EXPECT_EQ(p.inputs(p.read(folder.file("raw.csv", "zone;x\nA;2\n"))).to_doubles(),
            (std::vector<double>{0, 0, 1, 0}));
  EXPECT_THROW(p.inputs(p.read(folder.file("bad.csv", "x\n2\n"))), FormatError);
  EXPECT_THROW(Table::parse("x\n2\n", {.text = {"zone"}}), FormatError);
}

TEST(Table, CellsAreTextAndNumbersInTheirShortestForm) {
  const std::string text = "zip,size\n007,7.0\n,1e3\n";
  const Table numbers = Table::parse(text);
  EXPECT_EQ(numbers.cell(0, "zip"), "7");
  EXPECT_EQ(numbers.cell(1, "zip"), "");
  EXPECT_EQ(numbers.cell(0, "size"), "7");
  EXPECT_EQ(numbers.cell(1, "size"), "1000");
  EXPECT_EQ(Table::parse(text, {.text = {"zip"}}).cell(0, "zip"), "007");
}

TEST(Table, TargetsAreClassesOrNumbers) {
  const Table table = Table::parse("x,grade,price\n1,10,1.5\n2,9,2\n3,10,3\n");
  const TablePreprocessing grade =
      TablePreprocessing::fit(table, {.target = "grade", .columns = {{"price", "ignore"}}});
  EXPECT_EQ(grade.class_names(), (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(grade.dataset(table).classes(), (std::vector<int64_t>{1, 0, 1}));
  const TablePreprocessing price = TablePreprocessing::fit(table, {.target = "price"});
  EXPECT_FALSE(price.is_classification());
  EXPECT_EQ(price.dataset(table).stored_targets()[0].shape(), (Shape{3, 1}));
  const TablePreprocessing number =
      TablePreprocessing::fit(table, {.target = "grade", .target_kind = "number"});
  EXPECT_FALSE(number.is_classification());
}

TEST(Table, FaultsAreNamed) {
  const Table table = Table::parse(kChurn);
  EXPECT_EQ(message_of([&] { TablePreprocessing::fit(table, {.target = "label"}); }),
            "table: column \"label\" not found; columns: customer_id, age, plan, minutes, churned");
  EXPECT_EQ(message_of([&] {
              TablePreprocessing::fit(table, {.columns = {{"plan", Column("number", "auto")}}});
            }),
            "table: line 2 column \"plan\": expected number, got \"basic\"");
  const TablePreprocessing p = TablePreprocessing::fit(table, churn());
  EXPECT_EQ(
      message_of([&] { p.dataset(Table::parse("age,plan,minutes,churned\n1,pro,2,maybe\n")); }),
      "table: line 2 column \"churned\": class \"maybe\" is not among those of the training rows");
  EXPECT_EQ(message_of([&] { p.dataset(Table::parse("age,plan,minutes,churned\n1,pro,2,\n")); }),
            "table: line 2 column \"churned\": the target is missing");
  EXPECT_EQ(message_of([] { Column("ignored"); }),
            "column: kind: expected one of \"auto\", \"number\", \"category\", \"ignore\", got "
            "\"ignored\"");
  EXPECT_EQ(message_of([] { Column::from_config(R"({"kind": "category", "missing": "mean"})"); }),
            "column.missing: \"mean\" does not go with kind \"category\"");
}

TEST(PrepareTable, SplitsByClassesAndFitsOnTheRest) {
  std::string text = "x,y\n";
  for (int i = 0; i < 100; ++i) {
    text += std::to_string(i) + "," + (i % 5 == 0 ? "rare" : "common") + "\n";
  }
  const TableData d = prepare_table(Table::parse(text), {.target = "y"},
                                    {.validation = 0.1, .test = 0.2, .stratify = true, .seed = 3});
  EXPECT_EQ(d.train.size(), 70);
  EXPECT_EQ(d.validation.size(), 10);
  EXPECT_EQ(d.test.size(), 20);
  const auto rare = [](const Dataset& part) {
    int64_t n = 0;
    for (int64_t c : part.classes()) n += c;
    return n;
  };
  EXPECT_EQ(rare(d.train), 14);
  EXPECT_EQ(rare(d.validation), 2);
  EXPECT_EQ(rare(d.test), 4);
  double mean = 0;
  for (double v : d.train.all().x().to_doubles()) mean += v / 70;
  EXPECT_NEAR(mean, 0, 1e-6);
}

}  // namespace
}  // namespace varve
