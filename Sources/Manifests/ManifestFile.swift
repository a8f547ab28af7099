package import ClusterModel
import SystemPackage

/// Reads the bytes of a manifest from disk; the only file access of this module.
package enum ManifestFile {
    /// The bytes of a regular file of 1 byte to 8 MiB.
    ///
    /// Never blocks on a FIFO, device or socket: the file is opened without waiting and looked at before it is read.
    /// Symbolic links are followed, since the path is the operator's own.
    package static func read(_ path: String) throws(OperatorMessage) -> [UInt8] {
        do {
            return try read(regular: path)
        } catch let message as OperatorMessage {
            throw message
        } catch let error as Errno {
            if error == .noSuchFileOrDirectory {
                throw OperatorMessage(
                    .usage,
                    at: path,
                    "there is no such file",
                    state: "Nothing was contacted",
                    next: "check the path"
                )
            }
            throw OperatorMessage(
                .invalidInput,
                at: path,
                "cannot read the file: \(error.description)",
                state: "Nothing was contacted"
            )
        } catch {
            throw OperatorMessage(.invalidInput, at: path, "cannot read the file: \(error)")
        }
    }

    private static func read(regular path: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.nonBlocking, .closeOnExec])
        return try file.closeAfter {
            let status = try file.stat()
            guard status.type == .regular else {
                throw OperatorMessage(
                    .invalidInput,
                    at: path,
                    "is \(word(status.type)), not a file",
                    state: "Nothing was contacted",
                    next: "name the YAML file"
                )
            }
            guard status.size > 0 else {
                throw OperatorMessage(
                    .invalidInput,
                    at: path,
                    "is empty (0 bytes)",
                    state: "Nothing was contacted",
                    next: "begin it with 'format: 1'"
                )
            }
            guard status.size <= SourceText.sizeLimit else {
                throw OperatorMessage(
                    .invalidInput,
                    at: path,
                    "has \(status.size) bytes; \(SourceText.sizeLimit) are the limit",
                    state: "Nothing was contacted"
                )
            }
            return try contents(of: file, limit: SourceText.sizeLimit + 1)
        }
    }

    /// At most `limit` bytes: a file that grows meanwhile is then refused by its size like any other.
    private static func contents(of file: FileDescriptor, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let chunk = unsafe try [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
                count = unsafe try file.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    private static func word(_ type: FileType) -> String {
        switch type {
        case .directory: "a folder"
        case .fifo: "a FIFO"
        case .socket: "a socket"
        case .characterSpecial, .blockSpecial: "a device"
        default: "special"
        }
    }
}
