/*
 * What `podwire bench` measures with, small enough to weigh nothing beside what is measured.
 *
 *   bench-tool time PROGRAM            runs it with our environment and standard streams; the last line on standard error is how long it took, in ns,
 *                                      from when all of standard input was there: whoever started us is busy until then
 *   bench-tool serve ADDRESS PORT      answers one byte with one byte and waits for the end, connection after connection
 *   bench-tool echo ADDRESS PORT       sends each datagram back
 *   bench-tool ask ADDRESS PORT MS     connects, asks, reads the answer, closes, again and again for MS milliseconds; prints how often
 *   bench-tool connect ADDRESS PORT N  opens N connections one after the other; prints median and 99th percentile of how long that took, in ns
 *   bench-tool flows ADDRESS PORT N    sends N datagrams, each from a port of its own, and waits for each to come back; prints the same of the round trips
 *   bench-tool trips ADDRESS PORT N    the same from one port
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
#include <sys/mman.h>
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

/* Standard input becomes a file that holds all of it. */
static int take_input(void)
{
	char bytes[65536];
	ssize_t got;
	int whole = memfd_create("standard-input", 0);

	if (whole < 0)
		return -1;
	while ((got = read(0, bytes, sizeof bytes)) > 0)
		if (write(whole, bytes, (size_t)got) != got)
			return -1;
	return got == 0 && lseek(whole, 0, SEEK_SET) == 0 ? dup2(whole, 0) : -1;
}

static int time_program(char *const argv[])
{
	pid_t pid;
	int status;

	if (take_input() < 0)
		return fail("read standard input");
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

static int echo(const char *address, const char *port)
{
	struct sockaddr_storage own;
	socklen_t length = parse_address(address, port, &own);

	if (length == 0)
		return fail(address);
	int server = socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (server < 0 || bind(server, (struct sockaddr *)&own, length) != 0)
		return fail("bind");
	puts("listening");
	fflush(stdout);
	for (;;) {
		char bytes[2048];
		struct sockaddr_storage from;
		socklen_t from_length = sizeof from;
		ssize_t got = recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_length);

		if (got >= 0)
			sendto(server, bytes, got, 0, (struct sockaddr *)&from, from_length);
	}
}

static int by_value(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

static int print_quantiles(long long *times, long count)
{
	qsort(times, count, sizeof *times, by_value);
	printf("%lld %lld\n", times[count / 2], times[count * 99 / 100]);
	free(times);
	return 0;
}

static int connect_often(const char *address, const char *port, long count)
{
	struct sockaddr_storage other;
	socklen_t length = parse_address(address, port, &other);
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (length == 0)
		return fail(address);
	long long *times = calloc(count, sizeof *times);
	for (long i = 0; i < count; i++) {
		int connection = socket(other.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		long long start = now_ns();

		if (connection < 0 || connect(connection, (struct sockaddr *)&other, length) != 0)
			return fail("connect");
		times[i] = now_ns() - start;
		setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(connection);
	}
	return print_quantiles(times, count);
}

/* Below the kernel's own choice of ports, which others use. */
static const int first_flow_port = 10000;

static int open_flow(const struct sockaddr_storage *other, socklen_t length, int own_port)
{
	struct sockaddr_storage own = { .ss_family = other->ss_family };
	struct timeval patience = { .tv_sec = 1 };
	int flow = socket(other->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* The port stands at the same place in both families. */
	((struct sockaddr_in *)&own)->sin_port = htons((uint16_t)own_port);
	if (flow < 0 || bind(flow, (struct sockaddr *)&own, length) != 0 || connect(flow, (const struct sockaddr *)other, length) != 0 ||
	    setsockopt(flow, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		return -1;
	return flow;
}

/* Never the same port twice in a run: the kernel would know the flow and skip the rules. */
static int round_trips(const char *address, const char *port, long count, int is_new_each)
{
	struct sockaddr_storage other;
	socklen_t length = parse_address(address, port, &other);
	int flow = -1;

	if (length == 0)
		return fail(address);
	if (count > 20000) {
		errno = ERANGE;
		return fail("count");
	}
	long long *times = calloc(count, sizeof *times);
	for (long i = 0; i < count; i++) {
		char byte = 'x';

		if (flow < 0 && (flow = open_flow(&other, length, first_flow_port + i)) < 0)
			return fail("socket");
		long long start = now_ns();
		if (send(flow, &byte, 1, 0) != 1 || recv(flow, &byte, 1, 0) != 1)
			return fail("round trip");
		times[i] = now_ns() - start;
		if (is_new_each) {
			close(flow);
			flow = -1;
		}
	}
	return print_quantiles(times, count);
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
	if (argc == 4 && strcmp(argv[1], "echo") == 0)
		return echo(argv[2], argv[3]);
	if (argc == 5 && atol(argv[4]) > 0) {
		if (strcmp(argv[1], "connect") == 0)
			return connect_often(argv[2], argv[3], atol(argv[4]));
		if (strcmp(argv[1], "flows") == 0 || strcmp(argv[1], "trips") == 0)
			return round_trips(argv[2], argv[3], atol(argv[4]), argv[1][0] == 'f');
	}
	fprintf(stderr, "usage: bench-tool time PROGRAM | serve ADDRESS PORT | echo ADDRESS PORT | ask ADDRESS PORT MS | connect|flows|trips ADDRESS PORT N\n");
	return 2;
}
