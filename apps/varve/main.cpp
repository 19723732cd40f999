// The program `varve`: reads the command line, settles streams and threads, runs a command, and
// turns what goes wrong into one line and an exit code: 1 for data and environment, 2 for usage.
#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "threads.h"
#include "varve/version.h"
#include "varve/warnings.h"
#include "varve/zoo_text.h"

namespace varve::app {
namespace {

constexpr int kBadData = 1, kBadUsage = 2;

/// Whether commands of two words begin with this one.
bool is_group(const std::string& word) {
  return std::any_of(commands().begin(), commands().end(), [&](const Command& c) {
    return std::string_view(c.name).starts_with(word + " ");
  });
}

/// The commands whose names begin so, a line each.
std::string listing(const std::string& beginning) {
  std::string out;
  for (const Command& c : commands()) {
    const std::string name = c.name;
    if (name.starts_with(beginning))
      out += "  " + name + std::string(14 - name.size(), ' ') + c.summary + "\n";
  }
  return out;
}

std::string overview() {
  std::string out =
      "varve - build, train, look into and serve neural networks\n\n"
      "usage: varve COMMAND [OPTIONS]\n\n";
  out += listing("");
  out +=
      "  help          Explains a command: varve help train\n\n"
      "First steps:\n"
      "  varve run --list                       what can be trained at once\n"
      "  varve run mnist_convnet --out runs/a   trains it, and leaves model and report in runs/a\n"
      "  varve predict runs/a/model.safetensors runs/a/digits/digit_0.png\n"
      "  varve train job.toml                   a network for data of your own, without C++\n";
  return out;
}

std::vector<std::string> names() {
  std::vector<std::string> out{"help"};
  for (const Command& c : commands()) out.push_back(c.name);
  return out;
}

// Where the first word is no command by itself, the second belongs to its name.
std::string command_name(const std::vector<std::string>& words, size_t from) {
  const bool two =
      is_group(words[from]) && from + 1 < words.size() && !words[from + 1].starts_with('-');
  return two ? words[from] + " " + words[from + 1] : words[from];
}

const Command& find(const std::string& name) {
  for (const Command& c : commands()) {
    if (name == c.name) return c;
  }
  std::string longer;
  for (const Command& c : commands()) {
    if (std::string(c.name).starts_with(name + " "))
      longer += (longer.empty() ? "" : ", ") + std::string(c.name);
  }
  if (!longer.empty())
    throw UsageError("unknown command \"" + escaped(name) + "\"", "there are " + longer);
  const std::string near = closest(name, names());
  throw UsageError("unknown command \"" + escaped(name) + "\"",
                   (near.empty() ? "" : "did you mean \"" + near + "\"? ") +
                       "usage: varve COMMAND [OPTIONS]; varve help lists the commands");
}

void explain(const Command& command) {
  Arguments arguments(command.name);
  const Action action = command.declare(arguments);
  int64_t threads = 0;
  if (command.computes)
    arguments.integer("--threads", "N", threads, 1, 1024,
                      "Threads to use; all processors by default.");
  say(std::string(command.summary) + "\n\nusage: " + arguments.usage() + "\n\n" +
      arguments.options_help() + "\n" + command.text);
}

void explain(const std::string& name) {
  if (name == "help") return say(overview());
  if (!is_group(name)) return explain(find(name));
  say("usage: varve " + name + " COMMAND [OPTIONS]\n\n" + listing(name + " "));
}

int run_command(const std::vector<std::string>& words, char** argv) {
  const std::string name = command_name(words, 0);
  std::vector<std::string> rest(words.begin() + (name == words[0] ? 1 : 2), words.end());
  const auto end = std::find(rest.begin(), rest.end(), "--");
  if (std::any_of(rest.begin(), end,
                  [](const std::string& w) { return w == "--help" || w == "-h"; })) {
    explain(name);
    return 0;
  }
  const Command& command = find(name);
  Arguments arguments(command.name);
  const Action action = command.declare(arguments);
  int64_t threads = 0;
  if (command.computes) arguments.integer("--threads", "N", threads, 1, 1024, "");
  arguments.parse(rest);
  if (command.computes) settle_threads(threads, argv);
  zoo::register_layers();  // any command may be given a model that a job made of them
  return action();
}

int dispatch(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) {
    throw UsageError("no command given",
                     "usage: varve COMMAND [OPTIONS]; varve help lists the commands");
  }
  if (words[0] == "--version" || words[0] == "-V") {
    say(std::string("varve ") + kVersion + "\n");
    return 0;
  }
  if (words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    if (words.size() == 1) {
      say(overview());
      return 0;
    }
    const std::string name = command_name(words, 1);
    const size_t used = name == words[1] ? 2 : 3;
    if (words.size() > used)
      throw UsageError("unexpected argument \"" + escaped(words[used]) + "\"",
                       "usage: varve help [COMMAND]");
    explain(name);
    return 0;
  }
  return run_command(words, argv);
}

int guarded(int argc, char** argv) {
  try {
    return dispatch(argc, argv);
  } catch (const UsageError& e) {
    say_error(e);
    return kBadUsage;
  } catch (const Error& e) {
    say_error(e);
    return kBadData;
  } catch (const OutputClosed&) {
    return 0;
  } catch (const std::bad_alloc&) {
    say_error("out of memory", "a smaller batch_size needs less");
    return kBadData;
  } catch (const std::exception& e) {
    say_error(e.what(), "this is a bug of Varve; please report it");
    return kBadData;
  }
}

}  // namespace
}  // namespace varve::app

int main(int argc, char** argv) {
  varve::app::settle_streams();
  varve::set_warning_handler(varve::app::say_warning);
  return varve::app::guarded(argc, argv);
}
