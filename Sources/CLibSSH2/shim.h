#ifndef ROLLBOOK_CLIBSSH2_SHIM_H
#define ROLLBOOK_CLIBSSH2_SHIM_H

#include <libssh2.h>

/* libssh2 takes callbacks as untyped pointers; these give them their types back. */
typedef ssize_t (*rollbook_ssh2_receive)(libssh2_socket_t, void *, size_t, int, void **);
typedef ssize_t (*rollbook_ssh2_send)(libssh2_socket_t, const void *, size_t, int, void **);
typedef void (*rollbook_ssh2_disconnect)(LIBSSH2_SESSION *, int, const char *, int, const char *, int, void **);

static inline void rollbook_ssh2_set_callbacks(LIBSSH2_SESSION *session, rollbook_ssh2_receive receive,
                                               rollbook_ssh2_send send, rollbook_ssh2_disconnect disconnect) {
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)receive);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)send);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_DISCONNECT, (void *)disconnect);
}

/* The argument of these macros in libssh2.h is a C string literal whose length they take with sizeof. */
static inline LIBSSH2_CHANNEL *rollbook_ssh2_open_session(LIBSSH2_SESSION *session, unsigned window, unsigned packet) {
    return libssh2_channel_open_ex(session, "session", sizeof("session") - 1, window, packet, NULL, 0);
}

static inline LIBSSH2_CHANNEL *rollbook_ssh2_open_tunnel(LIBSSH2_SESSION *session, unsigned window, unsigned packet,
                                                         const void *target, unsigned length) {
    return libssh2_channel_open_ex(session, "direct-tcpip", sizeof("direct-tcpip") - 1, window, packet,
                                   (const char *)target, length);
}

static inline int rollbook_ssh2_exec(LIBSSH2_CHANNEL *channel, const char *command, unsigned length) {
    return libssh2_channel_process_startup(channel, "exec", sizeof("exec") - 1, command, length);
}

#endif
