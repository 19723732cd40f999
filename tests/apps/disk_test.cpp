// Disks that are full, folders that cannot be written: an error, and what was there stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/jobs.h"
#include "apps/program.h"

namespace varve::app {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Makes this process root of namespaces of its own, in which anybody may mount.
bool enter_own_namespaces() {
  const std::string user = std::to_string(geteuid()), group = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", "0 " + user + " 1");
  write_text("/proc/self/gid_map", "0 " + group + " 1");
  return true;
}

/// A file system of its own in memory, where that may be made.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const std::string& size) : path_(path) {
    mkdir(path_.c_str(), 0755);
    const auto made = [&] {
      return mount("varve-test", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    };
    made_ = made() || (enter_own_namespaces() && made());
  }
  ~SmallDisk() {
    if (made_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  explicit operator bool() const { return made_; }

  /// Fills it but for so many bytes.
  void fill(int64_t left) const {
    struct statvfs info {};
    statvfs(path_.c_str(), &info);
    const auto free = static_cast<int64_t>(info.f_bavail * info.f_frsize);
    write_text(path_ + "/filler", std::string(static_cast<size_t>(free - left), 'x'));
  }

 private:
  std::string path_;
  bool made_ = false;
};

std::vector<std::string> job(const Folder& folder) {
  return {"train", folder / "idx.toml", "--epochs", "1", "--out", folder / "disk/out"};
}

void write_job(const Folder& folder) {
  copy_job("idx", folder / "idx.toml");
  write_pictures(folder, 60, 12);
}

TEST(FullDisk, LeavesTheModelOfTheRunBefore) {  // B124
  const Folder folder;
  write_job(folder);
  const SmallDisk disk(folder / "disk", "1m");
  if (!disk) GTEST_SKIP() << "neither root nor namespaces of its own: no file system can be made";
  ASSERT_EQ(varve(job(folder)).code, 0);
  const std::string out = folder / "disk/out/";
  const std::string model = read_text(out + "model.safetensors");
  disk.fill(0);
  std::vector<std::string> elsewhere = job(folder);
  elsewhere.back() = folder / "disk/other";
  const Ran none = varve(elsewhere);
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, AnyOf(HasSubstr("other/run.json: needs "), HasSubstr("No space left")));
  EXPECT_FALSE(std::filesystem::exists(folder / "disk/other"));
  std::filesystem::remove(folder / "disk/filler");
  // Those go when a run begins, and would make room.
  for (const char* file : {"result.json", "report.html"}) std::filesystem::remove(out + file);
  disk.fill(8192);  // enough to begin, too little for the model
  const Ran ran = varve(job(folder));
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("error: save to " + out + "model.safetensors: needs "));
  EXPECT_THAT(ran.err, HasSubstr(" free; previous file kept"));
  EXPECT_EQ(read_text(out + "model.safetensors"), model);
  EXPECT_FALSE(std::filesystem::exists(out + "result.json"));
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    EXPECT_EQ(entry.path().filename().string().find(".varve-"), std::string::npos) << entry.path();
  }
}

TEST(FullDisk, AFileThatMayNotGrowIsAnErrorToo) {
  const Folder folder;
  write_job(folder);
  ASSERT_EQ(varve({"train", folder / "idx.toml", "--epochs", "1"}).code, 0);
  const std::string model = read_text(folder / "runs/digits/model.safetensors");
  const auto small = [] {
    const rlimit limit{6000, 6000};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  const Ran ran = varve({"train", folder / "idx.toml", "--epochs", "1"}, {.prepare = small});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("model.safetensors: File too large"));
  EXPECT_EQ(read_text(folder / "runs/digits/model.safetensors"), model);
}

TEST(FullDisk, PredictionsThatDoNotFitAreNotHalfWritten) {
  const Folder folder;
  write_line(folder, 2000);
  ASSERT_EQ(varve({"train", folder / "line.toml", "--epochs", "1"}).code, 0);
  const auto small = [] {
    const rlimit limit{2000, 2000};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  write_text(folder / "said.csv", "mine");
  const Ran ran = varve({"predict", folder / "out/model.safetensors", folder / "line.csv", "--out",
                         folder / "said.csv", "--force"},
                        {.prepare = small});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("said.csv: File too large"));
  EXPECT_EQ(read_text(folder / "said.csv"), "mine");
}

TEST(Unwritable, FoldersAreFoundBeforeTheTraining) {  // B125
  const Folder folder;
  write_job(folder);
  write_text(folder / "disk", "a file");
  const Ran file = varve(job(folder));
  EXPECT_EQ(file.code, 1);
  EXPECT_THAT(file.err, HasSubstr("disk/out: cannot make the folder: Not a directory"));
  EXPECT_THAT(file.out, IsEmpty());
  EXPECT_EQ(read_text(folder / "disk"), "a file");

  std::filesystem::remove(folder / "disk");
  const SmallDisk disk(folder / "disk", "1m");
  if (disk) {
    ASSERT_EQ(mount(nullptr, (folder / "disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr),
              0);
  } else {
    chmod((folder / "disk").c_str(), 0555);
  }
  const Ran forbidden = varve(job(folder));
  EXPECT_EQ(forbidden.code, 1);
  EXPECT_THAT(forbidden.err, HasSubstr("disk/out: cannot make the folder: "));
  EXPECT_THAT(forbidden.out, IsEmpty());
}

TEST(Unwritable, AFolderThatGoesAwayDuringTheTrainingIsAnError) {  // B125
  const Folder folder;
  write_line(folder, 60);
  // A checkpoint "behind" a folder that is none: the first one fails.
  const Ran ran =
      varve({"train", folder / "line.toml", "--set",
             "train.callbacks=[{type=\"checkpoint\", path=\"gone/checkpoint.safetensors\"}]"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("save to " + (folder / "out/gone/checkpoint.safetensors") +
                                 ": No such file or directory"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace varve::app
