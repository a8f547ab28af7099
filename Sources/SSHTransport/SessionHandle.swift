import CLibSSH2

/// One libssh2 session: the only holder of its pointer.
///
/// Not blocking, and confined to one event loop like its edge.
///
/// `@safe` holds because the pointer never leaves this type and its channels, and is nil after `free`.
@safe final class SessionHandle {
    /// Given instead of a socket: libssh2 only asks the kernel for its flags, and no descriptor has this number.
    private static let noSocket = libssh2_socket_t.max

    let edge = SessionEdge()
    private var session: OpaquePointer?

    init?() {
        guard LibSSH2.isReady else { return nil }
        let abstract = unsafe Unmanaged.passUnretained(edge).toOpaque()
        guard let session = unsafe libssh2_session_init_ex(nil, nil, nil, abstract) else { return nil }
        unsafe self.session = session
        unsafe libssh2_session_set_blocking(session, 0)
        unsafe rollbook_ssh2_set_callbacks(session, receiveCallback, sendCallback, disconnectCallback)
    }

    deinit { free() }

    /// Frees the session and whatever channels it still has; nothing is sent, nothing is waited for.
    func free() {
        edge.isOpen = false
        guard let session = unsafe session else { return }
        unsafe libssh2_session_free(session)
        unsafe self.session = nil
    }

    /// The names the library supports for one kind of method.
    func supported(_ method: Int32) -> [String] {
        var names: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        let count = unsafe libssh2_session_supported_algs(session, method, &names)
        guard count > 0, let list = unsafe names else { return [] }
        defer { unsafe libssh2_free(session, list) }
        return (0..<Int(count)).compactMap { index in
            unsafe list[index].map { unsafe String(cString: $0) }
        }
    }

    func prefer(_ method: Int32, _ names: [String]) throws(LibraryFailure) {
        _ = try check(unsafe libssh2_session_method_pref(session, method, names.joined(separator: ",")))
    }

    /// Version exchange and key exchange.
    ///
    /// Returns true when they are done.
    func handshake() throws(LibraryFailure) -> Bool {
        try check(unsafe libssh2_session_handshake(session, Self.noSocket)) != nil
    }

    /// The public key blob the server has proven to own.
    func hostKey() -> [UInt8] {
        var length = 0
        var type: Int32 = 0
        guard let bytes = unsafe libssh2_session_hostkey(session, &length, &type) else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: length))
    }

    /// Logs in with a private key held in memory.
    ///
    /// Returns true when the server accepted it.
    ///
    /// `privateKey` ends with a zero byte: libssh2 takes the length of it twice, once with strlen.
    /// `publicLine` is the public key as in authorized_keys; without it libssh2 decrypts the file once more to find out.
    func authenticate(
        user: String,
        publicLine: String?,
        privateKey: [UInt8],
        passphrase: String?
    )
        throws(LibraryFailure) -> Bool
    {
        let code = unsafe privateKey.withUnsafeBytes { key in
            unsafe libssh2_userauth_publickey_frommemory(
                session,
                user,
                user.utf8.count,
                publicLine,
                publicLine?.utf8.count ?? 0,
                key.baseAddress?.assumingMemoryBound(to: CChar.self),
                key.count - 1,
                passphrase
            )
        }
        return try check(code) != nil
    }

    /// Logs in with a key whose signature is made elsewhere: see `SessionEdge.signature`.
    func authenticate(user: String, publicKey: [UInt8]) throws(LibraryFailure) -> Bool {
        let code = unsafe publicKey.withUnsafeBufferPointer { key in
            unsafe libssh2_userauth_publickey(
                session,
                user,
                key.baseAddress,
                key.count,
                signCallback,
                libssh2_session_abstract(session)
            )
        }
        return try check(code) != nil
    }

    /// Opens a channel for a command, or, with a `target`, a tunnel.
    ///
    /// Only one opening at a time; nil means not yet.
    ///
    /// `target` must hold the same bytes in every call until the channel is there.
    func openChannel(window: Int, tunnelTo target: [UInt8]?) throws(LibraryFailure) -> ChannelHandle? {
        let packet = UInt32(ChannelHandle.packetSize)
        let channel: OpaquePointer?
        if let target {
            unsafe channel = unsafe target.withUnsafeBytes { bytes in
                unsafe rollbook_ssh2_open_tunnel(
                    session,
                    UInt32(window),
                    packet,
                    bytes.baseAddress,
                    UInt32(bytes.count)
                )
            }
        } else {
            unsafe channel = unsafe rollbook_ssh2_open_session(session, UInt32(window), packet)
        }
        if let channel = unsafe channel { return unsafe ChannelHandle(channel, of: self) }
        _ = try check(unsafe libssh2_session_last_errno(session))
        return nil
    }

    /// Asks the server for a sign of life.
    ///
    /// Any answer shows as bytes received.
    func sendKeepAlive() throws(LibraryFailure) {
        unsafe libssh2_keepalive_config(session, 1, 1)
        _ = try check(unsafe libssh2_keepalive_send(session, nil))
    }

    /// Says good-bye; best effort.
    func disconnect() {
        _ = unsafe libssh2_session_disconnect_ex(session, SSH_DISCONNECT_BY_APPLICATION, "done", "")
    }

    func releaseText(_ text: UnsafeMutablePointer<CChar>?) {
        unsafe libssh2_free(session, text)
    }

    /// Turns a return code into a count, nil for "not yet", or a failure with the message copied at once.
    func check(_ code: some BinaryInteger) throws(LibraryFailure) -> Int? {
        if code >= 0 { return Int(code) }
        if code == LIBSSH2_ERROR_EAGAIN { return nil }
        var text: UnsafeMutablePointer<CChar>?
        var length: Int32 = 0
        let latest = unsafe libssh2_session_last_error(session, &text, &length, 0)
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: Int(max(0, length)))
        let message = latest == Int32(code) ? unsafe String(decoding: bytes, as: UTF8.self) : ""
        throw LibraryFailure(code: Int32(code), message: message)
    }
}
