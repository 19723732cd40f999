// The commands of the program: one file each, one row in the table.
#pragma once
#include <functional>
#include <span>

#include "arguments.h"

namespace varve::app {

/// What a command does once its arguments are read; gives the exit code.
using Action = std::function<int()>;

struct Command {
  const char* name;     // one word, or two: "onnx test"
  const char* summary;  // one line
  const char* text;     // what help says besides: what it does and how it is used, with examples
  bool computes;        // takes --threads
  Action (*declare)(Arguments& arguments);
};

std::span<const Command> commands();

Action declare_run(Arguments& arguments);
Action declare_train(Arguments& arguments);
Action declare_evaluate(Arguments& arguments);
Action declare_predict(Arguments& arguments);
Action declare_summary(Arguments& arguments);
Action declare_plot(Arguments& arguments);
Action declare_profile(Arguments& arguments);
Action declare_doctor(Arguments& arguments);
Action declare_onnx_test(Arguments& arguments);
Action declare_onnx_run(Arguments& arguments);
Action declare_onnx_import(Arguments& arguments);
Action declare_onnx_export(Arguments& arguments);

}  // namespace varve::app
