// varve predict: what a trained model says of pictures, rows of tables, and arrays.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "formats/atomic_file.h"
#include "formats/csv.h"
#include "formats/file.h"
#include "job/apply.h"
#include "output.h"
#include "varve/files.h"

namespace varve::app {
namespace {

struct Options {
  std::string model, out, array;
  std::vector<std::string> files, keep;
  int64_t top = 1;
  bool invert = false, finite = false, force = false;
};

using job::Answer;

std::string picture_line(const std::string& file, const Answer& answer, int64_t top) {
  std::string text;
  for (size_t k = 0; k < answer.choices.size() && k < static_cast<size_t>(top); ++k) {
    const Answer::Choice& c = answer.choices[k];
    text += (k ? ", " : "") + escaped(c.name);
    if (c.probability) text += fmt::format(" ({:.2f} %)", *c.probability * 100);
  }
  return formats::shown(file) + ": " + text + "\n";
}

// Columns of the table that are carried along.
using Kept = std::vector<std::vector<std::string>>;

// "row,customer_id,prediction,probability", further choices behind.
std::string csv_head(const Answer& answer, int64_t top, const std::vector<std::string>& keep) {
  std::string out = "row";
  for (const std::string& name : keep) out += "," + formats::csv_cell(name);
  for (size_t k = 0; k < answer.choices.size() && k < static_cast<size_t>(top); ++k) {
    const std::string number = k ? "_" + std::to_string(k + 1) : "";
    out += ",prediction" + number;
    if (answer.choices[k].probability) out += ",probability" + number;
  }
  return out + "\n";
}

std::string csv_line(size_t row, const Answer& answer, int64_t top, const Kept& kept) {
  std::string out = std::to_string(row + 1);
  for (const std::vector<std::string>& column : kept) out += "," + formats::csv_cell(column[row]);
  for (size_t k = 0; k < answer.choices.size() && k < static_cast<size_t>(top); ++k) {
    out += "," + formats::csv_cell(answer.choices[k].name);
    if (answer.choices[k].probability)
      out += fmt::format(",{:.6f}", *answer.choices[k].probability);
  }
  return out + "\n";
}

bool all_pictures(const std::vector<std::string>& files) {
  bool pictures = false;
  std::string other;
  for (const std::string& file : files) {
    const bool picture = job::kind_of(file) == job::FileKind::picture;
    pictures = pictures || picture;
    if (!picture) other = file;
  }
  if (pictures && !other.empty()) {
    throw UsageError(formats::shown(other) +
                     ": is no picture; pictures and other files cannot be given together");
  }
  return pictures;
}

void check_options(const Options& o) {
  if (!o.keep.empty() && o.out.ends_with(".npy"))
    throw UsageError("--keep: is for .csv, got --out \"" + escaped(o.out) + "\"");
  if (o.out.empty()) return;
  if (!o.out.ends_with(".npy") && !o.out.ends_with(".csv")) {
    throw UsageError("--out: expected a name that ends in .csv or .npy, got \"" + escaped(o.out) +
                     "\"");
  }
  std::vector<std::string> inputs = o.files;
  inputs.push_back(o.model);
  check_output(o.out, inputs, o.force);
}

int predict(Options o) {
  o.files = job::pictures_of_folders(o.files);
  check_options(o);
  const bool pictures = all_pictures(o.files);
  if (o.invert && !pictures) throw UsageError("--invert: is for pictures");
  if (!pictures && o.files.size() > 1)
    throw UsageError("unexpected argument \"" + escaped(o.files[1]) + "\"",
                     "only of pictures several can be given");
  job::Application application(o.model, {.require_finite = o.finite});
  const std::string& file = o.files[0];
  const bool table = !pictures && job::kind_of(file) == job::FileKind::table;
  if (!o.keep.empty() && !table) throw UsageError("--keep: is for tables");
  const Dataset samples = pictures ? application.pictures(o.files, o.invert)
                          : table  ? application.table(file)
                                   : application.array(file, o.array);
  // Rows are told apart by their numbers, pictures by their names.
  const Kept kept = pictures ? Kept{o.files} : application.columns(file, o.keep);
  const std::vector<std::string> beside = pictures ? std::vector<std::string>{"file"} : o.keep;
  const Tensor output = application.model().predict(samples);
  if (o.out.ends_with(".npy")) {
    write_npy(o.out, output);
    return 0;
  }
  const std::vector<Answer> answers = application.answers(output);
  std::string text;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (pictures && o.out.empty()) {
      text += picture_line(o.files[i], answers[i], o.top);
      continue;
    }
    if (i == 0) text += csv_head(answers[0], o.top, beside);
    text += csv_line(i, answers[i], o.top, kept);
  }
  if (o.out.empty()) {
    say(text);
  } else {
    formats::write_file(o.out, text);
  }
  return 0;
}

}  // namespace

Action declare_predict(Arguments& arguments) {
  auto o = std::make_shared<Options>();
  arguments.positional("MODEL", o->model, "The model file.");
  arguments.positionals(
      "FILE", o->files,
      "PNG or JPEG pictures, or folders of them; or one CSV table, .npy or .npz file.");
  arguments.integer("--top", "N", o->top, 1, 1000, "The N likeliest classes; 1.");
  arguments.texts("--keep", "COLUMN", o->keep,
                  "Carries a column of the table along: --keep customer_id.");
  arguments.flag("--invert", o->invert,
                 "For pictures of dark on light where training had the other.");
  arguments.text("--array", "NAME", o->array, "Which array of a .npz file.");
  arguments.text("--out,-o", "FILE", o->out, "Writes .csv, or .npy with the numbers as they are.");
  arguments.flag("--require-finite", o->finite, "NaN among the weights is an error.");
  arguments.flag("--force", o->force, "Replaces FILE.");
  return [o] { return predict(*o); };
}

}  // namespace varve::app
