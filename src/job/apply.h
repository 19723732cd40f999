// A trained model applied to raw files: pictures, tables, arrays.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/image_preparation.h"
#include "varve/model.h"

namespace varve::job {

/// What a file holds, by its content; "table" where it is none of the others.
enum class FileKind { picture, npy, npz, table };
/// Throws IoError.
FileKind kind_of(const std::string& path);

/// The files as they are, and in place of a folder its pictures (by content, or by an ending .png,
/// .jpg or .jpeg; none that begins with a dot) in the order of their names. Throws IoError;
/// FormatError of a folder without any.
std::vector<std::string> pictures_of_folders(const std::vector<std::string>& files);

/// What a model says of one sample: the classes, the likeliest first, with their probabilities
/// where its outputs are some; or a number (several as "1, 2").
struct Answer {
  struct Choice {
    std::string name;
    std::optional<double> probability;
  };
  std::vector<Choice> choices;
};

class Application {
 public:
  /// Loads the model. Throws IoError, FormatError; UnsupportedError for one of several inputs.
  explicit Application(const std::string& path, LoadOptions options = {});

  Model& model() { return model_; }

  /// The raw file as samples, prepared as the training data were. Pictures are converted to grey or
  /// colour and resized, never inverted unless `invert`. `array` names an array of a .npz file;
  /// empty: the only one. Throws FormatError where the file is not what the model was trained on.
  Dataset pictures(const std::vector<std::string>& files, bool invert) const;
  Dataset table(const std::string& file) const;
  Dataset array(const std::string& file, const std::string& array) const;
  /// Columns of a table as they are written in the file, which the model may know nothing of (a
  /// customer's number). Throws FormatError for one that is not there.
  std::vector<std::vector<std::string>> columns(const std::string& file,
                                                const std::vector<std::string>& names) const;
  /// With targets, to evaluate on. A folder holds MNIST's four files, of which the test part is
  /// taken, or pictures in folders named after their classes; a .toml file is a job, of whose data
  /// the test (else validation) part is taken that training kept out. ConfigError where it is not
  /// known any more which that was.
  Dataset labelled(const std::string& file, const std::string& inputs, const std::string& targets,
                   const std::string& labels) const;

  /// What the output of the model says, sample by sample.
  std::vector<Answer> answers(const Tensor& output) const;

 private:
  data::ImagePreparation preparation(const std::string& file) const;
  TablePreprocessing table_preprocessing(const std::string& file) const;
  Dataset checked(const Dataset& samples, const std::string& file) const;
  Dataset folder(const std::string& path) const;
  Dataset part_of_job(const std::string& file) const;
  const Dataset& of_known_classes(const Dataset& pictures, const std::string& place) const;
  std::string preprocessing_type() const;
  double divide_by() const;
  Model model_;
  std::string name_;
};

}  // namespace varve::job
