// The guide to job files names every key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "job/job.h"
#include "support/folder.h"

namespace varve::job {
namespace {

std::string guide() { return test::read_text(VARVE_SOURCE_DIR "/docs/guide/jobs.md"); }

/// Each member stands in the guide as `name`, or `name` behind a prefix.
template <class S>
void expect_told(const std::string& prefix = {}) {
  S section;
  for (const std::string& name : config::names([&](Fields& f) { section.fields(f); }))
    EXPECT_THAT(guide(), testing::HasSubstr("`" + prefix + name + "`"));
}

TEST(JobGuide, NamesEveryKey) {
  expect_told<Split>("split.");
  expect_told<CsvData>();
  expect_told<Column>("columns.NAME.");
  expect_told<IdxData>();
  expect_told<ImageFolderData>();
  expect_told<NpzData>();
  expect_told<TrainSection>();
  for (const char* key : {"format_version", "name", "seed", "kind", "layers", "zoo", "optimizer",
                          "loss", "metrics", "callbacks", "directory"}) {
    EXPECT_THAT(guide(), testing::HasSubstr(std::string("`") + key + "`"));
  }
}

}  // namespace
}  // namespace varve::job
