/*
 * Runs a program on a host (see host-init.c), or in another network namespace, and ends as the program ends.
 *
 *   host-enter [--host PID LAB NAME] [--net PATH] [--log FILE] [--detach] -- PROGRAM [ARGUMENT...]
 *
 * --host    PID is the host's PID 1 as the caller sees it. Its command line must bear the mark of host NAME of LAB, so that a PID that
 *           the kernel has given to another process is never entered.
 * --net     then a network namespace by a path that is valid on the host
 * --log     the program's output and errors are appended to this file of the host
 * --detach  the program gets a session of its own and outlives this process; PID 1 of its host inherits it
 *
 * This process never outlives its parent and, without --detach, the program never outlives this process: unlike with nsenter(1),
 * killing either, by whatever signal, ends the program. Signals are passed on; SIGALRM arrives as SIGKILL, so that a detached program
 * can be killed through here too.
 *
 * Exit status: the program's own; 128 + N when signal N ended it; 125 the namespaces could not be entered, 126 the program could not be
 * run, 127 there is no such program (as env(1) and nsenter(1) have it); then a line beginning with "host-enter: " says why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(int status, const char *format, ...)
{
	int reason = errno;
	va_list args;
	va_start(args, format);
	fprintf(stderr, "host-enter: ");
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(reason));
	_exit(status);
}

static int bears_mark(const char *pid, const char *lab, const char *host)
{
	char path[64], line[512], mark[512];
	snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	ssize_t length = read(fd, line, sizeof line);
	close(fd);
	int wanted = snprintf(mark, sizeof mark, "podwire-host%clab=%s%chost=%s", 0, lab, 0, host) + 1;
	return length >= wanted && !memcmp(line, mark, (size_t)wanted);
}

static void enter_host(const char *pid, const char *lab, const char *host)
{
	/* The descriptor first, the look at the command line second: what we then enter is what we looked at. */
	int fd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	if (fd < 0) die(125, "host %s of lab %s is gone (PID %s)", host, lab, pid);
	if (!bears_mark(pid, lab, host)) {
		errno = ESRCH;
		die(125, "host %s of lab %s is gone (PID %s is another process now)", host, lab, pid);
	}
	if (setns(fd, CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)) die(125, "enter host %s of lab %s", host, lab);
	close(fd);
}

static void enter_net(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) die(125, "open network namespace %s", path);
	if (setns(fd, CLONE_NEWNET)) die(125, "enter network namespace %s", path);
	close(fd);
}

static void append_output_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) die(125, "open log %s", path);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
}

static pid_t fork_with_lifeline(int alive[2])
{
	if (pipe2(alive, O_CLOEXEC)) die(125, "pipe");
	pid_t child = fork();
	if (child < 0) die(125, "fork");
	close(alive[child ? 0 : 1]);
	return child;
}

static void die_with_parent(int lifeline)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct pollfd gone = {.fd = lifeline};
	if (poll(&gone, 1, 0) > 0) _exit(125); /* It died before the line above took effect. */
}

static int wait_and_pass_on(pid_t child, const sigset_t *signals, int is_detached)
{
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(signals, &info);
		if (signal < 0) continue;
		if (signal != SIGCHLD) {
			/* The kernel's own signals come from the terminal, and a detached program has left it. */
			if (!(is_detached && info.si_code == SI_KERNEL)) kill(child, signal == SIGALRM && !is_detached ? SIGKILL : signal);
			continue;
		}
		int status;
		if (waitpid(child, &status, WNOHANG) != child) continue;
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

int main(int argc, char **argv)
{
	const char *host[3] = {0}, *net = NULL, *log = NULL;
	int detach = 0, i = 1;
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--host") && i + 3 < argc) {
			for (int field = 0; field < 3; field++) host[field] = argv[++i];
		} else if (!strcmp(argv[i], "--net") && i + 1 < argc) {
			net = argv[++i];
		} else if (!strcmp(argv[i], "--log") && i + 1 < argc) {
			log = argv[++i];
		} else if (!strcmp(argv[i], "--detach")) {
			detach = 1;
		} else {
			break;
		}
	}
	if (i + 1 >= argc || strcmp(argv[i], "--")) {
		fprintf(stderr, "usage: host-enter [--host PID LAB NAME] [--net PATH] [--log FILE] [--detach] -- PROGRAM [ARGUMENT...]\n");
		return 125;
	}
	char **program = argv + i + 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (host[0]) enter_host(host[0], host[1], host[2]);
	if (net) enter_net(net);

	if (log) append_output_to(log);

	int alive[2]; /* its write end closes when this process is gone */
	pid_t child = fork_with_lifeline(alive);
	if (child) return wait_and_pass_on(child, &all, detach);
	die_with_parent(alive[0]);
	if (detach) {
		/*
		 * The kernel gives an orphan to PID 1 of its late parent's PID namespace, and ours is still the caller's. This process is
		 * the first inside: it waits for the program as long as the caller lives, and leaves it to the host's PID 1 then.
		 */
		child = fork();
		if (child < 0) die(125, "fork");
		if (child) return wait_and_pass_on(child, &all, 0);
		setsid();
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	execvp(program[0], program);
	die(errno == ENOENT ? 127 : 126, "%s", program[0]);
}
