import CLibSSH2
import RemoteShell

extension SSHSession {
    /// What a failed libssh2 call means at this point of the session.
    func fault(for failure: LibraryFailure) -> LinkFault {
        if let said = edge.disconnectText { return disconnected(saying: said) }
        switch phase {
        case .greeting, .keyExchange:
            if failure.code == LIBSSH2_ERROR_KEX_FAILURE || failure.code == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE {
                return noCommonAlgorithm()
            }
            return LinkFault(
                .handshakeFailed,
                "SSH handshake failed: \(failure.text) (\(endpoint.text))",
                next: portHint
            )
        case .login:
            return LinkFault(
                .authenticationFailed,
                "login as \(endpoint.user) broke off: \(failure.text) (\(endpoint.text))",
                next: portHint
            )
        case .ready, .ended:
            return LinkFault(.lost, "connection lost: \(failure.text) (\(endpoint.text))")
        }
    }

    /// The carrier is gone; what that means depends on how far the session had come.
    func lossFault(_ reason: String) -> LinkFault {
        if let said = edge.disconnectText { return disconnected(saying: said) }
        switch phase {
        case .greeting(let greeting):
            guard let line = greeting.firstLine else {
                return LinkFault(
                    .handshakeFailed,
                    "\(reason) before the SSH greeting (\(endpoint.text))",
                    next: portHint
                )
            }
            if greeting.isEmptyOrThrottled {
                return LinkFault(
                    .handshakeFailed,
                    "the server takes no more logins now: \(line) (\(endpoint.text))",
                    next: "raise MaxStartups in its sshd_config, or run again"
                )
            }
            return LinkFault(
                .notSSH,
                "the port answers but is not SSH: it said '\(line)' (\(endpoint.text))",
                next: portHint
            )
        case .keyExchange:
            return LinkFault(.handshakeFailed, "\(reason) during the key exchange (\(endpoint.text))", next: portHint)
        case .login:
            return LinkFault(.authenticationFailed, "\(reason) during the login (\(endpoint.text))", next: portHint)
        case .ready, .ended:
            return LinkFault(.lost, "connection lost: \(reason) (\(endpoint.text))")
        }
    }

    private func disconnected(saying text: String) -> LinkFault {
        switch phase {
        case .greeting, .keyExchange:
            LinkFault(.handshakeFailed, "the server ended the handshake: \(text) (\(endpoint.text))", next: portHint)
        case .login:
            LinkFault(
                .authenticationFailed,
                "login as \(endpoint.user) refused: \(text) (\(endpoint.text))",
                next: portHint
            )
        case .ready, .ended:
            LinkFault(.lost, "connection ended by the server: \(text) (\(endpoint.text))")
        }
    }

    private func noCommonAlgorithm() -> LinkFault {
        guard !LibSSH2.isModern else {
            return LinkFault(
                .handshakeFailed,
                "no algorithm in common with the server (\(endpoint.text))",
                next: "compare KexAlgorithms, Ciphers and MACs of its sshd_config with \(portHint)",
                isLackOfCommonAlgorithm: true
            )
        }
        return LinkFault(
            .handshakeFailed,
            "no algorithm in common with the server: libssh2 \(LibSSH2.version) cannot use RSA-only host keys, "
                + "-etm MACs or AEAD ciphers (\(endpoint.text))",
            next: "on the host add an ed25519 host key (ssh-keygen -A) and allow aes128-ctr and hmac-sha2-256 in "
                + "sshd_config; or run Rollbook with libssh2 1.11 or later",
            isLackOfCommonAlgorithm: true
        )
    }
}

extension LibraryFailure {
    /// Failures of one channel leave the session usable; all others mean that its stream cannot be trusted any more.
    var endsSession: Bool {
        switch code {
        case LIBSSH2_ERROR_CHANNEL_FAILURE, LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, LIBSSH2_ERROR_CHANNEL_UNKNOWN,
            LIBSSH2_ERROR_CHANNEL_CLOSED, LIBSSH2_ERROR_CHANNEL_EOF_SENT, LIBSSH2_ERROR_REQUEST_DENIED:
            false
        default: true
        }
    }

    /// Never a bare number: the library's text, or what the code stands for.
    var text: String {
        let name =
            switch code {
            case LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_SOCKET_DISCONNECT: "the peer closed it"
            case LIBSSH2_ERROR_SOCKET_SEND: "nothing can be sent any more"
            case LIBSSH2_ERROR_INVALID_MAC, LIBSSH2_ERROR_DECRYPT: "a packet was damaged"
            case LIBSSH2_ERROR_OUT_OF_BOUNDARY, LIBSSH2_ERROR_PROTO, LIBSSH2_ERROR_SOCKET_NONE:
                "the server broke the protocol"
            case LIBSSH2_ERROR_TIMEOUT: "the server did not answer in 60 s"
            default: "libssh2 error \(code)"
            }
        return message.isEmpty || message == "transport read" ? name : "\(name) (\(message))"
    }
}
