// Job files: data, model and training as TOML, read into plain structs and checked on the way.
//
//     format_version = 1        [data]  kind = "csv" | "idx" | "npz" | "image_folder", path, split
//     name = "churn"            [model] layers = [{ type = "dense", units = 64 }, ...], zoo
//                                   or file
//     seed = 7                  [train] optimizer, loss, metrics, batch_size, epochs, callbacks ...
//                               [output] directory
//
// Paths are relative to the folder of the job file; `units = "classes"` means as many as the data
// have classes.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/config.h"
#include "varve/callbacks.h"
#include "varve/fields.h"
#include "varve/losses.h"
#include "varve/metrics.h"
#include "varve/model.h"
#include "varve/optim.h"
#include "varve/table.h"

namespace varve::job {

/// What this Varve reads and writes; a job file without it is of version 1.
inline constexpr int64_t kFormatVersion = 1;

/// Where the values of a job file stand in it.
class Places {
 public:
  /// No file: messages begin with what is wrong.
  Places() = default;
  /// `sets`: what was given on the command line in place of what the file says.
  Places(const std::string& file, std::string_view text, const std::vector<std::string>& sets);

  /// `job.toml:12:5: train.batch_size: expected ...` of a message that begins with the path of a
  /// value, or with that of something above it.
  std::string of(const std::string& message) const;

 private:
  struct Tree;
  std::shared_ptr<const Tree> tree_;
};

/// Shares of all rows. What is left is the training part.
struct Split {
  Real validation = 0, test = 0;
  bool stratify = false;
  void fields(Fields& f);
};

struct CsvData {
  std::string path = {}, test_path = {}, target = {};
  TableReadOptions read = {};
  std::map<std::string, Column> columns = {};
  void fields(Fields& f);
};

struct IdxData {
  std::string images = {}, labels = {};
  std::string test_images = {}, test_labels = {};
  std::string scale = "unit";
  void fields(Fields& f);
};

/// Arrays of a .npz file, by name.
struct NpzData {
  std::string path = {};
  std::string inputs = "x_train", targets = "y_train";
  std::string test_inputs = {}, test_targets = {};
  std::string scale = "unit";
  void fields(Fields& f);
};

/// Pictures in folders named after their classes.
struct ImageFolderData {
  std::string path = {};
  Extents<2> image_size = {};
  Dim channels = 3;
  std::string on_bad_sample = "error";
  void fields(Fields& f);
};

struct DataSection {
  std::string kind = {};
  CsvData csv = {};
  IdxData idx = {};
  NpzData npz = {};
  ImageFolderData image_folder = {};
  Split split = {};
  /// Whether the test part is given by itself.
  bool own_test() const;
};

struct TrainSection {
  Optimizer optimizer = "adam";
  Loss loss = {};
  std::vector<Metric> metrics = {};
  std::vector<config::Json> callbacks = {};
  std::string class_weight = {};  // "" or "balanced"
  std::string precision = "f32";  // or "mixed_bf16"
  Dim batch_size = 32, epochs = 1;
  bool shuffle = true, check_data = true;
  void fields(Fields& f);
};

struct Job {
  std::string file;    // as messages show it
  std::string folder;  // what its paths are relative to, with "/" at its end, or empty
  Places places = {};
  std::string name = {};
  uint64_t seed = 0;
  DataSection data = {};
  config::Json model =
      {};  // layers, zoo or file, not yet made: the number of classes is known later
  TrainSection train = {};
  std::string directory = {};  // of the output

  /// Whether the loss needs classes.
  bool classification() const;
  /// A path of the file, relative to its folder.
  std::string resolve(const std::string& path) const;
  /// Throws ConfigError that names the place of what the message begins with.
  [[noreturn]] void fail(const std::string& message, const std::string& hint = {}) const;
  /// The callbacks; paths of theirs are relative to the output's folder.
  std::vector<CallbackRef> callbacks() const;
  /// The checkpoint that it keeps, or empty.
  std::string checkpoint() const;
};

/// `sets`: "train.epochs=3", applied before anything is checked. Throws IoError, FormatError,
/// ConfigError `job.toml:12:5: train.batch_size: expected integer >= 1, got 0`.
Job read_job(const std::string& path, const std::vector<std::string>& sets = {});
Job parse_job(std::string_view text, const std::string& path,
              const std::vector<std::string>& sets = {});

/// The model, not built, for a number of classes (-1: the data have none). Throws ConfigError that
/// begins with "model".
Model make_model(const config::Json& model, int64_t classes);

}  // namespace varve::job
