/*
 * The process that holds a Pod's namespaces open: PID 1 of its sandbox.
 * It reaps whatever is left to it when Pods share one PID namespace, and ends at once on SIGTERM or SIGINT
 * (PID 1 has no default action for signals, so it needs handlers).
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void quit(int signal) { _exit(signal == SIGTERM ? 0 : 128 + signal); }

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(void) {
  struct sigaction action = {0};
  action.sa_handler = quit;
  if (sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0) return 1;
  action.sa_handler = reap;
  action.sa_flags = SA_NOCLDSTOP | SA_RESTART;
  if (sigaction(SIGCHLD, &action, NULL) < 0) return 1;
  for (;;) pause();
}
