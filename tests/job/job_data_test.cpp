// The data of jobs: read, split, prepared, and what is said of data that do not go with the job.
#include "job/job_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "data/image_preparation.h"
#include "formats/idx.h"
#include "formats/npy.h"
#include "formats/sha256.h"
#include "job/check.h"
#include "job/train_job.h"
#include "support/errors.h"
#include "support/folder.h"

namespace varve::job {
namespace {

using formats::Array;
using test::Folder;
using test::write_text;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <Element T>
Array array(const Shape& shape, const std::vector<T>& values) {
  Array out(dtype_of<T>, shape);
  std::copy(values.begin(), values.end(), out.span<T>().begin());
  return out;
}

// A job over the folder's data; `data` is the section [data] without its head.
Job job_of(const Folder& folder, const std::string& data, const std::string& more = "",
           const std::string& loss = "cross_entropy") {
  return parse_job("[data]\n" + data + "\n[model]\nlayers = [{ type = \"flatten\" }, " +
                       "{ type = \"dense\", units = " + (loss == "mse" ? "1" : "\"classes\"") +
                       " }]\n[train]\nloss = \"" + loss + "\"\n" + more +
                       "\n[output]\ndirectory = \"out\"\n",
                   folder / "job.toml");
}

// Message and hint of the error that `f` throws.
std::string told(const std::function<void()>& f) {
  return test::told_by<Error>(
      f, [](const Error& e) { return e.message() + (e.hint().empty() ? "" : " | " + e.hint()); });
}

std::string table_of(int rows) {
  std::string text = "size,colour,label\n";
  for (int i = 0; i < rows; ++i) {
    text += std::to_string(i) + "," + (i % 2 ? "red" : "blue") + "," + (i % 4 ? "b" : "a") + "\n";
  }
  return text;
}

TEST(JobData, TablesAreSplitAndFittedOnTheTrainingPart) {
  const Folder folder;
  write_text(folder / "t.csv", table_of(100));
  const Job job = job_of(folder,
                         "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"label\"\n"
                         "split = { validation = 0.1, test = 0.2, stratify = true }");
  const JobData data = load_data(job);
  EXPECT_EQ(data.train.size(), 70);
  EXPECT_EQ(data.validation->size(), 10);
  EXPECT_EQ(data.test->size(), 20);
  EXPECT_THAT(data.class_names, ElementsAre("a", "b"));
  EXPECT_STREQ(data.judged_name(), "test");
  std::set<int64_t> rows;
  for (const Dataset& part : {data.train, *data.validation, *data.test}) {
    rows.insert(part.rows().begin(), part.rows().end());
  }
  EXPECT_EQ(rows.size(), 100u);
  const std::vector<int64_t> classes = data.test->classes();
  EXPECT_EQ(std::count(classes.begin(), classes.end(), 0), 5);
  const auto fitted = TablePreprocessing::from_json(data.train.preprocessing());
  EXPECT_THAT(fitted.reading().text, ElementsAre("label", "colour"));
}

TEST(JobData, ARecordSaysWhichRowsAreKeptOutOfTraining) {
  const Folder folder;
  write_text(folder / "t.csv", table_of(100));
  const std::string file = "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"label\"\n";
  const auto record = [&](const std::string& more) {
    return load_data(job_of(folder, file + more)).record;
  };
  const std::string split = "split = { validation = 0.1, test = 0.2, stratify = true }";
  const SplitRecord first = SplitRecord::from_json(record(split).to_json());
  EXPECT_EQ(first.split.validation, 0.1);
  EXPECT_EQ(first.split.test, 0.2);
  EXPECT_TRUE(first.split.stratify);
  EXPECT_EQ(first.data, formats::sha256(formats::as_bytes(table_of(100))));
  EXPECT_EQ(record("").data, "");
  // A test part by itself does not depend on what is split.
  EXPECT_EQ(record("test_path = \"t.csv\"\nsplit = { validation = 0.1 }").data, "");
  EXPECT_THROW(SplitRecord::from_json("{\"seed\": -1}"), FormatError);
}

TEST(JobData, BytesThatAreNoPicturesSayHowTheyAreScaled) {
  const Folder folder;
  formats::write_npz(folder / "d.npz",
                     {{"x_train", array<uint8_t>({4, 5}, std::vector<uint8_t>(20, 51))},
                      {"y_train", array<int64_t>({4}, {0, 1, 0, 1})}});
  const JobData data = load_data(job_of(folder, "kind = \"npz\"\npath = \"d.npz\""));
  const auto said = data::ImagePreparation::from_json(data.train.preprocessing());
  EXPECT_FALSE(said.is_picture());
  EXPECT_EQ(said.divide_by, 255);
}

TEST(JobData, ATestTableOfItsOwnIsPreparedLikeTheTrainingRows) {
  const Folder folder;
  write_text(folder / "t.csv", "x;y\n0;a\n10;b\n");
  write_text(folder / "u.csv", "x;y\n20;b\n");
  const JobData data = load_data(job_of(folder,
                                        "kind = \"csv\"\npath = \"t.csv\"\ntest_path = \"u.csv\"\n"
                                        "separator = \";\"\ntarget = \"y\""));
  EXPECT_FLOAT_EQ(data.test->all().x().item<float>(), 3);  // mean 5, deviation 5
  EXPECT_EQ(data.test->classes(), std::vector<int64_t>{1});
}

TEST(JobData, LossesOverNumbersMakeTheTargetANumber) {
  const Folder folder;
  write_text(folder / "t.csv", "x,y\n0,1\n10,2\n20,3\n");
  const Job job = job_of(folder, "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"y\"", "", "mse");
  const JobData data = load_data(job);
  EXPECT_TRUE(data.class_names.empty());
  EXPECT_EQ(data.train.all().y().shape(), (Shape{3, 1}));
  EXPECT_EQ(data.train.all().y().dtype(), f32);
}

TEST(JobData, ImagesOfBytesAreScaledAndSayHow) {
  const Folder folder;
  formats::write_idx(folder / "x", array<uint8_t>({4, 2, 3}, std::vector<uint8_t>(24, 51)));
  formats::write_idx(folder / "y", array<uint8_t>({4}, {0, 2, 1, 2}));
  const std::string files = "kind = \"idx\"\nimages = \"x\"\nlabels = \"y\"\n";
  const JobData data = load_data(job_of(folder, files));
  EXPECT_THAT(data.class_names, ElementsAre("0", "1", "2"));
  const Batch b = data.train.all();
  EXPECT_EQ(b.x().shape(), (Shape{4, 2, 3, 1}));
  EXPECT_FLOAT_EQ(static_cast<float>(b.x().to_doubles()[0]), 51.f / 255);
  EXPECT_EQ(data::ImagePreparation::from_json(data.train.preprocessing()).width, 3);
  const JobData raw = load_data(job_of(folder, files + "scale = \"none\""));
  EXPECT_EQ(raw.train.all().x().to_doubles()[0], 51);
}

TEST(JobData, ArraysComeFromNpzByName) {
  const Folder folder;
  formats::write_npz(folder / "d.npz",
                     {{"x_train", array<double>({6, 2}, std::vector<double>(12, 0.5))},
                      {"y_train", array<int64_t>({6}, {0, 1, 0, 1, 0, 1})},
                      {"x_test", array<double>({2, 2}, {1, 2, 3, 4})},
                      {"y_test", array<int64_t>({2}, {1, 1})}});
  const std::string file = "kind = \"npz\"\npath = \"d.npz\"\n";
  const JobData data =
      load_data(job_of(folder, file + "test_inputs = \"x_test\"\ntest_targets = \"y_test\"\n"
                                      "split = { validation = 0.5, stratify = true }"));
  EXPECT_EQ(data.train.size(), 3);
  EXPECT_EQ(data.test->all().x().dtype(), f32);
  EXPECT_EQ(data.test->all().x().to_doubles(), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_THAT(told([&] { load_data(job_of(folder, file + "inputs = \"x_trian\"")); }),
              HasSubstr("job.toml:4:1: data.inputs: " + folder.path() +
                        "/d.npz has no array \"x_trian\" | did you mean \"x_train\"?"));
}

TEST(JobData, FilesThatDoNotGoTogetherAreRefusedByName) {
  const Folder folder;
  formats::write_idx(folder / "x", array<uint8_t>({2, 1, 1}, {1, 2}));
  formats::write_idx(folder / "y", array<uint8_t>({3}, {0, 1, 0}));
  formats::write_idx(folder / "f", array<float>({2}, {0.5f, 1.5f}));
  formats::write_idx(folder / "n", array<int32_t>({2}, {0, -1}));
  const auto message = [&](const std::string& images, const std::string& labels) {
    return told([&] {
      load_data(job_of(folder,
                       "kind = \"idx\"\nimages = \"" + images + "\"\nlabels = \"" + labels + "\""));
    });
  };
  EXPECT_THAT(message("x", "y"), HasSubstr("3 items, images: 2"));  // B056
  EXPECT_THAT(message("y", "x"), HasSubstr("rank 1 (labels?)"));    // B057
  EXPECT_THAT(message("x", "none"), HasSubstr("none: cannot open: No such file"));
  EXPECT_THAT(message("x", "f"), HasSubstr("labels"));
  EXPECT_THAT(message("x", "n"), HasSubstr("expected classes 0..99999, got -1"));
}

TEST(JobData, ColumnsThatAreNotThereAreNamedWithThoseThatAre) {  // B076
  const Folder folder;
  write_text(folder / "t.csv", table_of(8));
  const std::string csv = "kind = \"csv\"\npath = \"t.csv\"\n";
  EXPECT_EQ(told([&] { load_data(job_of(folder, csv + "target = \"lable\"")); }),
            folder.path() + "/job.toml:4:1: data.target: column \"lable\" not found in " +
                folder.path() + "/t.csv; columns: size, colour, label | did you mean \"label\"?");
  EXPECT_THAT(told([&] {
                load_data(job_of(folder, csv + "target = \"label\"\n[data.columns]\n"
                                               "sise = { kind = \"number\" }"));
              }),
              HasSubstr("job.toml:6:1: data.columns.sise: column \"sise\" not found"));
}

TEST(JobData, SplitsThatLeaveNothingAreRefusedInTheirPlace) {  // B110
  const Folder folder;
  write_text(folder / "t.csv", table_of(4));
  EXPECT_THAT(told([&] {
                load_data(job_of(folder,
                                 "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"label\"\n"
                                 "split = { test = 0.01 }"));
              }),
              HasSubstr("job.toml:1:2: data: split: 4 examples do not split into 4 and 0"));
}

TEST(PreparedJob, LayersThatDoNotFitAreNamedWithTheirJob) {  // B097, B098, B101
  const Folder folder;
  formats::write_idx(folder / "x", array<uint8_t>({3, 5, 5}, std::vector<uint8_t>(75, 1)));
  formats::write_idx(folder / "y", array<uint8_t>({3}, {0, 1, 2}));
  const auto message = [&](const std::string& layers) {
    return told([&] {
      prepare(parse_job(
          "[data]\nkind = \"idx\"\nimages = \"x\"\nlabels = \"y\"\n[model]\nlayers = [" + layers +
              "]\n[train]\nloss = \"cross_entropy\"\n[output]\ndirectory = \"out\"\n",
          folder / "job.toml"));
    });
  };
  EXPECT_THAT(message("{ type = \"conv2d\", filters = 4, kernel_size = 7 }"),
              HasSubstr("job.toml:6:1: model.layers: conv2d: kernel 7x7 larger than input 5x5"));
  EXPECT_THAT(message("{ type = \"conv2d\", filters = 4, strides = 0 }"),  // B099
              HasSubstr("model.layers[0].strides: expected integer >= 1 or a list of 2, got 0"));
  EXPECT_THAT(message("{ type = \"softmax\", axis = 7 }"),  // B100
              HasSubstr("job.toml:6:1: model.layers: "));
  EXPECT_THAT(message("{ type = \"embedding\", input_dim = 9, output_dim = 2 }"),  // B104
              HasSubstr("job.toml:6:1: model.layers: "));
  EXPECT_THAT(message("{ type = \"reshape\", target_shape = [4] }"),
              HasSubstr("job.toml:6:1: model.layers: "));
  EXPECT_THAT(message("{ type = \"flatten\" }, { type = \"dense\", units = 2 }"),
              AllOf(HasSubstr("job.toml:6:1: model.layers: the data have 3 classes, the last layer "
                              "gives 2 numbers (targets: "),
                    HasSubstr("/y) | units = \"classes\"")));
  EXPECT_THAT(message("{ type = \"dense\", units = \"classes\" }"),
              HasSubstr("the data have 3 classes, the last layer gives an array of 3 axes"));
}

// A job over a table whose target is yes or no (or one of three), with the given last layer.
std::string trial(const std::string& target, const std::string& units, const std::string& loss,
                  const std::string& more) {
  const Folder folder;
  std::string text = "size,answer,kind,price\n";
  for (int i = 0; i < 30; ++i) {
    text += std::to_string(i) + (i % 2 ? ",yes," : ",no,") + "abc"[i % 3] + "," +
            std::to_string(i) + "\n";
  }
  write_text(folder / "t.csv", text);
  return told([&] {
    prepare(parse_job("[data]\nkind = \"csv\"\npath = \"t.csv\"\ntarget = \"" + target +
                          "\"\n[model]\nlayers = [{ type = \"dense\", units = " + units +
                          " }]\n[train]\nloss = \"" + loss + "\"\n" + more +
                          "\n[output]\ndirectory = \"out\"\n",
                      folder / "job.toml"));
  });
}

TEST(JobTrial, LossAndMetricsAreTriedOnTheOutputsBeforeTraining) {
  const std::string auc = "metrics = [\"accuracy\", \"auc\"]";
  EXPECT_EQ(trial("answer", "1", "binary_cross_entropy", auc), "no error");
  EXPECT_THAT(trial("answer", "\"classes\"", "cross_entropy", auc),
              AllOf(HasSubstr("job.toml:9:24: train.metrics[1]: auc: expected predictions of one "
                              "number, got [30, 2] (targets: "),
                    HasSubstr(" | one unit and binary_cross_entropy give one number")));
  EXPECT_THAT(trial("price", "3", "mse", ""),
              AllOf(HasSubstr("job.toml:8:1: train.loss: mean_squared_error: prediction is f32[30, "
                              "3], target is f32[30, 1]; expected the same shape (targets: "),
                    HasSubstr("t.csv column \"price\")")));
  EXPECT_THAT(trial("price", "1", "mse", "metrics = [\"mae\", \"top_k\"]"),
              HasSubstr("job.toml:9:19: train.metrics[1]: top_k: expected 2 or more classes"));
}

TEST(JobTrial, LossesForYesAndNoTakeOneNumberAndTwoClasses) {
  EXPECT_EQ(trial("answer", "1", "hinge", ""), "no error");
  EXPECT_THAT(
      trial("answer", "2", "binary_cross_entropy", ""),
      HasSubstr("job.toml:6:1: model.layers: binary_cross_entropy takes one number, the last "
                "layer gives 2 numbers | set units = 1"));
  EXPECT_THAT(
      trial("kind", "1", "binary_cross_entropy", ""),
      AllOf(HasSubstr("job.toml:8:1: train.loss: binary_cross_entropy tells two classes apart, "
                      "the data have 3 (targets: "),
            HasSubstr("t.csv column \"kind\") | cross_entropy")));
  const Folder folder;
  write_text(folder / "t.csv", "x,y\n1,a\n2,a\n");
  const Job one = job_of(folder, "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"y\"", "", "hinge");
  EXPECT_THAT(
      told([&] { prepare(one); }),
      AllOf(HasSubstr("train.loss: hinge tells two classes apart, the data have one (targets: "),
            HasSubstr("t.csv column \"y\") | all rows")));
}

TEST(JobTrial, OneIsNoPlural) {
  EXPECT_THAT(trial("answer", "1", "cross_entropy", ""),
              HasSubstr("the data have 2 classes, the last layer gives 1 number ("));
}

TEST(JobTrial, ClassesAreWeightedWhereThereAreSome) {
  const std::string weights = "class_weight = \"balanced\"";
  EXPECT_EQ(trial("answer", "1", "binary_cross_entropy", weights), "no error");
  EXPECT_THAT(trial("price", "1", "mse", weights),
              HasSubstr("job.toml:9:1: train.class_weight: the target is a number, which has no "
                        "classes"));
}

TEST(JobTrial, TargetsThatTheLossCannotMeanAreNamedByKeyFileAndColumn) {
  EXPECT_THAT(trial("answer", "1", "mse", ""),
              AllOf(HasSubstr("job.toml:4:1: data.target: "),
                    HasSubstr("t.csv: line 2 column \"answer\": expected number, got \"no\" | "
                              "mean_squared_error takes numbers; cross_entropy tells")));
  const Folder folder;
  std::vector<float> y(20, 0.5f);
  y[13] = 3;
  const std::vector<float> x(20, 1.f);
  formats::write_npz(folder / "d.npz", {{"x_train", array<float>({10, 2}, x)},
                                        {"y_train", array<float>({10, 2}, y)},
                                        {"x_test", array<float>({10, 2}, x)},
                                        {"y_test", array<float>({10, 2}, x)}});
  const auto job = [&](const std::string& more) {
    return parse_job("[data]\nkind = \"npz\"\npath = \"d.npz\"\n" + more +
                         "[model]\nlayers = [{ type = \"dense\", units = 2, activation = "
                         "\"sigmoid\" }]\n[train]\nloss = \"binary_cross_entropy\"\n"
                         "[output]\ndirectory = \"out\"\n",
                     folder / "job.toml");
  };
  const std::string says =
      "binary_cross_entropy: target[6], element 1 = 3, expected 0..1 (targets: " +
      (folder / "d.npz") + " array \"y_train\") | targets are probabilities";
  const std::string given = "targets = \"y_train\"\n";
  EXPECT_THAT(told([&] {
                PreparedJob prepared = prepare(job(given));
                check_samples(job(given), prepared);
              }),
              HasSubstr("job.toml:4:1: data.targets: training part: " + says));
  // And the same where it is trained without having been looked at.
  EXPECT_THAT(told([&] { train(job(""), {}); }), HasSubstr("job.toml:1:2: data.targets: " + says));
  // The test part has a place of its own.
  std::fill(y.begin(), y.end(), 2.f);
  formats::write_npz(folder / "d.npz", {{"x_train", array<float>({10, 2}, x)},
                                        {"y_train", array<float>({10, 2}, x)},
                                        {"x_test", array<float>({10, 2}, x)},
                                        {"y_test", array<float>({10, 2}, y)}});
  const std::string tested = "test_inputs = \"x_test\"\ntest_targets = \"y_test\"\n";
  EXPECT_THAT(told([&] {
                PreparedJob prepared = prepare(job(tested));
                check_samples(job(tested), prepared);
              }),
              AllOf(HasSubstr("data.test_targets: test part: "), HasSubstr("array \"y_test\")")));
}

TEST(JobTrial, SamplesAreLookedAtRowByRowWhereThatIsAsked) {
  const Folder folder;
  std::vector<float> x(20, 1.f);
  x[13] = std::nanf("");
  formats::write_npz(
      folder / "d.npz",
      {{"x_train", array<float>({10, 2}, x)},
       {"y_train", array<int64_t>({10}, std::vector<int64_t>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1})}});
  const auto message = [&](const std::string& more) {
    const Job job = job_of(folder, "kind = \"npz\"\npath = \"d.npz\"", more);
    return told([&] {
      PreparedJob prepared = prepare(job);
      check_samples(job, prepared);
    });
  };
  EXPECT_THAT(message(""),
              HasSubstr("job.toml:1:2: data: training part: sample 6 feature 1 is nan"));
  EXPECT_EQ(message("check_data = false"), "no error");
}

}  // namespace
}  // namespace varve::job
