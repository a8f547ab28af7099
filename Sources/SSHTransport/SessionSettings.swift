import NIOCore

/// What a session needs besides its endpoint.
struct SessionSettings {
    let options: SSHOptions
    let hostKeys: any HostKeyPolicy
    let keys: [LoginKey]
    let agent: AgentClient?
    /// The host key algorithm to ask for when the session is only there to see the key.
    let scan: String?
    /// Limit for handshake and login together.
    let timeLimit: Duration
    let room: ReadRoom
}

/// The buffer all channels of a loop read into, one after another; allocated once.
///
/// `@safe` holds because only channels on the loop get it, for the time of one synchronous call.
@safe final class ReadRoom {
    private let bytes: UnsafeMutableRawBufferPointer

    init(size: Int = 256 * 1024) {
        unsafe bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
    }

    deinit { unsafe bytes.deallocate() }

    /// Fills the buffer by `fill` and shows what it wrote to `use`.
    ///
    /// Returns false when that was nothing.
    func pass<Failure: Error>(
        _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int?,
        to use: (RawSpan) -> Void
    ) throws(Failure) -> Bool {
        guard let count = unsafe try fill(bytes), count > 0 else { return false }
        use(unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(count)).bytes)
        return true
    }
}
