import Crypto
import RemoteShell
import Synchronization
import SystemPackage

/// A file on this machine, read or written in one piece or as a stream.
enum LocalFile {
    static func read(_ path: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(FilePath(path), .readOnly)
        return try file.closeAfter {
            var bytes: [UInt8] = []
            while true {
                let part = try unsafe [UInt8](unsafeUninitializedCapacity: 64 * 1024) { room, count in
                    count = unsafe try file.read(into: UnsafeMutableRawBufferPointer(room))
                }
                guard !part.isEmpty else { return bytes }
                bytes += part
            }
        }
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try create(path)
        _ = try file.closeAfter { try file.writeAll(bytes) }
    }

    fileprivate static func create(_ path: String) throws -> FileDescriptor {
        try FileDescriptor.open(
            FilePath(path),
            .writeOnly,
            options: [.create, .truncate],
            permissions: [.ownerReadWrite]
        )
    }
}

/// Writes a stream to a file and hashes it on the way, as a staged backup does.
final class FileSink: ByteSink {
    private struct State {
        var hash = SHA256()
        var bytes = 0
    }

    private let file: FileDescriptor
    private let state = Mutex(State())

    init(_ path: String) throws { file = try LocalFile.create(path) }

    var mayBlock: Bool { true }

    func write(_ bytes: RawSpan) throws {
        try state.withLock { state in
            try unsafe bytes.withUnsafeBytes { part in
                _ = unsafe try file.writeAll(part)
                unsafe state.hash.update(bufferPointer: part)
            }
            state.bytes += bytes.byteCount
        }
    }

    /// Closes the file; returns what was written and its SHA-256 in hexadecimal.
    func finish() throws -> (bytes: Int, digest: String) {
        try file.close()
        return state.withLock { state in
            let digits = state.hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return (state.bytes, digits.joined())
        }
    }
}
