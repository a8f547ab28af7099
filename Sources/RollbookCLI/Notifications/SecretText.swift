import Glibc
import SystemPackage

/// A short secret in a file: a key, or an address that must not be known.
enum SecretText {
    private static let limit = 4096

    /// The file's bytes without white space at its end.
    ///
    /// It must be a regular file of ours or of root, closed to group and others, and not empty.
    static func read(_ path: String) throws -> [UInt8] {
        func refused(_ why: String) -> HTTPCall.Failure { HTTPCall.Failure(description: "\(path) \(why)") }
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch {
            throw refused("cannot be opened: \(error)")
        }
        return try file.closeAfter {
            var status = stat()
            guard unsafe fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw refused("is no regular file")
            }
            guard status.st_uid == geteuid() || status.st_uid == 0 else { throw refused("belongs to another user") }
            guard status.st_mode & 0o077 == 0 else { throw refused("can be read by others: chmod 600 \(path)") }
            guard status.st_size <= limit else { throw refused("is larger than \(limit) bytes") }
            var bytes = [UInt8](repeating: 0, count: limit)
            let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            bytes.removeLast(limit - count)
            while let last = bytes.last, [0x20, 0x09, 0x0A, 0x0D].contains(last) { bytes.removeLast() }
            guard !bytes.isEmpty else { throw refused("is empty") }
            return bytes
        }
    }
}
