// Runs the program `varve` and says what it said.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "support/folder.h"

namespace varve::app {

struct Ran {
  int code = -1;  // -signal where a signal ended it
  std::string out, err;
};

struct RunSettings {
  std::vector<std::pair<std::string, std::string>> environment = {};
  /// In the new process, just before the program starts.
  std::function<void()> prepare = {};
  /// In this process, while the program runs.
  std::function<void(pid_t program)> meanwhile = {};
};

inline Ran varve(const std::vector<std::string>& arguments, const RunSettings& settings = {}) {
  const test::Folder folder;
  const std::string out = folder / "out", err = folder / "err";
  const pid_t child = fork();
  if (child == 0) {
    const int o = open(out.c_str(), O_WRONLY | O_CREAT, 0600),
              e = open(err.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(o, STDOUT_FILENO);
    dup2(e, STDERR_FILENO);
    close(o);
    close(e);
    for (const auto& [name, value] : settings.environment) setenv(name.c_str(), value.c_str(), 1);
    if (settings.prepare) settings.prepare();
    std::vector<char*> argv{const_cast<char*>("varve")};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execv(VARVE_PROGRAM, argv.data());
    _exit(126);
  }
  if (settings.meanwhile) settings.meanwhile(child);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), test::read_text(out),
          test::read_text(err)};
}

/// For `meanwhile`: Ctrl-C, as soon as the program watches for it; in half a minute at most.
inline void interrupt(pid_t program) {
  constexpr uint64_t kBit = uint64_t{1} << (SIGINT - 1);
  for (int i = 0; i < 30000; ++i) {
    const std::string status = test::read_text("/proc/" + std::to_string(program) + "/status");
    const size_t caught = status.find("SigCgt:");
    if (caught != status.npos && (std::stoull(status.substr(caught + 7), nullptr, 16) & kBit))
      break;
    usleep(1000);
  }
  kill(program, SIGINT);
}

/// For `prepare`: nobody reads what the program prints.
inline void close_reader() {
  int ends[2];
  if (pipe(ends) != 0) _exit(125);
  dup2(ends[1], STDOUT_FILENO);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace varve::app
