/*
 * The CNI plugin that container runtimes call: hands the call to the agent of this node and prints its answer.
 *
 * A call is one connection: the CNI_* variables, each ended by a NUL, one more NUL, then standard input until the end.
 * The answer is one byte, the exit status, and then standard output until the end.
 *
 * Without an agent the same plugin runs as a program of its own, `podwire-cni` beside this one. An agent that took the call and went away
 * may have done half of it: then the runtime must clean up and try again (code 11).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static const char default_socket[] = "/run/podwire/cni.sock";

struct buffer {
	char *bytes;
	size_t length;
};

/* The error object of the CNI specification, on standard output. */
static int refuse(int code, const char *message, const char *detail)
{
	printf("{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", code, message, detail);
	return 1;
}

/* Reads until the end of the stream; -1 with errno after an error. */
static int read_all(int fd, struct buffer *into)
{
	size_t room = 0;

	into->bytes = NULL;
	into->length = 0;
	for (;;) {
		if (into->length == room) {
			char *grown = realloc(into->bytes, room = room ? 2 * room : 16384);
			if (!grown)
				return -1;
			into->bytes = grown;
		}
		ssize_t got = read(fd, into->bytes + into->length, room - into->length);
		if (got == 0)
			return 0;
		if (got > 0)
			into->length += (size_t)got;
		else if (errno != EINTR)
			return -1;
	}
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t put = write(fd, bytes, length);
		if (put < 0 && errno != EINTR)
			return -1;
		if (put > 0) {
			bytes += put;
			length -= (size_t)put;
		}
	}
	return 0;
}

/* A connection to the agent, or -1 with errno. */
static int connect_agent(void)
{
	const char *path = getenv("PODWIRE_CNI_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path || !*path)
		path = default_socket;
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		int reason = errno;
		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

/* Becomes the plugin beside this program, with the configuration on its standard input; returns only when it cannot. */
static void become_plugin(const struct buffer *configuration)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "/podwire-cni");
	if (length <= 0)
		return;
	path[length] = '\0';
	char *slash = strrchr(path, '/');
	if (!slash)
		return;
	strcpy(slash, "/podwire-cni");

	int fd = memfd_create("cni-configuration", 0);
	if (fd < 0 || write_all(fd, configuration->bytes, configuration->length) != 0 || lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, 0) != 0)
		return;
	close(fd);
	signal(SIGPIPE, SIG_DFL);
	char *argv[] = { path, NULL };
	execv(path, argv);
}

/* Sends the call. The agent may answer, and close, before it has read everything. */
static int send_call(int fd, const struct buffer *configuration)
{
	for (char **variable = environ; *variable; variable++)
		if (strncmp(*variable, "CNI_", 4) == 0 && write_all(fd, *variable, strlen(*variable) + 1) != 0)
			return -1;
	if (write_all(fd, "", 1) != 0 || write_all(fd, configuration->bytes, configuration->length) != 0)
		return -1;
	return shutdown(fd, SHUT_WR);
}

int main(void)
{
	struct buffer configuration, answer;

	/* A broken connection must be an error of write, with an answer for the runtime. */
	signal(SIGPIPE, SIG_IGN);
	if (read_all(0, &configuration) != 0)
		return refuse(5, "cannot read the network configuration", strerror(errno));

	int fd = connect_agent();
	if (fd < 0) {
		const char *reason = strerror(errno);
		become_plugin(&configuration);
		return refuse(11, "the agent of this node is away", reason);
	}
	if (send_call(fd, &configuration) != 0 || read_all(fd, &answer) != 0)
		return refuse(11, "the agent of this node went away during the call", strerror(errno));
	if (answer.length == 0)
		return refuse(11, "the agent of this node went away during the call", "it gave no answer");
	if (write_all(1, answer.bytes + 1, answer.length - 1) != 0)
		return 1;
	return answer.bytes[0];
}
