import CLibSSH2

/// The library as a whole: one initialisation, and which version is there at run time.
///
/// Known weakness: libssh2 asserts, which ends the program, when a packet's length is no multiple of the cipher's block
/// (`decrypt` in transport.c). Somebody in the middle can do that to a connection with AES-CTR and a MAC over the plain
/// text, which is all that 1.10 has; with AES-GCM or an -etm MAC, both preferred where they exist, he cannot. What
/// was under way is then resumed from the journal, as after a kill.
enum LibSSH2 {
    /// Initialises the library exactly once; its own initialisation is not safe from two threads (libssh2_init(3)).
    static let isReady: Bool = libssh2_init(0) == 0

    /// The version of the library that was loaded, which may be newer than the one compiled against.
    static let version: String = unsafe libssh2_version(0).map { unsafe String(cString: $0) } ?? "unknown"

    /// 1.11 brought RSA with SHA-2, `-etm` MACs and AEAD ciphers.
    static let isModern: Bool = unsafe libssh2_version(0x01_0B_00) != nil
}

/// What a libssh2 call said when it failed; the message is a copy, taken before the next call.
struct LibraryFailure: Error, Sendable, Hashable {
    let code: Int32
    let message: String
}
