/*
 * What `podwire bench` measures with, small enough to weigh nothing beside what is measured.
 *
 *   bench-tool time PROGRAM            runs it with our environment and standard streams; the last line on standard error is how long it took, in ns
 *   bench-tool serve ADDRESS PORT      answers one byte with one byte and waits for the end, connection after connection
 *   bench-tool ask ADDRESS PORT MS     connects, asks, reads the answer, closes, again and again for MS milliseconds; prints how often
 *
 * A connection for each question is what netperf calls TCP_CRR: it weighs the way a connection's first packets take, not the throughput.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "bench-tool: %s: %s\n", what, strerror(errno));
	return 125;
}

static int time_program(char *const argv[])
{
	pid_t pid;
	int status;
	long long start = now_ns();

	errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
	if (errno != 0)
		return fail(argv[0]);
	if (waitpid(pid, &status, 0) < 0)
		return fail("waitpid");
	fprintf(stderr, "%lld\n", now_ns() - start);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* An address of either family with its port; the length, or 0. */
static socklen_t parse_address(const char *address, const char *port, struct sockaddr_storage *into)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)into;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)into;

	memset(into, 0, sizeof *into);
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(port));
		return sizeof *v6;
	}
	errno = EINVAL;
	return 0;
}

static int serve(const char *address, const char *port)
{
	struct sockaddr_storage own;
	socklen_t length = parse_address(address, port, &own);
	int on = 1;

	if (length == 0)
		return fail(address);
	int listener = socket(own.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(listener, (struct sockaddr *)&own, length) != 0 ||
	    listen(listener, 128) != 0)
		return fail("listen");
	puts("listening");
	fflush(stdout);
	for (;;) {
		char byte;
		int connection = accept(listener, NULL, NULL);

		if (connection < 0)
			continue;
		if (read(connection, &byte, 1) == 1 && write(connection, &byte, 1) == 1)
			while (read(connection, &byte, 1) > 0)
				;
		close(connection);
	}
}

/* The side that closes first keeps the port for a minute; by a reset neither does, and ports do not run out. */
static int ask(const char *address, const char *port, long ms)
{
	struct sockaddr_storage other;
	socklen_t length = parse_address(address, port, &other);
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	long long end = now_ns() + ms * 1000000LL;
	long count = 0;

	if (length == 0)
		return fail(address);
	while (now_ns() < end) {
		char byte = 'x';
		int connection = socket(other.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connection < 0 || connect(connection, (struct sockaddr *)&other, length) != 0)
			return fail("connect");
		if (write(connection, &byte, 1) != 1 || read(connection, &byte, 1) != 1)
			return fail("ask");
		setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(connection);
		count++;
	}
	printf("%ld\n", count);
	return 0;
}

int main(int argc, char *argv[])
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "time") == 0)
		return time_program(argv + 2);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], argv[3], atol(argv[4]));
	fprintf(stderr, "usage: bench-tool time PROGRAM | serve ADDRESS PORT | ask ADDRESS PORT MS\n");
	return 2;
}
