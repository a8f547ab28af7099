import CLibSSH2
import Glibc
import NIOCore

/// Everything libssh2's callbacks touch: bytes that came, bytes to send, the signature it waits for.
///
/// Sending never blocks: libssh2 cannot resume a half-sent packet from another call than the one that began it, so
/// every byte is taken at once, and whoever produces bytes asks `outgoing` for room first.
final class SessionEdge {
    /// Bytes from the peer that libssh2 has not read yet.
    private var incoming = ByteBuffer()
    /// Bytes of libssh2 for the peer.
    var outgoing = ByteBuffer()
    /// Bytes libssh2 has read in all: a pass over the channels that did not raise it is the last one for now.
    private(set) var consumed = 0
    /// Bytes libssh2 may still read before other sessions get their turn.
    var allowance = 0
    /// False once the link is given up: every call of libssh2 then fails at once instead of waiting.
    var isOpen = true
    /// What the server wrote into its disconnect message.
    var disconnectText: String?
    var signature: SignatureRequest?

    var unread: Int { incoming.readableBytes }

    func append(_ bytes: ByteBuffer) {
        if incoming.readableBytes == 0 {
            incoming = bytes
        } else {
            incoming.discardReadBytes()
            incoming.writeImmutableBuffer(bytes)
        }
    }

    /// The body of the receive callback: a count, or a negated `errno`.
    func receive(_ room: UnsafeMutableRawBufferPointer) -> Int {
        guard isOpen else { return -Int(ECONNRESET) }
        let count = min(room.count, incoming.readableBytes, allowance)
        guard count > 0 else { return -Int(EAGAIN) }
        unsafe incoming.readWithUnsafeReadableBytes { bytes in
            unsafe room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
            return count
        }
        // Lets NIO reuse its receive buffer instead of allocating another.
        if incoming.readableBytes == 0 { incoming = ByteBuffer() }
        consumed += count
        allowance -= count
        return count
    }

    /// The body of the send callback.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard isOpen else { return -Int(EPIPE) }
        unsafe outgoing.writeBytes(bytes)
        return bytes.count
    }
}

/// A signature that is being made elsewhere (by the agent) while libssh2 is asked again and again.
enum SignatureRequest {
    case wanted(data: [UInt8])
    case underWay
    case made([UInt8])
    case refused
}
