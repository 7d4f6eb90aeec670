/*
 * PID 1 of a host: a set of new net, mount, uts, ipc and pid namespaces that lives as long as this process.
 *
 *   podwire-host lab=NAME host=NAME   (argv: the mark by which the host is found again)
 *
 * What the host's file tree shall look like comes on stdin, one instruction a line, fields separated by tabs, done in this order:
 *   hostname NAME
 *   overlay DIR       changes below DIR stay in the host's memory
 *   bind SOURCE DIR   DIR (made if missing) shows SOURCE, which is looked up in the caller's tree; a file works too
 *   tmpfs DIR
 *   umount DIR        if something is mounted there
 *
 * When all is done the first process prints the PID of the host's PID 1, as the caller sees it, and ends. On an error it prints what
 * failed and ends with status 1, and nothing is left. SIGTERM or SIGINT end PID 1, and the kernel then ends all processes of the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_STEPS 64

struct step {
	char *verb, *first, *second;
	int source; /* O_PATH descriptor of a bind's source */
};

static int report = STDERR_FILENO; /* where die() writes: the first process reads it */

static void die(const char *format, ...)
{
	int reason = errno;
	va_list args;
	va_start(args, format);
	vdprintf(report, format, args);
	va_end(args);
	dprintf(report, ": %s\n", strerror(reason));
	_exit(1);
}

static void make_dirs(const char *path)
{
	char partial[PATH_MAX];
	snprintf(partial, sizeof partial, "%s", path);
	for (char *slash = partial + 1;; slash++) {
		slash = strchr(slash, '/');
		if (slash) *slash = 0;
		if (mkdir(partial, 0755) && errno != EEXIST) die("mkdir %s", partial);
		if (!slash) return;
		*slash = '/';
	}
}

static void make_mount_point(const char *path, int is_dir)
{
	if (is_dir) {
		make_dirs(path);
		return;
	}
	char parent[PATH_MAX];
	snprintf(parent, sizeof parent, "%s", path);
	make_dirs(dirname(parent));
	int fd = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0644);
	if (fd < 0) die("create %s", path);
	close(fd);
}

static void do_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data)) die("mount %s on %s", source, target);
}

static int read_steps(struct step *steps)
{
	static char text[65536];
	size_t length = 0;
	ssize_t got;
	while ((got = read(STDIN_FILENO, text + length, sizeof text - 1 - length)) > 0) length += (size_t)got;
	if (got < 0) die("read the instructions");
	int count = 0;
	char *line, *rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line) continue;
		if (count == MAX_STEPS) {
			errno = E2BIG;
			die("more than %d instructions", MAX_STEPS);
		}
		struct step *step = &steps[count++];
		step->verb = strsep(&line, "\t");
		step->first = strsep(&line, "\t");
		step->second = strsep(&line, "\t");
		step->source = -1;
		if (!step->first) {
			errno = EINVAL;
			die("instruction %s", step->verb);
		}
	}
	return count;
}

/* The new namespaces start with a copy of the caller's mounts; a sysfs of our own shows our network devices, not the caller's. */
static void replace_sys(const char *scratch)
{
	char fresh[PATH_MAX], cgroup[PATH_MAX];
	snprintf(fresh, sizeof fresh, "%s/sys", scratch);
	snprintf(cgroup, sizeof cgroup, "%s/sys/fs/cgroup", scratch);
	make_dirs(fresh);
	do_mount("sysfs", fresh, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	do_mount("/sys/fs/cgroup", cgroup, NULL, MS_BIND | MS_REC, NULL);
	if (umount2("/sys", MNT_DETACH)) die("umount /sys");
	do_mount(fresh, "/sys", NULL, MS_MOVE, NULL);
}

static void overlay(const char *scratch, const char *dir, int number)
{
	char upper[64], work[64], options[512];
	snprintf(upper, sizeof upper, "%s/%d/upper", scratch, number);
	snprintf(work, sizeof work, "%s/%d/work", scratch, number);
	make_dirs(upper);
	make_dirs(work);
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work);
	do_mount("podwire", dir, "overlay", 0, options);
}

static void build_tree(struct step *steps, int count)
{
	const char *scratch = "/run"; /* covered by a tmpfs that only carries what the overlays write */

	do_mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	for (int i = 0; i < count; i++) {
		if (strcmp(steps[i].verb, "bind")) continue;
		steps[i].source = open(steps[i].first, O_PATH | O_CLOEXEC);
		if (steps[i].source < 0) die("open %s", steps[i].first);
	}
	do_mount("podwire", scratch, "tmpfs", MS_NOSUID, "mode=755");
	replace_sys(scratch);
	for (int i = 0; i < count; i++)
		if (!strcmp(steps[i].verb, "overlay")) overlay(scratch, steps[i].first, i);
	if (umount2(scratch, MNT_DETACH)) die("umount %s", scratch);

	for (int i = 0; i < count; i++) {
		struct step *step = &steps[i];
		if (!strcmp(step->verb, "overlay")) continue;
		if (!strcmp(step->verb, "hostname")) {
			if (sethostname(step->first, strlen(step->first))) die("set the host name %s", step->first);
		} else if (!strcmp(step->verb, "bind") && step->second) {
			char source[64];
			struct stat info;
			if (fstat(step->source, &info)) die("stat %s", step->first);
			make_mount_point(step->second, S_ISDIR(info.st_mode));
			snprintf(source, sizeof source, "/proc/self/fd/%d", step->source);
			do_mount(source, step->second, NULL, MS_BIND, NULL);
			close(step->source);
		} else if (!strcmp(step->verb, "tmpfs")) {
			make_dirs(step->first);
			do_mount("podwire", step->first, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
		} else if (!strcmp(step->verb, "umount")) {
			/* EINVAL: not a mount point. ENOENT: not on this system. */
			if (umount2(step->first, MNT_DETACH) && errno != EINVAL && errno != ENOENT) die("umount %s", step->first);
		} else {
			errno = EINVAL;
			die("instruction %s", step->verb);
		}
	}
	do_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	/* As systemd leaves it, and as container runtimes expect it; the peers are in this namespace only. */
	do_mount("none", "/", NULL, MS_REC | MS_SHARED, NULL);
}

static void leave_callers_files(void)
{
	int null = open("/dev/null", O_RDWR);
	if (null < 0) die("open /dev/null");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0) die("dup2");
	if (null > 2) close(null);
	if (chdir("/")) die("chdir /");
}

static int reap_until_told(const sigset_t *signals)
{
	for (;;) {
		int signal = sigwaitinfo(signals, NULL);
		if (signal == SIGTERM || signal == SIGINT) return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0) {}
	}
}

static int run_host(struct step *steps, int count)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	/* Until the host is whole it must not outlive the process that reports about it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setsid() < 0) die("setsid");
	build_tree(steps, count);
	leave_callers_files();
	prctl(PR_SET_PDEATHSIG, 0);
	if (write(report, "ready", 5) != 5) return 1;
	close(report);
	return reap_until_told(&signals);
}

int main(int argc, char **argv)
{
	if (argc < 3 || strncmp(argv[1], "lab=", 4) || strncmp(argv[2], "host=", 5)) {
		fprintf(stderr, "usage: podwire-host lab=NAME host=NAME < instructions\n");
		return 2;
	}
	static struct step steps[MAX_STEPS];
	int count = read_steps(steps);
	int channel[2];
	if (pipe2(channel, O_CLOEXEC)) die("pipe");
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID)) die("unshare");
	pid_t child = fork();
	if (child < 0) die("fork");
	if (child == 0) {
		close(channel[0]);
		report = channel[1];
		return run_host(steps, count);
	}
	close(channel[1]);
	char answer[1024];
	size_t length = 0;
	ssize_t got;
	while (length < sizeof answer - 1 && (got = read(channel[0], answer + length, sizeof answer - 1 - length)) > 0) length += (size_t)got;
	answer[length] = 0;
	if (!strcmp(answer, "ready")) {
		printf("%d\n", child);
		return 0;
	}
	fprintf(stderr, "%s", length ? answer : "the host's first process died\n");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 1;
}
