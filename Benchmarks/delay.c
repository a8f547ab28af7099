/* delay: a longer way to the same servers, in user space (loopback hides round trips, and not every kernel has netem).
 *
 *   delay MILLISECONDS HOSTS-FILE LISTEN-PORT TARGET-PORT
 *
 * Listens on LISTEN-PORT of every address of the file and passes connections on to TARGET-PORT of the same address.
 * Whatever arrives leaves half of MILLISECONDS later, so a round trip takes all of them; connecting takes one more round
 * trip, as the TCP handshake would. Prints `ready`, and ends when its parent does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 << 10, MOST_UNDER_WAY = 32 << 20 };

/* One end of a relayed connection, or a listener. Ends are never freed: a benchmark makes a few thousand of them. */
struct end {
    int socket;
    int is_listener, reads, waits_for_room, is_shut;
    struct sockaddr_in target; /* listeners only */
    struct end *other;
    struct queue {
        struct parcel *first, *last;
    } held;           /* due, but the socket had no room, or is not connected yet */
    size_t under_way; /* bytes read here that the other end has not taken yet */
};

/* Bytes on their way to `to`; none means end of stream, or, among the connects, that the way is to be opened. */
struct parcel {
    struct parcel *next;
    struct end *to;
    double due;
    size_t length, sent;
    char bytes[];
};

/* Each in the order in which it is due, because all that is in it takes the same time. */
static struct queue data, connects;
static double half_trip;
static int epoll_fd;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void watch(struct end *end) {
    struct epoll_event event = {.events = (end->reads ? EPOLLIN : 0) | (end->waits_for_room ? EPOLLOUT : 0),
                                .data.ptr = end};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, end->socket, &event)) epoll_ctl(epoll_fd, EPOLL_CTL_ADD, end->socket, &event);
}

static void append(struct queue *queue, struct parcel *parcel) {
    parcel->next = NULL;
    if (queue->last) queue->last->next = parcel; else queue->first = parcel;
    queue->last = parcel;
}

static struct parcel *pop(struct queue *queue) {
    struct parcel *parcel = queue->first;
    queue->first = parcel->next;
    if (!queue->first) queue->last = NULL;
    return parcel;
}

static void send_later(struct end *to, const char *bytes, size_t length, struct queue *queue) {
    struct parcel *parcel = malloc(sizeof *parcel + length);
    *parcel = (struct parcel){.to = to, .length = length};
    parcel->due = now() + half_trip * (queue == &connects ? 2 : 1);
    if (length) memcpy(parcel->bytes, bytes, length);
    append(queue, parcel);
}

static struct end *new_end(int socket) {
    struct end *end = calloc(1, sizeof *end);
    end->socket = socket;
    end->reads = 1;
    if (socket >= 0) setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return end;
}

static void shut(struct end *end) {
    if (end->is_shut) return;
    end->is_shut = 1;
    if (end->socket >= 0) close(end->socket);
    end->socket = -1;
    while (end->held.first) free(pop(&end->held));
}

static void take_in(struct end *listener) {
    int fd = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct end *near = new_end(fd), *far = new_end(-1);
    near->other = far, far->other = near;
    far->target = listener->target;
    send_later(far, NULL, 0, &connects);
    watch(near);
}

static void read_from(struct end *end) {
    static char bytes[CHUNK];
    ssize_t count = recv(end->socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    setsockopt(end->socket, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    if (count > 0) end->under_way += (size_t)count;
    if (count <= 0) {
        end->reads = 0;
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, end->socket, NULL);
    } else if (end->under_way >= MOST_UNDER_WAY) {
        end->reads = 0;
        watch(end);
    }
    send_later(end->other, bytes, count > 0 ? (size_t)count : 0, &data);
}

/* Gives `end` what is due as far as its socket has room; an empty parcel is the end of the stream. */
static void deliver(struct end *end) {
    while (!end->is_shut && end->held.first) {
        struct parcel *parcel = end->held.first;
        if (parcel->length == 0) {
            shut(end);
            if (end->other->socket >= 0) shut(end->other);
            return;
        }
        ssize_t count = send(end->socket, parcel->bytes + parcel->sent, parcel->length - parcel->sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) break;
        if (count < 0) return shut(end);
        parcel->sent += (size_t)count;
        struct end *source = end->other;
        source->under_way -= (size_t)count;
        if (!source->reads && !source->is_shut && source->socket >= 0 && source->under_way < MOST_UNDER_WAY / 2)
            source->reads = 1, watch(source);
        if (parcel->sent < parcel->length) continue;
        free(pop(&end->held));
    }
    int waits = end->held.first != NULL;
    if (!end->is_shut && waits != end->waits_for_room) end->waits_for_room = waits, watch(end);
}

static void arrive(struct parcel *parcel) {
    struct end *end = parcel->to;
    if (end->is_shut) return free(parcel);
    append(&end->held, parcel);
    if (end->socket >= 0) deliver(end);
}

static void open_way(struct parcel *parcel) {
    struct end *end = parcel->to;
    free(parcel);
    if (end->is_shut || end->other->is_shut) return;
    end->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(end->socket, (struct sockaddr *)&end->target, sizeof end->target)) {
        shut(end);
        shut(end->other);
        return;
    }
    setsockopt(end->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    watch(end);
    deliver(end);
}

static void listen_on(const char *address, int port, int target_port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &place.sin_addr) != 1 || strncmp(address, "127.", 4)) exit(2);
    struct end *end = new_end(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    setsockopt(end->socket, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(end->socket, (struct sockaddr *)&place, sizeof place) || listen(end->socket, 64)) {
        perror(address);
        exit(2);
    }
    end->is_listener = 1;
    end->target = place;
    end->target.sin_port = htons((uint16_t)target_port);
    watch(end);
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    half_trip = atof(arguments[1]) / 2000;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    FILE *file = fopen(arguments[2], "r");
    char address[64];
    while (file && fscanf(file, "%63s", address) == 1) listen_on(address, atoi(arguments[3]), atoi(arguments[4]));
    puts("ready");
    fflush(stdout);
    struct epoll_event events[256];
    struct timespec wait;
    for (;;) {
        double time = now(), rest = 3600;
        if (data.first) rest = data.first->due - time;
        if (connects.first && connects.first->due - time < rest) rest = connects.first->due - time;
        if (rest < 0) rest = 0;
        wait = (struct timespec){(time_t)rest, (long)((rest - (double)(time_t)rest) * 1e9)};
        int ready = epoll_pwait2(epoll_fd, events, 256, &wait, NULL);
        for (int index = 0; index < ready; index++) {
            struct end *end = events[index].data.ptr;
            if (end->is_listener) {
                take_in(end);
                continue;
            }
            if (!end->is_shut && events[index].events & EPOLLOUT) deliver(end);
            if (!end->is_shut && end->reads && events[index].events & ~(uint32_t)EPOLLOUT) read_from(end);
        }
        time = now();
        while (connects.first && connects.first->due <= time) open_way(pop(&connects));
        while (data.first && data.first->due <= time) arrive(pop(&data));
    }
}
