import Glibc
import RemoteShell

/// Reads small local files that must not be readable by others.
enum SecretFile {
    private static let maximumSize = 64 * 1024

    /// Returns the bytes of `path`, which must be a regular file of ours or of root, closed to group and others.
    static func read(_ path: String) throws(LinkFault) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw LinkFault(.localFile, "\(path): \(SystemError.text(errno))") }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw LinkFault(.localFile, "\(path): \(SystemError.text(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw LinkFault(.localFile, "\(path): not a regular file") }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw LinkFault(.localFile, "\(path): owned by user id \(status.st_uid); want \(geteuid()) or root")
        }
        let mode = status.st_mode & 0o777
        guard mode & 0o077 == 0 else {
            let octal = String(mode, radix: 8)
            let text = String(repeating: "0", count: max(0, 4 - octal.count)) + octal
            throw LinkFault(.localFile, "\(path): mode \(text); want 0600", next: "chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: Self.maximumSize + 1)
        var length = 0
        while length < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { room in
                unsafe Glibc.read(descriptor, room.baseAddress?.advanced(by: length), room.count - length)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LinkFault(.localFile, "\(path): \(SystemError.text(errno))") }
            if count == 0 { return Array(bytes.prefix(length)) }
            length += count
        }
        throw LinkFault(.localFile, "\(path): larger than \(maximumSize) bytes; not a key")
    }
}
