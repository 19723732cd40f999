#include "interrupt.h"

#include <csignal>

namespace varve::app {
namespace {

volatile std::sig_atomic_t pressed = 0;

bool watch() {
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return false;
  struct sigaction once {};
  once.sa_handler = [](int) { pressed = 1; };
  // The second one finds the system's own handler again; files are read and written on.
  once.sa_flags = SA_RESETHAND | SA_RESTART;
  return sigaction(SIGINT, &once, nullptr) == 0;
}

}  // namespace

bool interrupted() {
  static const bool watched = watch();
  return watched && pressed != 0;
}

}  // namespace varve::app
