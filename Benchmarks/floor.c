/* floor: how fast the same work can be with libssh2 alone; a measure for the benchmarks, not a product.
 *
 * One thread, one epoll loop, one non-blocking libssh2 session per host, TCP_NODELAY, TCP_QUICKACK after every receive.
 * Nothing is framed, nothing is verified beyond the host key, nothing is cancelled: what Rollbook takes more is the
 * price of what this leaves out.
 *
 *   floor batch|seq|par|login|fetch FARM OUTPUT LIMIT COMMANDS|REMOTE-FILE
 *
 * FARM is the folder that the harness wrote: hosts, client_ed25519(.pub), host_ed25519.pub. LIMIT is hosts in flight.
 * The port is in BENCH_PORT. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HOSTS = 512, MAX_COMMANDS = 16, WINDOW = 8 << 20, PACKET = 32768, ROOM = 256 << 10 };

enum stage { UNOPENED, REQUESTING, RUNNING, CLOSING, FREEING, FINISHED };
enum phase { WAITING, CONNECTING, HANDSHAKE, LOGIN, READY, DONE, FAILED };

struct execution {
    LIBSSH2_CHANNEL *channel;
    enum stage stage;
    int file;
};

struct host {
    char address[64];
    int socket;
    enum phase phase;
    LIBSSH2_SESSION *session;
    struct execution executions[MAX_COMMANDS];
    int opened;      /* executions that have a channel */
    size_t received; /* bytes libssh2 took off the socket */
};

static struct host hosts[MAX_HOSTS];
static char *commands[MAX_COMMANDS];
static char room[ROOM], *private_key, *public_key, *host_key;
static size_t private_length, public_length;
static const char *user, *output;
static int port, host_count, command_count, in_parallel, in_flight, started, failures, epoll_fd;

static void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(2);
}

static char *slurp(const char *folder, const char *name, size_t *length) {
    char path[512];
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    FILE *file = fopen(path, "r");
    if (!file) die("%s: %s", path, strerror(errno));
    char *bytes = calloc(1, 1 << 16);
    size_t count = fread(bytes, 1, (1 << 16) - 1, file);
    fclose(file);
    if (length) *length = count;
    return bytes;
}

static ssize_t take(libssh2_socket_t fd, void *bytes, size_t length, int flags, void **abstract) {
    ssize_t count = recv(fd, bytes, length, flags);
    if (count < 0) return -errno;
    ((struct host *)*abstract)->received += (size_t)count;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    return count;
}

static void end_host(struct host *host, enum phase phase, const char *doing) {
    if (phase == FAILED) {
        char *text = "";
        if (host->session) libssh2_session_last_error(host->session, &text, NULL, 0);
        fprintf(stderr, "%s: %s: %s\n", host->address, doing, *text ? text : strerror(errno));
        failures++;
    } else {
        libssh2_session_disconnect(host->session, "done");
    }
    if (host->session) libssh2_session_free(host->session);
    close(host->socket);
    host->phase = phase;
    in_flight--;
}

static void start_host(struct host *host) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host->address, &address.sin_addr);
    host->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(host->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    host->phase = CONNECTING;
    in_flight++;
    if (connect(host->socket, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        end_host(host, FAILED, "connect");
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = host};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, host->socket, &event);
}

/* Writes what came on both streams; standard error is dropped. Returns -1 when the session is lost. */
static int drain(struct host *host, int index) {
    struct execution *execution = &host->executions[index];
    ssize_t count;
    while ((count = libssh2_channel_read(execution->channel, room, sizeof room)) > 0) {
        if (execution->file < 0) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s.%d", output, host->address, index);
            execution->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        }
        for (ssize_t done = 0; done < count;) {
            ssize_t part = write(execution->file, room + done, (size_t)(count - done));
            if (part < 0) die("write: %s", strerror(errno));
            done += part;
        }
    }
    if (count < 0 && count != LIBSSH2_ERROR_EAGAIN) return -1;
    while ((count = libssh2_channel_read_stderr(execution->channel, room, sizeof room)) > 0) {}
    return count < 0 && count != LIBSSH2_ERROR_EAGAIN ? -1 : 0;
}

/* Takes one execution as far as it goes without waiting. Returns 1 when it is over, -1 when the host failed. */
static int advance(struct host *host, int index) {
    struct execution *execution = &host->executions[index];
    int code = 0;
    switch (execution->stage) {
    case REQUESTING:
        code = libssh2_channel_exec(execution->channel, commands[index]);
        if (code) break;
        execution->stage = RUNNING; /* fall through */
    case RUNNING:
        if (drain(host, index)) return end_host(host, FAILED, "read"), -1;
        if (!libssh2_channel_eof(execution->channel)) return 0;
        execution->stage = CLOSING; /* fall through */
    case CLOSING:
        if ((code = libssh2_channel_close(execution->channel))) break;
        if ((code = libssh2_channel_wait_closed(execution->channel))) break;
        if (libssh2_channel_get_exit_status(execution->channel)) return end_host(host, FAILED, "exit status"), -1;
        execution->stage = FREEING; /* fall through */
    case FREEING:
        if ((code = libssh2_channel_free(execution->channel))) break;
        if (execution->file >= 0) close(execution->file);
        execution->stage = FINISHED; /* fall through */
    default: return execution->stage == FINISHED;
    }
    return code == LIBSSH2_ERROR_EAGAIN ? 0 : (end_host(host, FAILED, "execution"), -1);
}

/* Reading one channel takes the packets of all others off the socket, and epoll does not report those again: the pass
 * over the channels is repeated until one received nothing. */
static void run_commands(struct host *host) {
    for (;;) {
        size_t before = host->received;
        int finished = 0, progressed = 0;
        for (int index = 0; index < host->opened; index++) {
            int over = advance(host, index);
            if (over < 0) return;
            finished += over;
        }
        if (finished == command_count) return end_host(host, DONE, "");
        if (host->opened < command_count && (in_parallel || finished == host->opened)) {
            struct execution *next = &host->executions[host->opened];
            next->channel = libssh2_channel_open_ex(host->session, "session", 7, WINDOW, PACKET, NULL, 0);
            if (next->channel) {
                next->stage = REQUESTING;
                next->file = -1;
                host->opened++;
                progressed = 1;
            } else if (libssh2_session_last_errno(host->session) != LIBSSH2_ERROR_EAGAIN) {
                return end_host(host, FAILED, "open");
            }
        }
        if (!progressed && host->received == before) return;
    }
}

/* The key the server proved to own must be the farm's: compared as the Base64 text in host_ed25519.pub. */
static int host_key_is_known(struct host *host) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length;
    int type;
    const unsigned char *key = (const unsigned char *)libssh2_session_hostkey(host->session, &length, &type);
    for (size_t at = 0, bit = 0; at < length * 8 / 6; at++, bit += 6) {
        unsigned pair = (unsigned)key[bit / 8] << 8 | (bit / 8 + 1 < length ? key[bit / 8 + 1] : 0);
        if (host_key[at] != digits[pair >> (10 - bit % 8) & 63]) return 0;
    }
    return 1;
}

static void step(struct host *host) {
    int code;
    switch (host->phase) {
    case CONNECTING: {
        socklen_t length = sizeof errno;
        getsockopt(host->socket, SOL_SOCKET, SO_ERROR, &errno, &length);
        if (errno) return end_host(host, FAILED, "connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = host};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, host->socket, &event);
        host->session = libssh2_session_init_ex(NULL, NULL, NULL, host);
        libssh2_session_set_blocking(host->session, 0);
        libssh2_session_callback_set(host->session, LIBSSH2_CALLBACK_RECV, (void *)take);
        libssh2_session_method_pref(host->session, LIBSSH2_METHOD_HOSTKEY, "ssh-ed25519");
        const char *ciphers = "aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes128-ctr";
        libssh2_session_method_pref(host->session, LIBSSH2_METHOD_CRYPT_SC, ciphers);
        libssh2_session_method_pref(host->session, LIBSSH2_METHOD_CRYPT_CS, ciphers);
        host->phase = HANDSHAKE;
    } /* fall through */
    case HANDSHAKE:
        code = libssh2_session_handshake(host->session, host->socket);
        if (code == LIBSSH2_ERROR_EAGAIN) return;
        if (code) return end_host(host, FAILED, "handshake");
        if (!host_key_is_known(host)) return end_host(host, FAILED, "unknown host key");
        host->phase = LOGIN; /* fall through */
    case LOGIN:
        code = libssh2_userauth_publickey_frommemory(host->session, user, strlen(user), public_key, public_length,
                                                     private_key, private_length, NULL);
        if (code == LIBSSH2_ERROR_EAGAIN) return;
        if (code) return end_host(host, FAILED, "login");
        host->phase = READY; /* fall through */
    case READY: return run_commands(host);
    default: return;
    }
}

static void read_job(const char *mode, const char *what) {
    char line[8192];
    if (!strcmp(mode, "login")) {
        commands[command_count++] = "true";
    } else if (!strcmp(mode, "fetch")) {
        snprintf(line, sizeof line, "cat %s", what);
        commands[command_count++] = strdup(line);
    } else if (!strcmp(mode, "batch")) {
        commands[command_count++] = slurp("", what, NULL);
    } else {
        char *rest = slurp("", what, NULL), *one;
        while ((one = strsep(&rest, "\n")) && command_count < MAX_COMMANDS)
            if (*one) commands[command_count++] = one;
    }
}

int main(int count, char **arguments) {
    if (count != 6) die("usage: floor batch|seq|par|login|fetch FARM OUTPUT LIMIT COMMANDS|REMOTE-FILE");
    const char *farm = arguments[2];
    int limit = atoi(arguments[4]);
    output = arguments[3];
    if (!getenv("BENCH_PORT")) die("BENCH_PORT is not set");
    port = atoi(getenv("BENCH_PORT"));
    in_parallel = !strcmp(arguments[1], "par");
    user = getpwuid(getuid())->pw_name;
    read_job(arguments[1], arguments[5]);
    private_key = slurp(farm, "client_ed25519", &private_length);
    public_key = slurp(farm, "client_ed25519.pub", &public_length);
    host_key = strchr(slurp(farm, "host_ed25519.pub", NULL), ' ') + 1;
    char *rest = slurp(farm, "hosts", NULL), *line;
    while ((line = strsep(&rest, "\n")) && host_count < MAX_HOSTS)
        if (*line) snprintf(hosts[host_count++].address, sizeof hosts[0].address, "%s", line);
    if (libssh2_init(0)) die("libssh2_init failed");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64];
    while (started < host_count || in_flight) {
        while (in_flight < limit && started < host_count) start_host(&hosts[started++]);
        int ready = epoll_wait(epoll_fd, events, 64, 60000);
        if (ready <= 0) die("nothing happened for a minute");
        for (int index = 0; index < ready; index++) step(events[index].data.ptr);
    }
    if (failures) die("%d hosts failed", failures);
    return 0;
}
