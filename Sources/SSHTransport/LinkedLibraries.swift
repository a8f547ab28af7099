import Glibc

/// The shared libraries behind the transport, as they are at run time; distributions exchange them under the program.
package enum LinkedLibraries {
    /// Name and version of each: libssh2, and the libcrypto and zlib it uses.
    package static var versions: [(name: String, version: String)] {
        [("libssh2", LibSSH2.version), ("libcrypto", libcrypto), ("zlib", zlib)]
    }

    private static var libcrypto: String {
        typealias Version = @convention(c) (Int32) -> UnsafePointer<CChar>?
        guard let symbol = unsafe dlsym(nil, "OpenSSL_version"),
            let text = unsafe unsafeBitCast(symbol, to: Version.self)(0)
        else { return "unknown" }
        return unsafe String(cString: text)
    }

    private static var zlib: String {
        typealias Version = @convention(c) () -> UnsafePointer<CChar>?
        guard let symbol = unsafe dlsym(nil, "zlibVersion"), let text = unsafe unsafeBitCast(symbol, to: Version.self)()
        else { return "unknown" }
        return unsafe String(cString: text)
    }
}
