#include "output.h"

#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"

namespace varve::app {
namespace {

constexpr const char* kMark = "/run.json";

std::string owner_of(const std::string& folder) {
  try {
    const nlohmann::json mark = formats::read_json(folder + kMark, 1 << 16);
    return mark.is_object() ? mark.value("owner", "") : "";
  } catch (const Error&) {
    return {};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

FolderClaim::FolderClaim(const std::string& folder, const std::string& owner,
                         const std::vector<std::string>& files, bool force) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::path p = folder; !p.empty() && !fs::exists(p, error); p = p.parent_path()) {
    if (p.has_filename()) made_.push_back(p);
  }
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder)) {
    throw IoError(formats::shown(folder) + ": cannot make the folder: " +
                  (error ? error.message() : std::string("not a directory")));
  }
  const std::string before = owner_of(folder);
  if (!force && before != owner) {
    for (const std::string& file : files) {
      if (!formats::file_exists(folder + "/" + file)) continue;
      throw IoError(formats::shown(folder + "/" + file) +
                        ": exists, and is not of an earlier run of " + owner,
                    "another folder, or --force to replace it");
    }
  }
  try {
    formats::write_file(folder + kMark, nlohmann::json{{"owner", owner}}.dump() + "\n");
  } catch (...) {
    remove_made();
    throw;
  }
  if (before.empty()) mark_ = folder + kMark;
}

void FolderClaim::remove_made() const {
  std::error_code error;
  for (const std::string& p : made_) {
    if (!std::filesystem::remove(p, error)) return;  // it holds something
  }
}

FolderClaim::~FolderClaim() {
  if (mark_.empty()) return;
  std::error_code error;
  int64_t files = 0;
  const std::filesystem::path folder = std::filesystem::path(mark_).parent_path();
  for (auto it = std::filesystem::directory_iterator(folder, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++files;
  }
  if (error || files != 1) return;  // the run has left something
  std::filesystem::remove(mark_, error);
  remove_made();
}

void check_output(const std::string& path, const std::vector<std::string>& inputs, bool force) {
  for (const std::string& input : inputs) {
    if (same_file(path, input)) {
      throw IoError(formats::shown(path) + ": is the input " + formats::shown(input) +
                    ", and would be overwritten");
    }
  }
  if (!force && formats::file_exists(path)) {
    throw IoError(formats::shown(path) + ": exists", "another name, or --force to replace it");
  }
}

}  // namespace varve::app
