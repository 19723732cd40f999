// Where a command writes: nothing of somebody else's is overwritten, and nothing that is read.
#pragma once
#include <string>
#include <vector>

namespace varve::app {

/// A folder readied for a run. Where the run fails before it has left anything there, what was made
/// for it goes again.
class FolderClaim {
 public:
  /// `owner` says whose it is ("recipe xor"), and stands in run.json there: a folder that holds one
  /// of `files` must be of an earlier run of the same owner, or `force` be set. Throws IoError.
  FolderClaim(const std::string& folder, const std::string& owner,
              const std::vector<std::string>& files, bool force);
  ~FolderClaim();
  FolderClaim(const FolderClaim&) = delete;
  FolderClaim& operator=(const FolderClaim&) = delete;

 private:
  void remove_made() const;
  std::string mark_;               // what it wrote; empty where it was there already
  std::vector<std::string> made_;  // folders, the innermost first
};

/// Throws IoError where the file exists and `force` is not set, or where it is one of the inputs,
/// under whatever name.
void check_output(const std::string& path, const std::vector<std::string>& inputs, bool force);

}  // namespace varve::app
