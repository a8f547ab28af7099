import CLibSSH2

/// One libssh2 channel: the only holder of its pointer, alive no longer than its session.
///
/// `@safe` holds because the pointer never leaves this type, is nil after `free`, and the session is kept alive by it.
@safe final class ChannelHandle {
    /// The largest packet libssh2 can take; with more the connection breaks (LIBSSH2_ERROR_OUT_OF_BOUNDARY).
    static let packetSize = 32768

    enum Stream: Int32 {
        case output = 0
        case errorOutput = 1
    }

    private var channel: OpaquePointer?
    private let session: SessionHandle

    init(_ channel: OpaquePointer, of session: SessionHandle) {
        unsafe self.channel = channel
        self.session = session
    }

    /// Requests the command.
    ///
    /// Returns true when the server has accepted it.
    func exec(_ command: [UInt8]) throws(LibraryFailure) -> Bool {
        let code = unsafe command.withUnsafeBytes { bytes in
            unsafe rollbook_ssh2_exec(
                channel,
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                UInt32(bytes.count)
            )
        }
        return try session.check(code) != nil
    }

    /// Reads what is there into `room` and shows it to `use`.
    ///
    /// Returns false when there is nothing now.
    func read(_ stream: Stream, through room: ReadRoom, to use: (RawSpan) -> Void) throws(LibraryFailure) -> Bool {
        try unsafe room.pass { bytes throws(LibraryFailure) in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            return try session.check(unsafe libssh2_channel_read_ex(channel, stream.rawValue, start, bytes.count))
        } to: {
            use($0)
        }
    }

    /// Sends what fits into the peer's window and one packet.
    ///
    /// Nil and 0 both mean that there is no room now.
    ///
    /// After nil the same bytes must be offered again.
    func write(_ bytes: ArraySlice<UInt8>) throws(LibraryFailure) -> Int? {
        let code = unsafe bytes.withUnsafeBytes { bytes in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            return unsafe libssh2_channel_write_ex(channel, 0, start, bytes.count)
        }
        return try session.check(code)
    }

    /// Bytes the peer is willing to take now.
    var sendWindow: Int { Int(unsafe libssh2_channel_window_write_ex(channel, nil)) }

    /// Tells the peer that nothing more follows.
    ///
    /// Returns true when it was sent.
    func sendEOF() throws(LibraryFailure) -> Bool {
        try session.check(unsafe libssh2_channel_send_eof(channel)) != nil
    }

    /// True when the peer ended both streams and everything that came was read.
    var isAtEOF: Bool { unsafe libssh2_channel_eof(channel) == 1 }

    /// True when the peer has closed the channel; meaningful only at EOF.
    func isClosedByPeer() throws(LibraryFailure) -> Bool {
        try session.check(unsafe libssh2_channel_wait_closed(channel)) != nil
    }

    /// Closes the channel.
    ///
    /// Returns true when the peer has closed it as well.
    func close() throws(LibraryFailure) -> Bool {
        try session.check(unsafe libssh2_channel_close(channel)) != nil
    }

    var exitStatus: Int32 { unsafe libssh2_channel_get_exit_status(channel) }

    /// The signal that ended the command, without `SIG`, when the server said so.
    var exitSignal: String? {
        var name: UnsafeMutablePointer<CChar>?
        var length = 0
        guard unsafe libssh2_channel_get_exit_signal(channel, &name, &length, nil, nil, nil, nil) == 0,
            let text = unsafe name
        else { return nil }
        defer { unsafe session.releaseText(text) }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: text, count: length), as: UTF8.self)
    }

    /// Gives the channel's memory back.
    ///
    /// Returns false when the peer has not answered the close yet: call again.
    func free() -> Bool {
        guard let channel = unsafe channel else { return true }
        if unsafe libssh2_channel_free(channel) == LIBSSH2_ERROR_EAGAIN { return false }
        unsafe self.channel = nil
        return true
    }
}
